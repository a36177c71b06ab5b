"""What a person typed or pasted: a name, a key, the beginning of a name, or a list of names and keys."""

import re
from functools import partial
from typing import NamedTuple

from n2k_fcgi.errors import N2KError
from n2k_fcgi.model.avatar import Avatar
from n2k_fcgi.model.choices import Permission
from n2k_fcgi.model.grids import Wanted
from n2k_fcgi.model.keys import is_key_shaped, parse_key
from n2k_fcgi.model.names import parse_name
from n2k_fcgi.service.directory.lookup import View
from n2k_fcgi.service.directory.search import search
from n2k_fcgi.web.api.bulk import MOST_ASKED, parsed_key, results
from n2k_fcgi.web.json_bodies import Body
from n2k_fcgi.web.services import Services

MOST_BEGINNING = 20
"""Avatars that are shown because their names begin with what was typed."""

_SEPARATORS = re.compile(r"[\r\n\t,;]+")


class Found(NamedTuple):
    """What one box of text leads to: avatars, or one row for each entry of a list."""

    avatars: list[Avatar]
    """Those that have or had the name, or the key; ``former``: the name that was asked for is an earlier one."""
    beginning: list[Avatar]
    """Others, whose names begin with it."""
    next: str | None
    """The cursor after those; None: there are no more."""
    rows: list[Body]
    """As ``bulk.results`` has them."""
    more: int
    """Entries of the list that have no row: too many, or those before took too much reading."""
    problem: str
    """Why it can be neither a name nor a key; ''."""
    generation: str


def entries(text: str) -> list[str]:
    """Return the entries of a list: separated by line ends, tabs, commas and semicolons, which no name of Second Life has."""
    return [entry for part in _SEPARATORS.split(text) if (entry := part.strip())]


def find(text: str, wanted: Wanted, services: Services, *, after: str | None = None) -> Found:
    """Return what *text* leads to, in one snapshot; beginnings of names only where anyone may search.

    *after*: the ``next`` of an earlier answer: what comes after that. One that cannot be read is as good as none.
    """
    listed = entries(text)
    view = services.directory.view()
    with view.snapshot():
        if len(listed) > 1:
            rows, more = each(listed, wanted, view, services)
            return Found([], [], None, rows, more, "", view.generation_name)
        return _one("".join(listed), wanted, view, services, after=after)


def _one(text: str, wanted: Wanted, view: View, services: Services, *, after: str | None) -> Found:
    nothing = Found([], [], None, [], 0, "", view.generation_name)
    if not text:
        return nothing
    try:
        if is_key_shaped(text):
            avatars = [avatar for avatar in view.with_key(parse_key(text)) if wanted.grid in (None, avatar.grid)]
            return nothing._replace(avatars=avatars)
        found = nothing._replace(avatars=view.all_called(parse_name(text, services.grids), wanted))
    except N2KError as problem:
        found = nothing._replace(problem=problem.told)
    return found if services.search is not Permission.OPEN else _with_beginnings(found, text, wanted, view, after=after)


def _with_beginnings(found: Found, text: str, wanted: Wanted, view: View, *, after: str | None) -> Found:
    """Add the avatars whose names begin with *text*, which need not be a whole name; *after* leaves these alone."""
    try:
        page = search(view, text, limit=MOST_BEGINNING, cursor=after, grid=wanted.grid)
    except N2KError:
        return found
    known = {(avatar.key, avatar.grid) for avatar in found.avatars}
    others = [avatar for _, avatars in page.names for avatar in avatars if (avatar.key, avatar.grid) not in known]
    shown = found.avatars if after is None else []
    return found._replace(avatars=shown, beginning=others, next=page.next, problem="" if others else found.problem)


def each(listed: list[str], wanted: Wanted, view: View, services: Services) -> tuple[list[Body], int]:
    """Return one row for each of the first MOST_ASKED entries, in their order, and how many entries have none.

    Inside a ``snapshot``. The rows end early when they took too much reading.
    """
    asked = listed[:MOST_ASKED]
    names = [entry for entry in asked if not is_key_shaped(entry)]
    of_names = results(names, partial(parse_name, grids=services.grids), lambda parsed: view.each_called(parsed, wanted))
    keys = [entry for entry in asked if is_key_shaped(entry)]
    of_keys: list[Body] = []
    if len(of_names) == len(names) and not view.is_enough():
        of_keys = results(keys, parsed_key, lambda parsed: view.each_with_key(parsed, wanted))
    left = {True: iter(of_keys), False: iter(of_names)}
    rows: list[Body] = []
    for entry in asked:
        row = next(left[is_key_shaped(entry)], None)
        if row is None:
            break
        rows.append(row)
    return rows, len(listed) - len(rows)
