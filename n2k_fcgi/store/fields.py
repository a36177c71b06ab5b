"""Every stored field, and which avatars it can name, so what a purge does with it; ``inventory`` is the same for files.

The name of a grid never counts as an avatar's.
"""

from __future__ import annotations

from enum import Enum

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.model.avatar import Capture, Conflict, Source, StoredCapture
from n2k_fcgi.model.manifests import Manifest
from n2k_fcgi.model.observations import Asked, Queued
from n2k_fcgi.model.tokens import Token


class Holds(Enum):
    """Which avatars a field can name."""

    NO_AVATAR = "kept: a number, a grid, a digest"
    ITS_AVATAR = "removed with its row, or its part of the row"
    ANY_AVATAR = "text from elsewhere: mentions of hidden avatars are cut out"


NO_AVATAR, ITS_AVATAR, ANY_AVATAR = Holds

TABLE: dict[type, dict[str, Holds]] = {
    Source: {"object_key": ANY_AVATAR, "owner_key": ANY_AVATAR, "region": ANY_AVATAR, "grid": ANY_AVATAR},
    Token: {**dict.fromkeys(Token._fields, NO_AVATAR), "note": ANY_AVATAR},
    Manifest: {**dict.fromkeys(Manifest._fields, NO_AVATAR), "source": ANY_AVATAR},
    Capture: {**dict.fromkeys(Capture._fields, NO_AVATAR), "key": ITS_AVATAR, "name": ITS_AVATAR, "source": ANY_AVATAR},
    StoredCapture: {"capture": ITS_AVATAR, "former": ITS_AVATAR},
    Conflict: {**dict.fromkeys(Conflict._fields, NO_AVATAR), **dict.fromkeys(("name", "holder", "key"), ITS_AVATAR)},
    Asked: {"key": ITS_AVATAR, "grid": NO_AVATAR},
    Queued: {**dict.fromkeys(Queued._fields, NO_AVATAR), "key": ITS_AVATAR},
}
"""Conflicts and pending keys are in the volatile file, which a purge empties."""

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    Row = TypeVar("Row", Source, Token, Manifest)


def free_texts(row: Source | Token | Manifest) -> dict[str, str]:
    """The fields of *row* that can name any avatar, with their texts."""
    return {field: str(getattr(row, field)) for field, holds in TABLE[type(row)].items() if holds is ANY_AVATAR}


def cleaned(row: Row, without: Callable[[str], str]) -> Row:
    """*row* with each such text replaced by the result of *without*."""
    changed: dict[str, Any] = {field: without(text) for field, text in free_texts(row).items()}
    return row._replace(**changed)
