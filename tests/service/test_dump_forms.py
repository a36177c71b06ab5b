"""Formats of a dump: encodings, line ends, headers, separators, order of columns, quotes; all are read as the same rows."""

import codecs
import csv as writer
import io
import json

import pytest

from n2k_fcgi.errors import DumpNotUnderstood, TooManyBadLines
from n2k_fcgi.model.batch import separate
from n2k_fcgi.model.grids import Grids
from n2k_fcgi.model.keys import format_key
from n2k_fcgi.service.dumps.export import csv_line
from n2k_fcgi.service.dumps.lines import batches
from n2k_fcgi.service.dumps.tally import Reason, Tally
from tests.support.sandbox import Sandbox, csv

PEOPLE = [(format_key(number.to_bytes(16, "big")), f"Fake{number} Resident") for number in range(100, 138)]
PEOPLE += [(format_key((138).to_bytes(16, "big")), "Zoë Ünal"), ("ffffffff-ffff-ffff-ffff-ffffffffffff", "Эд")]
PLAIN = csv(*PEOPLE)
PARTS = csv(*((key, name.replace(" ", ",", 1)) for key, name in PEOPLE))
PARTED = "first and last name in a column each"
HALVES = csv(*PEOPLE[:20]).encode(), csv(*PEOPLE[20:]).encode()
IN_BRACES = [(f"{{{key}}}", name) for key, name in PEOPLE]
JSON = [json.dumps({"key": key, "name": name}) for key, name in PEOPLE]

SWAPPED = "columns swapped: name,uuid"
SEMICOLONS = "';' between the columns"
TABS = "tabs between the columns"
CR = "lines that end with CR"


def _excel(separator: str, quoting: int = writer.QUOTE_MINIMAL) -> str:
    """As a spreadsheet writes it: CR LF."""
    text = io.StringIO()
    writer.writer(text, delimiter=separator, quoting=quoting).writerows(PEOPLE)  # type: ignore[arg-type]
    return text.getvalue()


def _swapped(separator: str = ",") -> str:
    return "".join(f"{name}{separator}{key}\n" for key, name in PEOPLE)


FORMS: dict[str, tuple[str | bytes, list[str]]] = {
    "a header and a blank line": ("uuid,name\n" + PLAIN + "\n", ["the header 'uuid,name'"]),
    "blank lines": ("\n \n" + PLAIN.replace("\n", "\n\n,\n,,\n"), []),
    "empty rows of a spreadsheet": (PLAIN.replace("\n", '\n;\n\t\n"",""\n'), []),
    "key,name": ("key,name\n" + PLAIN, ["the header 'key,name'"]),
    "a header in quotes": ('"key","name"\n' + PLAIN, ["""the header '"key","name"'"""]),
    "another header": ("avatar_name;avatar_key\n" + PLAIN, ["the header 'avatar_name;avatar_key'"]),
    "a header in another language": ("Schlüssel,Name des Avatars\n" + PLAIN, ["the header 'Schlüssel,Name des Avatars'"]),
    "a header behind blank lines": ("\n,\n# UUID,Name\n\n" + PLAIN, ["the header '# UUID,Name'"]),
    "columns swapped": (_swapped(), [SWAPPED]),
    "header and columns swapped": ("name,uuid\n" + _swapped(), ["the header 'name,uuid'", SWAPPED]),
    "semicolons": (PLAIN.replace(",", ";"), [SEMICOLONS]),
    "tabs": ("uuid\tname\n" + PLAIN.replace(",", "\t"), ["the header 'uuid\tname'", TABS]),
    "bars": (PLAIN.replace(",", " | "), ["'|' between the columns"]),
    "tabs, swapped": (_swapped("\t"), [TABS, SWAPPED]),
    "sep=,": ("sep=,\r\n" + _excel(","), ["the line 'sep=,'"]),
    "sep=;": (
        '"SEP=;"\r\nuuid;name\r\n' + _excel(";"),
        ["""the line '"SEP=;"'""", "the header 'uuid;name'", SEMICOLONS],
    ),
    "all in quotes": (_excel(",", writer.QUOTE_ALL), []),
    "all in quotes, semicolons": (_excel(";", writer.QUOTE_ALL), [SEMICOLONS]),
    "whole lines in quotes": ("".join(f'"{line}"\n' for line in PLAIN.splitlines()), []),
    "cells": ("".join(f'="{key}",="{name}"\n' for key, name in PEOPLE), []),
    "keys in braces": (csv(*IN_BRACES), []),
    "keys in braces, swapped": (
        "".join(f'"{name}";"{key}"\n' for key, name in IN_BRACES),
        [SEMICOLONS, SWAPPED],
    ),
    "three columns": (PARTS, [PARTED]),
    "three columns, header": ("Key,FirstName,LastName\n" + PARTS, ["the header 'Key,FirstName,LastName'", PARTED]),
    "three columns, bars, header": (
        ("uuid,first,last\n" + PARTS).replace(",", "|"),
        ["the header 'uuid|first|last'", "'|' between the columns", PARTED],
    ),
    "three columns, semicolons, quotes": (
        PARTS.replace(",", '";"').replace("\n", '"\n"').removesuffix('"').join(['"', ""]),
        [SEMICOLONS, PARTED],
    ),
    "three columns, the key last": (
        "".join(f"{name.replace(' ', ',', 1)},{key}\n" for key, name in PEOPLE),
        [PARTED, SWAPPED],
    ),
    "CR": (PLAIN.replace("\n", "\r"), [CR]),
    "CR LF": (PLAIN.replace("\n", "\r\n"), []),
    "a mark": (codecs.BOM_UTF8 + PLAIN.encode(), ["a byte-order mark"]),
    "two files with marks, one behind the other": (
        b"".join(codecs.BOM_UTF8 + half for half in HALVES),
        ["a byte-order mark"],
    ),
    "UTF-16": (codecs.BOM_UTF16_LE + PLAIN.encode("utf-16-le"), ["UTF-16"]),
    "UTF-16, the other way, of a spreadsheet": (
        codecs.BOM_UTF16_BE + _excel("\t").encode("utf-16-be"),
        ["UTF-16", TABS],
    ),
    "UTF-16, header, CR, swapped": (
        ("name,uuid\n" + _swapped()).replace("\n", "\r").encode("utf-16"),
        ["UTF-16", CR, "the header 'name,uuid'", SWAPPED],
    ),
    "UTF-32": (PLAIN.encode("utf-32"), ["UTF-32"]),
    "JSON lines in UTF-16, with blank lines": (
        "\n\n".join(JSON).encode("utf-16"),
        ["UTF-16"],
    ),
}


@pytest.mark.parametrize(("text", "found"), FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("block", [1, 1 << 20])
def test_a_dump_in_any_form_is_read(text: str | bytes, found: list[str], block: int) -> None:
    """The same forty rows, none rejected, whatever the blocks; unusual formats are reported."""
    data = text.encode() if isinstance(text, str) else text
    tally = Tally()
    read = list(batches((data[at : at + block] for at in range(0, len(data), block)), tally, Grids(), lambda *_: 0))
    keys, spellings = (b"".join(batch[column] for batch in read) for column in (0, 1))
    assert keys.hex() == "".join(key.replace("-", "") for key, _ in PEOPLE)
    assert spellings.decode() == "".join(f"{name}\n" for _, name in PEOPLE)
    assert (tally.lines, tally.bad_lines, tally.found) == (40, 0, found)


def test_line_numbers_are_those_of_an_editor() -> None:
    """Blank lines, hint and header count for the line number only."""
    tally = Tally()
    list(batches([b"\nsep=,\n\nuuid,name\n,\n" + PLAIN.encode() + b"\nnonsense\n"], tally, Grids(), lambda *_: 0))
    assert tally.shown == [(47, Reason.FIELD_COUNT, "nonsense")] and tally.lines == 41


@pytest.mark.parametrize(
    "first",
    [
        "a27b84f0-2757-4176-9579,Masakazu Kojima",
        "zzzb84f0-2757-4176-9579-43a181d4a5a0,Masakazu Kojima",
        "nonsense",
        "uuid,\0name",
    ],
)
def test_a_damaged_first_row_is_no_header(first: str) -> None:
    """A bad line as the first one is a bad line, and so is a second header."""
    tally = Tally()
    list(batches([f"{first}\nuuid,name\n{PLAIN}".encode()], tally, Grids(), lambda *_: 0))
    assert tally.bad_lines == 2 and tally.found == []


REFUSED: dict[str, tuple[str | bytes, str]] = {
    "more columns": (PLAIN.replace(",", ",0,"), "40 of 40 lines are bad (mostly: wrong field count)"),
    "two more columns": (PARTS.replace("\n", ",2007\n"), "nothing was imported (see docs/dumps.md"),
    "another header": ("uuid,username,shown\n" + PARTS, "(mostly: wrong field count)"),
    "last names first": ("uuid,LastName,FirstName\n" + PARTS, "(mostly: wrong field count)"),
    "Latin-1": (
        csv((PEOPLE[0][0], "Zoë O'Neil"), (PEOPLE[1][0], "Jürgen Last")).encode("latin-1"),
        "(see 'iconv -f WINDOWS-1252 -t UTF-8'",
    ),
    "columns swapped on the way": (PLAIN * 3 + _swapped(), "40 of 160 lines are bad (mostly: key and name swapped)"),
    "names that are keys": ("".join(f"{key},{key}\n" for key, _ in PEOPLE), "(mostly: a UUID as a name)"),
    "NULs": (PLAIN.replace(",0", ",\0") + PLAIN.replace(" ", "\0"), "(mostly: a NUL byte)"),
    "no keys": ("name,first,last\n" + PLAIN.replace("-", "+"), "40 of 40 lines are bad (mostly: bad UUID)"),
}


@pytest.mark.parametrize(("text", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_refused_by_name(sandbox: Sandbox, text: str | bytes, said: str) -> None:
    """One line has the most frequent reason."""
    with pytest.raises(TooManyBadLines) as caught:
        sandbox.import_text(text)
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_refused(sandbox: Sandbox, encoding: str) -> None:
    """It would be a guess; the message says what to do."""
    with pytest.raises(DumpNotUnderstood, match="UTF-16 without a byte-order mark: save it as UTF-8"):
        sandbox.import_text(PLAIN.encode(encoding))


def test_half_a_character_of_utf16_costs_a_line() -> None:
    """A lone surrogate and an odd byte at the end are bad lines, and the import continues."""
    tally = Tally()
    data = PLAIN.encode("utf-16") + f"{PEOPLE[0][0]},Fa\ud800ke\n".encode("utf-16-le", "surrogatepass") + b"x"
    list(batches([data], tally, Grids(), lambda *_: 0))
    assert tally.bad == {Reason.NAME: 1, Reason.FIELD_COUNT: 1}


ODD_NAMES = [
    "a;b",
    "sep=;",
    '="x"',
    'say "hi"',
    "{x}",
    "tab|bar",
    "O'Brien",
    "Smith, John",
    "x,",
    "uuid,name",
    'x"',
    ",",
    f"x;{PEOPLE[0][0]}",
    'x,="y"',
]


@pytest.mark.parametrize("names", [[name] for name in ODD_NAMES] + [ODD_NAMES, ODD_NAMES[::-1]], ids=str)
def test_what_is_exported_comes_back(names: list[str]) -> None:
    """Unusual names, alone or many, are not mistaken for another form of csv."""
    tally = Tally()
    exported = [csv_line(number.to_bytes(16, "big"), name) for number, name in enumerate(names, 0xA1B2)]
    read = list(batches(exported, tally, Grids(), lambda *_: 0))
    assert separate(b"".join(batch.spellings for batch in read)) == [name.encode() for name in names]
    assert (tally.found, tally.bad_lines) == ([], 0)
