"""Keys: UUID text outside, 16 bytes inside, whatever their version."""

import uuid

import pytest
from hypothesis import given

from n2k_fcgi.errors import BadKey
from n2k_fcgi.model.keys import KEY_BYTES, NULL_KEY, format_key, is_cut_key, is_key_shaped, parse_key
from tests.support.strategies import any_text, avatar_key, hostile_text, relaxed

GOVERNOR = "3d6181b0-6a4b-97ef-18d8-722652995cf1"


@relaxed
@given(avatar_key)
def test_every_spelling_round_trips(key: bytes) -> None:
    """A key survives formatting and parsing, in either case, with dashes and without, with white space around."""
    text = format_key(key)
    for spelling in (text, text.upper(), text.replace("-", ""), f" {text}\r\n"):
        assert parse_key(spelling) == key
    assert is_key_shaped(text) and text == text.lower() == str(uuid.UUID(bytes=key))


@relaxed
@given(hostile_text | any_text)
def test_other_text_is_refused(text: str) -> None:
    """What is not shaped like a key is refused with BadKey and one printable line, never another exception."""
    assert not is_key_shaped(text)
    with pytest.raises(BadKey) as caught:
        parse_key(text)
    assert str(caught.value).isprintable()


def test_the_version_does_not_matter() -> None:
    """Governor Linden's key is neither a version nor a variant of RFC 4122, and is fine."""
    assert parse_key(GOVERNOR) == uuid.UUID(GOVERNOR).bytes
    assert len(parse_key(GOVERNOR)) == KEY_BYTES and format_key(parse_key(GOVERNOR)) == GOVERNOR


@pytest.mark.parametrize("null", [NULL_KEY, "0" * 32, f" {NULL_KEY} "])
def test_the_null_key_is_nobodys(null: str) -> None:
    """The null key has the shape of a key and is refused as the null key."""
    assert is_key_shaped(null.strip())
    with pytest.raises(BadKey, match="no avatar has the null key"):
        parse_key(null)


@pytest.mark.parametrize(
    "text",
    [
        "",
        GOVERNOR[:-1],
        GOVERNOR + "0",
        GOVERNOR[:-1] + "g",
        GOVERNOR.replace("-", "", 1),
        GOVERNOR.replace("-", "_"),
        "{" + GOVERNOR + "}",
        "urn:uuid:" + GOVERNOR,
        GOVERNOR.replace("3", "\u0663"),
        GOVERNOR.replace("-", "\u2010"),
        "3d6181b06-a4b-97ef-18d8-722652995cf1",
        GOVERNOR + "\x00",
        GOVERNOR * 3000,
    ],
)
def test_almost_a_key(text: str) -> None:
    """Digits of other scripts, other dashes, braces, prefixes and wrong lengths are not keys."""
    assert not is_key_shaped(text)
    with pytest.raises(BadKey, match="a UUID of 32 hexadecimal digits"):
        parse_key(text)


def test_what_a_refusal_says() -> None:
    """The whole line, with the text that came."""
    for text, why in (("abc", "a key is a UUID of 32 hexadecimal digits"), (NULL_KEY, "no avatar has the null key")):
        with pytest.raises(BadKey) as caught:
            parse_key(text)
        assert str(caught.value) == str(BadKey(key=text, why=why))


@pytest.mark.parametrize("digits", range(36))
def test_a_cut_key(digits: int) -> None:
    """The beginning of a UUID, eight digits and a dash at least, or 20 to 31 digits without dashes, in either case."""
    for text in (GOVERNOR, GOVERNOR.upper()):
        assert is_cut_key(text[:digits]) is (digits > 8)
        assert is_cut_key(f" {text[:digits]}\n") is (digits > 8)
        assert is_cut_key(text.replace("-", "")[:digits]) is (20 <= digits <= 31)


@pytest.mark.parametrize(
    "text",
    [GOVERNOR, "3d6181b0_6a4b", "governor-linden", "3d6181b-06a4b", "3d6181b0-6a4b97ef", "x" * 25, "3d6181b06a4b97ef18d8-"],
)
def test_what_is_no_cut_key(text: str) -> None:
    """A whole one, other dashes, other letters."""
    assert not is_cut_key(text)


def test_white_space_is_for_the_parser_only() -> None:
    """The shape permits no white space, not even a line end; the parser ignores it."""
    assert not is_key_shaped(GOVERNOR + "\n")
    assert parse_key(GOVERNOR + "\n") == parse_key(GOVERNOR)
