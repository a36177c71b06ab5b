"""Lines of a dump: good ones become rows, bad ones are counted by reason, unusual ones are read."""

import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2k_fcgi.errors import DumpNotUnderstood
from n2k_fcgi.model.batch import separate
from n2k_fcgi.model.grids import Grid, Grids
from n2k_fcgi.model.names import canonical
from n2k_fcgi.model.origins import Origin, OriginTable
from n2k_fcgi.service.dumps import lines as reader
from n2k_fcgi.service.dumps.dialect import LOOKED_AT, SEPARATORS, WHAT, Dialect
from n2k_fcgi.service.dumps.lines import LINE_BYTES, batches
from n2k_fcgi.service.dumps.plain import read_plain
from n2k_fcgi.service.dumps.tally import BAD_SHOWN, Oddity, Reason, Tally
from tests.support.sandbox import GOVERNOR, MASAKAZU, Sandbox

GOOD = f"{MASAKAZU},Masakazu Kojima\n".encode()


def _read(data: bytes, block: int = 1 << 20) -> tuple[list[tuple[bytes, bytes, bytes]], Tally]:
    tally = Tally()
    blocks = (data[at : at + block] for at in range(0, len(data), block))
    rows = []
    for batch in batches(blocks, tally, Grids(), lambda *_: 0):
        keys = [batch.keys[at : at + 16] for at in range(0, len(batch.keys), 16)]
        rows += list(zip(keys, separate(batch.spellings), separate(batch.canonicals), strict=True))
    return rows, tally


def test_a_plain_line_becomes_a_row() -> None:
    """Key, spelling as given, canonical name."""
    rows, tally = _read(GOOD)
    assert rows == [(bytes.fromhex(MASAKAZU.replace("-", "")), b"Masakazu Kojima", b"masakazu.kojima")]
    assert (tally.lines, tally.bad_lines) == (1, 0)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"{MASAKAZU}", "wrong field count"),
        (f"{MASAKAZU},a,b", "wrong field count"),
        (f"{MASAKAZU},Name,Lee,", "wrong field count"),
        ("zzzb84f0-2757-4176-9579-43a181d4a5a0,Name", "bad UUID"),
        ("a27b84f0-2757-4176-9579,Name", "bad UUID"),
        ("00000000-0000-0000-0000-000000000000,Nobody Home", "null key"),
        (f"{MASAKAZU},", "empty name"),
        (f"{MASAKAZU},   ", "empty name"),
        (f"{MASAKAZU},{'x' * 64}", "over-long name"),
        (f"{MASAKAZU},{GOVERNOR}", "a UUID as a name"),
        (f"{MASAKAZU},{GOVERNOR.replace('-', '')}", "a UUID as a name"),
        (f'{MASAKAZU},"broken', "broken quotes"),
        (f"{MASAKAZU},con\x07trol", "bad name"),
        (f"{MASAKAZU},(Loading...)", "a placeholder as a name"),
        (f"{MASAKAZU},Unknown UserUMMAU43", "a placeholder as a name"),
        (f"{MASAKAZU},UNKNOWN USER", "a placeholder as a name"),
        (f"{MASAKAZU},Anna UMMM0Unknown", "a placeholder as a name"),
        (f"{MASAKAZU},UnknownUMM2 {MASAKAZU}", "a placeholder as a name"),
        (f'{MASAKAZU},"Loading…"', "a placeholder as a name"),
        (f"{MASAKAZU},???", "a placeholder as a name"),
        (f"Masakazu Kojima,{MASAKAZU}", "key and name swapped"),
        ("key,name", "bad UUID"),
        ("sep=,", "bad UUID"),
        (f"\0{MASAKAZU},Name", "a NUL byte"),
        (f"{MASAKAZU},Na\0me", "a NUL byte"),
        (f"{MASAKAZU},Name\0", "a NUL byte"),
        (f'{MASAKAZU},"Na\0me"', "a NUL byte"),
        ("\0", "a NUL byte"),
    ],
)
def test_a_bad_line_is_counted_by_its_reason(line: str, reason: str) -> None:
    """Refused, counted and shown with its number; the lines around it are kept."""
    rows, tally = _read(GOOD + line.encode() + b"\n" + GOOD)
    assert tally.bad == {Reason(reason): 1}
    assert tally.shown == [(2, Reason(reason), line[:80])]
    assert len(rows) == 2 and tally.lines == 3


def test_invalid_utf8_is_a_bad_line() -> None:
    """It is not guessed to be Latin-1."""
    rows, tally = _read(GOOD + MASAKAZU.encode() + b",Jos\xe9\n")
    assert tally.bad == {Reason.NOT_UTF8: 1} and len(rows) == 1


@pytest.mark.parametrize(
    ("data", "oddity"),
    [
        (GOOD.replace(b"\n", b"\r\n"), "CR LF line end"),
        (f'{MASAKAZU},"Masakazu Kojima"\n'.encode(), "quoted field"),
        (f"{{{MASAKAZU}}},Masakazu Kojima\n".encode(), "key in braces"),
        (f'="{MASAKAZU}",="Masakazu Kojima"\n'.encode(), "quoted field"),
        (f'"{MASAKAZU},Masakazu Kojima"\n'.encode(), "quoted field"),
        (f'"{MASAKAZU},""Masakazu Kojima"""\n'.encode(), "quoted field"),
        (f'{MASAKAZU}, "Masakazu Kojima",,\n'.encode(), "quoted field"),
    ],
)
def test_an_odd_line_is_read_all_the_same(data: bytes, oddity: str) -> None:
    """Traces of spreadsheets and Windows cost no row."""
    rows, tally = _read(data)
    assert [spelling for _, spelling, _ in rows] == [b"Masakazu Kojima"]
    assert tally.odd == {Oddity(oddity): 1} and tally.bad_lines == 0


def test_other_scripts_take_the_slow_path_to_the_same_rows() -> None:
    """Names of OpenSimulator are Unicode; their canonical form follows the same rules."""
    rows, _ = _read(f"{MASAKAZU},ÉLODIE Straße\n".encode() + GOOD)
    assert [form for _, _, form in rows] == ["élodie.strasse".encode(), b"masakazu.kojima"]


def test_only_the_first_bad_lines_are_kept() -> None:
    """A million bad lines do not fill the memory; all are counted."""
    _, tally = _read((b"bad\n" * 500 + GOOD * 500) * 4, block=2000)
    assert len(tally.shown) == BAD_SHOWN and tally.bad_lines == 2000 and tally.lines == 4000


def test_a_line_without_end_is_refused_and_not_held() -> None:
    """A gigabyte without a line feed is one bad line, and is not held in memory."""
    rows, tally = _read(GOOD + b"x" * (LINE_BYTES * 40) + b"\n" + GOOD, block=LINE_BYTES)
    assert len(rows) == 2 and tally.bad == {Reason.TOO_LONG: 1}


@pytest.mark.parametrize(
    ("start", "why"),
    [
        (b"<html>", "it is a web page or XML"),
        (b"  <!doctype html>", "it is a web page or XML"),
        (b"[{}]", "it is a JSON array"),
        (bytes(range(256)) * 40, "most of its lines have NUL bytes"),
        ((GOOD * 3).decode().encode("utf-16-le"), "it is UTF-16 without a byte-order mark: save it as UTF-8"),
        ((GOOD * 3).decode().encode("utf-16-be"), "it is UTF-16 without a byte-order mark: save it as UTF-8"),
    ],
)
def test_what_is_no_dump_is_refused_at_once(start: bytes, why: str) -> None:
    """A web page with status 200 is the most frequent case; the message says what it is."""
    with pytest.raises(DumpNotUnderstood, match=why):
        _read(start + GOOD, block=100)


def test_json_lines_carry_grid_time_and_former_names() -> None:
    """Former names precede the current one, as older rows."""
    line = {"key": MASAKAZU, "name": "New Name", "grid": "OpenSim", "seen": 500}
    line["former"] = [{"name": "Old Name", "seen": 400}]
    origins = OriginTable(Origin("Production", 900))
    known = Grids((Grid("OpenSim", "OpenSim"),))
    (batch,) = batches([json.dumps(line).encode() + b"\n"], Tally(), known, origins.number_of_row)
    assert [(s, origins.origins[n]) for s, n in zip(separate(batch.spellings), batch.origins, strict=True)] == [
        (b"Old Name", Origin("OpenSim", 400)),
        (b"New Name", Origin("OpenSim", 500)),
    ]


@pytest.mark.parametrize(
    ("current", "former", "kept"),
    [
        ("New Name", [("Old Name", 3), ("Unknown UserUMMAU43", 4)], ["Old Name", "New Name"]),
        ("(Loading...)", [("Old Name", 3), ("New Name", 4)], ["Old Name", "New Name"]),
        ("???", [("Unknown User", 3)], []),
        ("Loading…", [], []),
    ],
)
def test_placeholders_among_real_names(current: str, former: list[tuple[str, int]], kept: list[str]) -> None:
    """Of an export with one, from before they were rejected, the real names are imported; without any it is a bad line."""
    line = {"key": MASAKAZU, "name": current, "former": [{"name": name, "seen": seen} for name, seen in former]}
    rows, tally = _read(json.dumps(line).encode() + b"\n")
    assert [spelling.decode() for _, spelling, _ in rows] == kept
    assert tally.bad == ({} if kept else {Reason.PLACEHOLDER: 1})
    assert tally.odd == ({Oddity.PLACEHOLDER: 1} if kept else {})


@pytest.mark.parametrize(
    "line",
    [
        "{",
        '{"key": 1, "name": "x"}',
        f'{{"key": "{MASAKAZU}"}}',
        f'{{"key": "{MASAKAZU}", "name": "x", "seen": "now"}}',
        f'{{"key": "{MASAKAZU}", "name": "x", "grid": 7}}',
        f'{{"key": "{MASAKAZU}", "name": "x", "former": [1]}}',
        '{"a":' * 5000,
        f'{{"key": "Masakazu Kojima", "name": "{MASAKAZU}"}}',
        f'{{"key": "{MASAKAZU}", "name": "x\0"}}',
        f'\0{{"key": "{MASAKAZU}", "name": "x"}}',
        f'{{"key": "{MASAKAZU}", "name": "x"}}\0',
        f'{{"key": "{MASAKAZU}", "name": "x\\u0000"}}',
    ],
)
def test_bad_json_lines_are_counted(line: str) -> None:
    """None stops the import."""
    good = json.dumps({"key": MASAKAZU, "name": "Masakazu Kojima"})
    rows, tally = _read(f"{good}\n{line}\n{good}\n".encode())
    assert len(rows) == 2 and tally.bad_lines == 1


WORD = st.text("abcXYZ019_", min_size=1, max_size=8) | st.sampled_from(["Resident", "resident", "RESIDENT"])
NAME = st.lists(WORD, min_size=1, max_size=2).map(" ".join)


@given(st.lists(st.tuples(st.uuids().filter(lambda u: u.int), NAME), max_size=30), st.integers(1, 300))
def test_bulk_and_single_canonical_forms_agree(rows: list[tuple[object, str]], block: int) -> None:
    """The fast path agrees with model.names.canonical, however the blocks are cut."""
    data = "".join(f"{key},{name}\n" for key, name in rows).encode()
    read, tally = _read(data, block)
    assert tally.bad_lines == 0
    assert [(s.decode(), c.decode()) for _, s, c in read] == [(name, canonical(name)) for _, name in rows]


PLACEHOLDERS = [
    "Unknown User",
    "UNKNOWN UserUMMAU43",
    "Unknown UserHGGAI",
    "a UMMM0Unknown",
    "Unknown ",
    "Unknown Users",
    "???",
]
ODD_WORDS = ["x y z", "é", "a" * 63, "a" * 64, "0" * 32, "f" * 32, "f" * 31, "f" * 32 + " Resident", MASAKAZU, "sep=;"]
ODD = st.sampled_from([*' \n\r\0\t"{}=-.\ufeff', *SEPARATORS, "", "  ", '""', "(Loading...)", *ODD_WORDS, *PLACEHOLDERS])
KEY = st.uuids().map(str)
ODD_KEY = KEY | KEY.map("{{{}}}".format) | KEY.map('"{}"'.format) | st.sampled_from(["0" * 8, "f" * 32, str(UUID(int=0))])
ODD_NAME = st.lists(NAME | ODD, max_size=3).map("".join) | NAME.map('"{}"'.format)
ODD_LINE = st.tuples(ODD_KEY, ODD_NAME, st.sampled_from(["", "\n", "\r", *SEPARATORS]), st.booleans())
DIALECTS = st.builds(Dialect, st.sampled_from(SEPARATORS), st.integers(0, 1))


def _written(key: str, name: str, dialect: Dialect, odd_separator: str = "", *, swapped: bool = False) -> str:
    fields = (name, key) if bool(dialect.key_column) != swapped else (key, name)
    return (odd_separator or dialect.separator).join(fields) + "\n"


@given(DIALECTS, st.lists(ODD_LINE, max_size=12), st.booleans())
def test_the_bulk_road_gives_what_the_slow_one_gives(
    dialect: Dialect, odd: list[tuple[str, str, str, bool]], all_odd: bool
) -> None:
    """In every form of csv, with every kind of unusual line, the fast path returns the same rows, counts and shown lines."""
    good = _written(MASAKAZU, "Masakazu Kojima", dialect) * LOOKED_AT
    text = "".join(
        _written(key, name, dialect, separator if all_odd else "", swapped=swapped and all_odd)
        for key, name, separator, swapped in odd
    )
    bulk, fast = _read((good + text).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "read_plain", lambda *_: None)
        patch.setattr(reader, "stretches", lambda chunk, _: [(chunk, None)])
        single, slow = _read((good + text).encode())
    assert bulk == single and vars(fast) == vars(slow)
    whole = read_plain(text.encode(), dialect) if text else None
    assert whole is None or whole.rows == len(bulk) - LOOKED_AT == text.count("\n")


@pytest.mark.parametrize("dialect", [WHAT, Dialect(";", 0), Dialect(",", 1), Dialect("\t", 1)])
def test_the_bulk_road_takes_every_form(dialect: Dialect) -> None:
    """Another separator or order of columns uses the fast path, too."""
    plain = [(MASAKAZU, "Masakazu Kojima"), (GOVERNOR, "governor"), (MASAKAZU, "x Resident")] * 3
    batch = read_plain("".join(_written(key, name, dialect) for key, name in plain).encode(), dialect)
    assert batch is not None and separate(batch.spellings) == [name.encode() for _, name in plain]


@pytest.mark.parametrize("dialect", [WHAT, Dialect(";", 0), Dialect(",", 1), Dialect("\t", 1)])
@pytest.mark.parametrize(
    "line",
    ["{key}\n{name}", "{name}\n{key}", "{key},{name},{key},{name}", "\0{key},{name}", "{key},{name}\0", "{key}\0,{name}"],
)
def test_no_odd_line_slips_through_the_bulk_road(dialect: Dialect, line: str) -> None:
    """A key and a name on two lines, two rows on one line, and one with a NUL are not rows."""
    odd = line.format(key=GOVERNOR, name="Governor Linden").replace(",", dialect.separator) + "\n"
    good = _written(MASAKAZU, "Masakazu Kojima", dialect)
    assert read_plain((good + odd + good).encode(), dialect) is None
    rows, tally = _read((good * 3 + odd + good).encode())
    assert len(rows) == 4 and tally.bad_lines == odd.count("\n")


@given(st.binary(max_size=400), st.integers(1, 50))
def test_no_bytes_take_the_reader_down(data: bytes, block: int) -> None:
    """For any bytes: lines are rows or counted as bad, or the dump is rejected with our error."""
    try:
        rows, tally = _read(data, block)
    except DumpNotUnderstood:
        return
    assert len(rows) + tally.bad_lines == tally.lines <= tally.number


def test_a_former_name_without_a_time_is_older_than_any(sandbox: Sandbox) -> None:
    """It never replaces the current name, however old that is."""
    line = {"key": MASAKAZU, "name": "New Name", "seen": 500, "former": [{"name": "Old Name"}]}
    sandbox.import_text(json.dumps(line) + "\n", as_of=10_000)
    assert [a.name for a in sandbox.view().with_key(bytes.fromhex(MASAKAZU.replace("-", "")))] == ["New Name"]
