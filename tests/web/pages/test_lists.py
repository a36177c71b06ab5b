"""Lists: names and keys by the thousand, as a table, csv or JSON."""

import csv as csv_files
import io
import json
import time
from urllib.parse import quote, urlencode

import pytest

from tests.support.people import Page, Visitor, visiting
from tests.support.sandbox import GOVERNOR, MASAKAZU, Sandbox, csv

MANY = 10_000
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def people(sandbox: Sandbox) -> Sandbox:
    """Ten thousand avatars, and two."""
    rows = [(f"00000000-0000-4000-8000-{n:012x}", f"Many{n} Resident") for n in range(1, MANY + 1)]
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"), (GOVERNOR, "Governor Linden"), *rows))
    sandbox.register("=HYPERLINK(1) X", "00000000-0000-4000-8000-00000000c01d", "OpenSim")
    return sandbox


def posted(visitor: Visitor, **fields: str) -> bytes:
    """The answer to the form."""
    reply = visitor.send("POST", "/lists", urlencode(fields).encode(), Content_Type=FORM)
    assert reply.status == 200, reply
    return reply.body


def test_a_pasted_list_is_a_table(people: Sandbox) -> None:
    """By the form and by a link; names lead to pages, what is unknown has a row, and the box keeps the list."""
    listed = f"governor linden\r\n{MASAKAZU}\r\n\r\nnobody here"
    with visiting(people) as visitor:
        by_form, by_link = Page(posted(visitor, names=listed)), visitor.page(f"/lists?names={quote(listed)}")
        for page in (by_form, by_link):
            assert len(page.every("tr")) == 4 and "3 entries" in page.text and "nobody here not known" in page.text
            assert sum("avatar/" in link for link in page.links) == 2
            assert f"governor linden {MASAKAZU} nobody here" in page.text


def test_a_grid_can_be_chosen(people: Sandbox) -> None:
    """Then only its avatars answer; the choice stays in the form. One that cannot be is a 400."""
    with visiting(people) as visitor:
        page = Page(posted(visitor, names="governor linden", grid="OpenSim"))
        assert "not known" in page.text and [each for each in page.every("option") if "selected" in each]
        assert visitor.get("/lists?grid=%00&names=x").status == 400
        assert visitor.get("/lists?format=xml").status == 400


def test_csv_and_json(people: Sandbox) -> None:
    """The same rows, to be kept; no cell is a formula for a spreadsheet."""
    listed = f"governor linden\n{MASAKAZU}\nnobody\n00000000-0000-4000-8000-00000000c01d"
    with visiting(people) as visitor:
        reply = visitor.send("POST", "/lists", urlencode({"names": listed, "format": "csv"}).encode(), Content_Type=FORM)
        assert reply.headers["content-type"] == "text/csv; charset=utf-8"
        assert "avatars.csv" in reply.headers["content-disposition"]
        rows = list(csv_files.reader(io.StringIO(reply.body.decode())))
        assert rows[:2] == [["asked", "key", "name", "grid"], ["governor linden", GOVERNOR, "Governor Linden", "Production"]]
        assert rows[3] == ["nobody", "", "", ""] and rows[4][2] == "'=HYPERLINK(1) X"
        found = json.loads(posted(visitor, names=listed, format="json"))
        assert [row["key"] for row in found["results"]] == [row[1] or None for row in rows[1:]]


def test_what_is_left_stays_in_the_box(people: Sandbox) -> None:
    """A thousand entries at a time; the form then has the others, until all were asked."""
    left = "\n".join(f"many{n}" for n in range(1, 2501))
    seen = 0
    with visiting(people) as visitor:
        for rows, more in ((1000, "1 500"), (1000, "500"), (500, None)):
            page = Page(posted(visitor, names=left))
            assert len(page.every("tr")) == rows + 1
            assert more is None or f"{more} more are not shown. They are in the box: press again" in page.text
            seen += rows
            left = "\n".join(f"many{n}" for n in range(seen + 1, 2501))
            assert left.replace("\n", " ") in page.text


def test_ten_thousand_entries_in_pieces_as_the_script_asks(people: Sandbox) -> None:
    """Ten answers of a thousand rows, each the table alone; none reads more than a bulk lookup of the API."""
    with visiting(people) as visitor:
        begun = time.process_time()
        for first in range(1, MANY, 1000):
            part = posted(visitor, names="\n".join(f"many{n} resident" for n in range(first, first + 1000)), format="rows")
            page = Page(part)
            assert len(page.every("tr")) == 1001 and not page.every("main") and "not known" not in page.text
        assert time.process_time() - begun < 60


def test_too_large_a_list_has_a_page(people: Sandbox) -> None:
    """413 in the frame."""
    with visiting(people) as visitor:
        reply = visitor.send("POST", "/lists", b"names=" + b"x%0A" * 50_000, Content_Type=FORM)
        assert reply.status == 413 and "That is too much at once" in Page(reply.body).text
        assert "Ask for fewer names at a time" in Page(reply.body).text


def test_a_table_has_a_permalink(people: Sandbox) -> None:
    """Also one that was asked for by the form, while an address can hold it."""
    with visiting(people) as visitor:
        page = Page(posted(visitor, names=f"governor linden\n{MASAKAZU}", grid="Production"))
        (link,) = [link for link in page.links if "names=" in link and "format" not in link and "lang=" not in link]
        again = visitor.page(visitor.follow("/lists", link))
        assert len(again.every("tr")) == 3 and "Governor Linden" in again.text
        assert "Link to this table" not in Page(posted(visitor, names="\n".join(f"many{n}" for n in range(900)))).text
