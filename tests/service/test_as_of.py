"""The time that a dump describes: never in the future, never a time that means 'unknown'."""

import json
import time

import lmdb
import pytest

from n2k_fcgi.errors import FutureTime
from n2k_fcgi.model.keys import parse_key
from n2k_fcgi.service.dumps.as_of import SECOND_LIFE_BEGAN, AsOf, Clue, Stated, settle
from n2k_fcgi.store.datadir import GENERATIONS, MANIFEST
from n2k_fcgi.store.lmdb.layout import META, ORIGINS_KEY
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, Sandbox, csv

NOW = 1_790_000_000
YESTERDAY = NOW - 86_400
IN_2031, IN_2062 = 1_924_992_000, 2_903_299_200
IN_1980 = 315_532_800
NOW_STORED = 1_780_000_000
"""When the generation of a test was made."""


@pytest.mark.parametrize("source", [stated for stated in Stated if stated is not Stated.GIVEN])
def test_a_time_that_can_be_believed_is_used(source: Stated) -> None:
    """From the first day of Second Life until now, and the report names its origin."""
    for seconds in (SECOND_LIFE_BEGAN, YESTERDAY, NOW):
        assert settle(None, [Clue(source, seconds), Clue(Stated.FILE, 1_700_000_000)], NOW) == AsOf(seconds, source.value)


@pytest.mark.parametrize("seconds", [NOW + 1, IN_2031, IN_2062, 2**63 - 1])
def test_a_time_to_come_is_now(seconds: int) -> None:
    """Any time in the future: the dump is newer than the other origins, so they are not used."""
    used = settle(None, [Clue(Stated.ZIP, seconds), Clue(Stated.FILE, YESTERDAY)], NOW)
    assert (used.seconds, used.is_doubted) == (NOW, True)
    assert used.why.startswith("now: the zip's time is ") and used.why.endswith(", in the future")


@pytest.mark.parametrize("seconds", [0, 1, -1, -(2**40), IN_1980, SECOND_LIFE_BEGAN - 1])
def test_a_time_before_second_life_is_unknown(seconds: int) -> None:
    """The next origin is used; without one the dump is as of now."""
    used = settle(None, [Clue(Stated.ZIP_LOCAL, seconds)], NOW)
    assert (used.seconds, used.is_doubted) == (NOW, True)
    assert used.why.startswith("now: the zip's local time is ") and used.why.endswith(", before Second Life began")
    used = settle(None, [Clue(Stated.ZIP_LOCAL, seconds), Clue(Stated.FILE, YESTERDAY)], NOW)
    assert (used.seconds, used.is_doubted) == (YESTERDAY, False) and used.why.startswith("the file's time: the zip's local")


def test_a_pipe_is_as_of_now() -> None:
    """It has no time, which is not reported as implausible."""
    assert settle(None, [], NOW) == AsOf(NOW, "now: no time is stated")


def test_a_given_time_is_used_or_refused() -> None:
    """The user's time is used, unless it is in the future."""
    assert settle(YESTERDAY, [Clue(Stated.FILE, NOW)], NOW) == AsOf(YESTERDAY, "--as-of")
    assert settle(NOW, [], NOW).seconds == NOW
    with pytest.raises(FutureTime, match="--as-of 2031-01-01T00:00:00Z is in the future \\(it is 2026-09-21T14:13:20Z"):
        settle(IN_2031, [], NOW)


def _speaks_for(box: Sandbox, name: str, seconds: int) -> None:
    """Give a generation another as-of, as the present format permitted until now."""
    box.store.close()
    folder = box.data_dir / GENERATIONS / name
    env = lmdb.open(str(folder / "data.mdb"), subdir=False, lock=False, max_dbs=8)
    with env.begin(write=True) as transaction:
        meta = env.open_db(META, txn=transaction)
        origins = json.loads(transaction.get(ORIGINS_KEY, db=meta))
        transaction.put(ORIGINS_KEY, json.dumps([[grid, seconds] for grid, _ in origins]).encode(), db=meta)
    env.close()
    manifest = json.loads((folder / MANIFEST).read_text())
    size = (folder / "data.mdb").stat().st_size
    (folder / MANIFEST).write_text(json.dumps({**manifest, "as_of": seconds, "bytes": size, "created": NOW_STORED}))


@pytest.fixture(params=[IN_2031, IN_2062, NOW_STORED + 75_600], ids=["2031", "2062", "21 h ahead"])
def of_the_future(sandbox: Sandbox, request: pytest.FixtureRequest) -> Sandbox:
    """A store whose generation has an as-of after it was made."""
    name = sandbox.import_text(
        csv((MASAKAZU, "Masakazu Kojima"), (GOVERNOR, "Governor Linden")), as_of=NOW_STORED
    ).manifest.name
    _speaks_for(sandbox, name, request.param)
    return sandbox


def test_a_stored_time_to_come_reads_as_when_it_was_made(of_the_future: Sandbox) -> None:
    """In the manifest, and in the time of every avatar, in both directions."""
    generations = of_the_future.store.generations
    assert [manifest.as_of for manifest in generations.listed()[1]] == [NOW_STORED]
    view = of_the_future.view()
    assert [avatar.seen for avatar in view.with_key(parse_key(MASAKAZU)) + view.named("masakazu.kojima")] == [NOW_STORED] * 2


def test_what_is_registered_wins_against_a_stored_time_to_come(of_the_future: Sandbox) -> None:
    """A name registered after the import is the current one, the other a former one."""
    of_the_future.register("Masakazu Newname", MASAKAZU)
    assert [avatar.name for avatar in of_the_future.view().with_key(parse_key(MASAKAZU))] == ["Masakazu Newname"]


def test_the_next_dump_wins_against_a_stored_time_to_come(of_the_future: Sandbox) -> None:
    """Its names become current, its changes are counted, and no current name becomes a former one."""
    dump = csv((MASAKAZU, "Masakazu Newname"), (GOVERNOR, "Governor Linden"), (USERNAME, "Username Resident"))
    counts = of_the_future.import_text(dump, as_of=NOW_STORED + 3600).manifest
    assert (counts.added, counts.changed, counts.unchanged, counts.former) == (1, 1, 1, 1)
    assert [avatar.name for avatar in of_the_future.view().with_key(parse_key(MASAKAZU))] == ["Masakazu Newname"]
    generation = of_the_future.store.generations.current()
    assert generation is not None
    assert [avatar.name for avatar in generation.history(parse_key(MASAKAZU))] == ["Masakazu Kojima"]
    assert {origin.as_of for origin in generation.origins} <= {NOW_STORED, NOW_STORED + 3600}


def test_a_row_that_was_seen_in_the_future_was_seen_now(sandbox: Sandbox) -> None:
    """JSON lines have the time when an avatar was seen, by another clock; former names, too."""
    line = {"key": MASAKAZU, "name": "New Name", "seen": IN_2031, "former": [{"name": "Old Name", "seen": IN_2062}]}
    sandbox.import_text(json.dumps(line) + "\n", as_of=5)
    assert all(avatar.seen <= time.time() for avatar in sandbox.view().with_key(parse_key(MASAKAZU)))
    sandbox.register("Newest Name", MASAKAZU)
    assert [avatar.name for avatar in sandbox.view().with_key(parse_key(MASAKAZU))] == ["Newest Name"]


def test_the_importer_refuses_a_time_to_come(sandbox: Sandbox) -> None:
    """For every caller: nothing is published."""
    with pytest.raises(FutureTime):
        sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=int(time.time()) + 3600)
    assert sandbox.store.generations.names() == []
