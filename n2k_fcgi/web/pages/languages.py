"""The languages of the pages: one catalogue of texts (gettext), English where it has no translation.

A language is a folder in ``locale/``; ``docs/pages.md`` says how to add one. Chosen by ``lang=``, which the links of a page
carry on, else by Accept-Language.
"""

import os
from functools import cache
from gettext import GNUTranslations, NullTranslations
from typing import NamedTuple

from n2k_fcgi.errors import BadRequest
from n2k_fcgi.web.requests import Request

FOLDER = os.path.join(os.path.dirname(__file__), "locale")
DOMAIN = "n2k"
ENGLISH = "en"
"""The language of the texts in the templates themselves."""


class Language(NamedTuple):
    """The language of one page."""

    code: str
    """As in ``lang=`` and in HTML."""
    is_chosen: bool
    """By ``lang=``: the links of the page carry it on."""


@cache
def codes() -> tuple[str, ...]:
    """All languages, English first."""
    return (ENGLISH, *sorted(name for name in os.listdir(FOLDER) if os.path.isdir(os.path.join(FOLDER, name))))


@cache
def texts(code: str) -> NullTranslations:
    """The catalogue of one of ``codes``."""
    if code == ENGLISH:
        return NullTranslations()
    with open(os.path.join(FOLDER, code, "LC_MESSAGES", f"{DOMAIN}.mo"), "rb") as file:  # noqa: PTH123 - as elsewhere in the web
        return GNUTranslations(file)


def language_of(request: Request) -> Language:
    """The language of the page that answers *request*; what is unknown or cannot be read does not choose one."""
    try:
        asked = request.query.get("lang", "")
    except BadRequest:
        asked = ""
    if asked in codes():
        return Language(asked, True)
    return Language(_preferred(request.header("ACCEPT_LANGUAGE")), False)


def _preferred(accepted: str) -> str:
    """Return the language that Accept-Language likes best: ``de-AT, en;q=0.7``. Regions are not told apart."""
    best, best_weight = ENGLISH, 0.0
    for part in accepted.split(",")[:30]:
        tag, _, weight = part.partition(";")
        code = tag.strip().lower().partition("-")[0]
        likes = _weight(weight)
        if code in codes() and likes > best_weight:
            best, best_weight = code, likes
    return best


def _weight(text: str) -> float:
    """The number in ``q=0.7``; 1 if there is none, 0 if it is not a number."""
    name, _, value = text.partition("=")
    if not name.strip():
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
