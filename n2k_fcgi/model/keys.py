"""Avatar keys: UUID text in requests and answers, 16 bytes inside.

Only the shape is checked, never the RFC 4122 version or variant: Linden avatars have keys that are neither
(Governor Linden is ``3d6181b0-6a4b-97ef-18d8-722652995cf1``).
"""

from n2k_fcgi.errors import BadKey

KEY_BYTES = 16
NULL_KEY = "00000000-0000-0000-0000-000000000000"
"""LSL's NULL_KEY: the answer "no such avatar"; no avatar has it."""

DASHED = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
"""A regular expression for a UUID with dashes."""

_HEX = "0123456789abcdefABCDEF"


def is_key_shaped(text: str) -> bool:
    """Whether *text* is a UUID with dashes, or its 32 digits without dashes."""
    digits = text
    if len(text) == 36 and text[8] == text[13] == text[18] == text[23] == "-":
        digits = text.replace("-", "")
    return len(digits) == 32 and not digits.strip(_HEX)


def is_cut_key(text: str) -> bool:
    """Whether *text* is a truncated UUID: at least eight digits and a dash, or 20 to 31 digits without dashes."""
    digits = text.strip()
    if len(digits) < 36 and "-" in digits:
        return len(digits) > 8 and is_key_shaped(digits + NULL_KEY[len(digits) :])
    return 20 <= len(digits) <= 31 and not digits.strip(_HEX)


def parse_key(text: str) -> bytes:
    """Return the 16 bytes of a UUID: either case, with or without dashes, surrounding white space ignored.

    Raises BadKey if it has another shape or is the null key.
    """
    digits = text.strip()
    if not is_key_shaped(digits):
        raise BadKey(key=text, why="a key is a UUID of 32 hexadecimal digits")
    key = bytes.fromhex(digits.replace("-", ""))
    if not any(key):
        raise BadKey(key=text, why="no avatar has the null key")
    return key


def format_key(key: bytes) -> str:
    """Return the 36 characters of LSL's form, in lower case."""
    digits = key.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
