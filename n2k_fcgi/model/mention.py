"""A place in some bytes where a text names an avatar that asked to be forgotten."""

from __future__ import annotations

from enum import Enum

from n2k_fcgi.named import NamedTuple


class Form(Enum):
    """How an avatar is named."""

    KEY = "a key"
    NAME = "a name"
    WORD = "a word that is a name"


class Mention(NamedTuple):
    """The bytes from *start* up to *end*."""

    start: int
    end: int
    form: Form
