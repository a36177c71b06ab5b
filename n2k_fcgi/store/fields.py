"""Every field of what is stored, and whom it can name: what a purge does with a field, as ``datadir`` says of files.

A grid's name is no avatar's, whatever it reads.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

from n2k_fcgi.model.avatar import Capture, Conflict, Source, StoredCapture
from n2k_fcgi.model.manifests import Manifest
from n2k_fcgi.model.observations import Asked
from n2k_fcgi.model.tokens import Token


class Holds(Enum):
    """Whom a field can name."""

    NOBODY = "stays: a number, a grid, a digest"
    ITS_AVATAR = "goes with the row, or with its part of it"
    ANYBODY = "text from elsewhere: keys and names of the forgotten are cut out of it"


NOBODY, ITS_AVATAR, ANYBODY = Holds

TABLE: dict[type, dict[str, Holds]] = {
    Source: {"object_key": ANYBODY, "owner_key": ANYBODY, "region": ANYBODY, "grid": ANYBODY},
    Token: {**dict.fromkeys(Token._fields, NOBODY), "note": ANYBODY},
    Manifest: {**dict.fromkeys(Manifest._fields, NOBODY), "source": ANYBODY},
    Capture: {**dict.fromkeys(Capture._fields, NOBODY), "key": ITS_AVATAR, "name": ITS_AVATAR, "source": ANYBODY},
    StoredCapture: {"capture": ITS_AVATAR, "former": ITS_AVATAR},
    Conflict: {**dict.fromkeys(Conflict._fields, NOBODY), **dict.fromkeys(("name", "holder", "key"), ITS_AVATAR)},
    Asked: {"key": ITS_AVATAR, "grid": NOBODY},
}
"""Conflicts and pending keys lie in the volatile file, which begins anew."""

Row = TypeVar("Row", Source, Token, Manifest)


def free_texts(row: Source | Token | Manifest) -> dict[str, str]:
    """The fields of *row* in which anybody may be named, with what they are."""
    return {field: str(getattr(row, field)) for field, holds in TABLE[type(row)].items() if holds is ANYBODY}


def cleaned(row: Row, without: Callable[[str], str]) -> Row:
    """*row* with what *without* makes of each such field."""
    changed: dict[str, Any] = {field: without(text) for field, text in free_texts(row).items()}
    return row._replace(**changed)
