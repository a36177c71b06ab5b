"""Many names and keys at once: pasted into a form, answered as a table, as csv or as JSON."""

import csv
import io

from n2k_fcgi.errors import BadRequest
from n2k_fcgi.web import json_bodies
from n2k_fcgi.web.api.bulk import MOST_ASKED
from n2k_fcgi.web.json_bodies import Body
from n2k_fcgi.web.pages import asked, frame
from n2k_fcgi.web.pages.headers import SAFE
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import Answer
from n2k_fcgi.web.services import Services

FORMATS = ("html", "rows", "csv", "json")
"""``rows``: the table alone, which our script puts into the page."""

LONGEST_LINK = 2000
"""Characters of a list that an address may hold: web servers refuse one of more than 8 KB."""

_COLUMNS = ("asked", "key", "name", "grid")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is a formula for spreadsheets, and a stranger may have chosen the name."""


def lists(request: Request, services: Services) -> Answer:
    """The form, and one row for each of the first MOST_ASKED entries of ``names``; what is left stays in the form."""
    fields = request.fields()
    form = fields.get("format", "html")
    if form not in FORMATS:
        raise BadRequest(why=f"format is one of {', '.join(FORMATS)}")
    text, grid = fields.get("names", ""), fields.get("grid") or None
    wanted = services.grids.wanted(grid)
    entries = asked.entries(text)
    view = services.directory.view()
    with view.snapshot():
        rows, more = asked.each(entries, wanted, view, services)
    generation = view.generation_name
    if form == "csv":
        return _csv(rows, generation)
    if form == "json":
        return json_bodies.answer({"results": rows, "more": more}, generation)
    values = {"here": "lists", "rows": rows, "more": more, "left": "\n".join(entries[len(rows) :]), "grid": grid}
    if form == "rows":
        return frame.fragment(request, "rows.html", values, generation=generation)
    fits = len(text) <= LONGEST_LINK
    values |= {"labels": services.grids.labels, "most": MOST_ASKED, "text": text, "permalink": bool(entries) and fits}
    json = ("lists", {"names": text, "grid": grid, "format": "json"}) if fits else None
    return frame.page(request, "lists.html", values, json=json, generation=generation)


def _csv(rows: list[Body], generation: str) -> Answer:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    writer.writerows([_cell(row[column]) for column in _COLUMNS] for row in rows)
    headers = (*SAFE, ("Content-Disposition", 'attachment; filename="avatars.csv"'))
    return Answer(200, text.getvalue().encode(), "text/csv; charset=utf-8", headers, generation)


def _cell(text: str | None) -> str:
    """Return a cell that no spreadsheet takes for a formula: those that begin as one get an apostrophe in front."""
    return f"'{text}" if text and text.startswith(_FORMULA) else text or ""
