"""Rewriting a file: every row is copied once, no removed byte is left, and other processes notice."""

import shutil

import pytest

from n2k_fcgi.model.avatar import Source
from n2k_fcgi.model.keys import parse_key
from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.store.datadir import CAPTURES
from n2k_fcgi.store.lmdb import rewriting
from tests.support.processes import talking
from tests.support.sandbox import GOVERNOR, MASAKAZU, Sandbox

KEY, OTHER = parse_key(MASAKAZU), parse_key(GOVERNOR)


def test_a_rewrite_that_outgrows_its_first_map_counts_right(sandbox: Sandbox) -> None:
    """Rows are copied again if the map was too small: removed ones are counted once, all others are kept."""
    big = Source(region="r" * 60_000)
    for n in range(400):
        sandbox.record(parse_key(f"{n + 1:032x}"), f"N{n}", 1, source=big)
    sandbox.store.forgotten.forget([parse_key(f"{7:032x}"), parse_key(f"{300:032x}")], [], 1)
    assert sandbox.store.captures.drop_hidden(sandbox.store.forgotten.hidden()) == 2
    assert sandbox.store.captures.count() == 398


@pytest.mark.parametrize("rows", [1, 7, 40, 1000])
def test_a_rewrite_copies_every_part(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """However many rows are in one transaction: captures in both directions, tokens, tombstones."""
    monkeypatch.setattr(rewriting, "ROWS_A_TRANSACTION", rows)
    for n in range(1, 41):
        sandbox.record(parse_key(f"{n:032x}"), f"N{n}", 1)
    token = create_token(sandbox.store.tokens, ("register",))
    sandbox.store.forgotten.forget([parse_key(f"{7:032x}")], [("Production", "n7")], 1)
    assert sandbox.store.captures.drop_hidden(sandbox.store.forgotten.hidden()) == 1
    assert sandbox.store.captures.count() == 39
    assert {name for name, _ in sandbox.store.captures.names()} == {f"n{n}" for n in range(1, 41) if n != 7}
    assert sandbox.store.tokens.tokens() == [token.token] and sandbox.store.forgotten.count() == 1


def test_the_file_of_a_killed_rewrite_is_not_used(sandbox: Sandbox) -> None:
    """It may hold avatars that were forgotten since: the next rewrite starts from an empty file."""
    sandbox.record(KEY, "Quillon Ash", 1)
    sandbox.record(OTHER, "Governor Linden", 1)
    for name in (CAPTURES, CAPTURES + "-lock"):
        shutil.copy(sandbox.data_dir / name, sandbox.data_dir / name.replace(".mdb", ".fresh"))
    sandbox.store.forgotten.forget([KEY], [], 1)
    assert sandbox.store.captures.drop_hidden(sandbox.store.forgotten.hidden()) == 1
    sandbox.store.close()
    assert b"uillon" not in (sandbox.data_dir / CAPTURES).read_bytes()
    assert sandbox.store.captures.count() == 1
    assert not list(sandbox.data_dir.glob("*.fresh*"))


def test_readers_notice_a_file_that_was_replaced(sandbox: Sandbox) -> None:
    """At their next check: the file that they had open has no name any more."""
    code = (
        "import sys; from pathlib import Path; from n2k_fcgi.store.lmdb import writable; writable.LOOK_EVERY = 0\n"
        "from n2k_fcgi.store.lmdb.captures import *; from n2k_fcgi.files import PRIVATE\n"
        "captures = Captures(captures_file(Path(sys.argv[1]), PRIVATE))\n"
        "while True: input(); print(captures.count(), flush=True)"
    )
    sandbox.record(KEY, "Masakazu Kojima", 1)
    sandbox.record(OTHER, "Governor Linden", 1)
    with talking(code, sandbox.data_dir) as go_on:
        assert go_on() == "2\n"
        sandbox.store.forgotten.forget([KEY], [], 1)
        sandbox.store.captures.drop_hidden(sandbox.store.forgotten.hidden())
        assert go_on() == "1\n"
        sandbox.record(b"x" * 16, "New Comer", 2)
        assert go_on() == "2\n"
