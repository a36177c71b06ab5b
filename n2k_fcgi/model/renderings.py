"""How a spelling follows from the canonical name: W-Hat's dump has only what its server renders from the canonical form.

Its names have each part capitalised, the rest in lower case, and the last name Resident where an account has none (seen in
the dump, and in the server's source: name2key.clj). A form says which rendering a spelling is, so it need not be stored twice.
"""

import string
from enum import IntEnum

from n2k_fcgi.model.batch import Batch, separate


class NameForm(IntEnum):
    """Which rendering of its canonical name a spelling is."""

    RENDERED = 0
    """W-Hat's own: ``Governor Linden``, ``Foo Resident``."""
    BARE = 1
    """The same without Resident: ``Foo``."""
    OTHER = 2
    """None of them, for instance ``FOO Resident``."""


_CLASSES = bytes.maketrans(
    string.ascii_uppercase.encode() + string.ascii_lowercase.encode() + string.digits.encode() + b"_",
    b"U" * 26 + b"l" * 26 + b"d" * 11,
)


def form_of(spelling: bytes, canonical: bytes) -> NameForm:
    """Return the form of one spelling; both in UTF-8."""
    rendered = b" ".join(map(bytes.capitalize, canonical.split(b".")))
    if b" " in rendered:
        return NameForm.RENDERED if spelling == rendered else NameForm.OTHER
    if spelling == rendered + b" Resident":
        return NameForm.RENDERED
    return NameForm.BARE if spelling == rendered else NameForm.OTHER


def spelled(canonical: bytes, form: int) -> bytes:
    """Return the spelling of a form that is not OTHER."""
    rendered = b" ".join(map(bytes.capitalize, canonical.split(b".")))
    return rendered if form == NameForm.BARE or b" " in rendered else rendered + b" Resident"


def forms_of(batch: Batch) -> bytes | None:
    """Return the form of each row, found without a step per row where all are RENDERED or BARE; None if all are RENDERED."""
    classes = (b"\n" + batch.spellings).translate(_CLASSES)
    # What is left of a row of two parts is " \n", of one part "\n": each becomes its form.
    forms = classes.translate(None, b"Uld")[1:].replace(b" \n", b"\0").replace(b"\n", b"\1")
    if len(forms) == batch.rows and not forms.translate(None, b"\0\1") and _are_capitalised(classes, batch.rows):
        return forms if NameForm.BARE in forms else None
    return bytes(map(form_of, separate(batch.spellings), separate(batch.canonicals)))


def _are_capitalised(classes: bytes, rows: int) -> bool:
    """Whether capitals begin parts, and only there; a part may begin with a digit too."""
    begin = classes.count(b"\nU") + classes.count(b" U")
    if begin != classes.count(b"U"):
        return False
    parts = rows + classes.count(b" ")
    return begin == parts or begin + classes.count(b"\nd") + classes.count(b" d") == parts
