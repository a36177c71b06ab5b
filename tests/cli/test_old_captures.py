"""Captures of earlier formats with what came later: ``n2k about``, keep_days, keep_places and purge, as an owner runs them."""

import json
import time

import pytest

from n2k_fcgi.model.avatar import Source
from n2k_fcgi.model.keys import parse_key
from n2k_fcgi.store.lmdb.layout import CAPTURE_FORMATS
from tests.support.commands import PEOPLE, Commands
from tests.support.old_formats import format_of_captures, put_captures
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, Sandbox
from tests.support.traces import KEY, traces

DAY = 86_400
PLACE = [GOVERNOR, USERNAME, "Secret Garden"]
OTHER = "11111111-2222-3333-4444-555555555555"


@pytest.fixture(params=CAPTURE_FORMATS[:-1])
def earlier(n2k: Commands, request: pytest.FixtureRequest) -> Commands:
    """Quillon Ash, once Vexworth Ash, was seen 100 days ago, Masakazu 10 days ago; format 1 had no shard in a source."""
    n2k("init")
    now, place = int(time.time()), PLACE if request.param == 1 else [*PLACE, "Production"]
    seen = {"grid": "Production", "first": now - 300 * DAY, "count": 3, "source": place}
    old, new = now - 100 * DAY, now - 10 * DAY
    quillon = {**seen, "name": "Quillon Ash", "last": old, "former": [["Vexworth Ash", now - 200 * DAY]]}
    masakazu = {**seen, "name": "Masakazu Kojima", "last": new, "former": []}
    put_captures(n2k.data_dir, request.param, {KEY: [quillon], MASAKAZU: [masakazu]})
    assert format_of_captures(n2k.data_dir) == request.param
    return n2k


def is_of_the_present_format(n2k: Commands) -> bool:
    """Whether the file has become one, with its token, which had neither rate nor note."""
    box = Sandbox(n2k.data_dir)
    try:
        token = box.store.tokens.find("0123456789ab")
        assert token is not None and (token.rate, token.note) == (None, "")
    finally:
        box.close()
    return format_of_captures(n2k.data_dir) == CAPTURE_FORMATS[-1]


def source_of(n2k: Commands, key: str) -> Source | None:
    """Where the avatar was seen; None: no capture has it."""
    box = Sandbox(n2k.data_dir)
    try:
        return next((stored.capture.source for stored in box.store.captures.stored(parse_key(key))), None)
    finally:
        box.close()


@pytest.mark.parametrize("who", [KEY, "Quillon Ash", "vexworth.ash"])
def test_about(earlier: Commands, who: str) -> None:
    """The capture with its place and its former name, also found by that; nothing is written, so that the format stays."""
    number = format_of_captures(earlier.data_dir)
    done = earlier("about", who, "-", "--grid", "Production")
    (capture,) = json.loads(done.out)["captures"]
    assert done.code == 0 and (capture["name"], capture["times_seen"]) == ("Quillon Ash", 3)
    assert [each["name"] for each in capture["former"]] == ["Vexworth Ash"] and capture["last_seen"][:2] == "20"
    assert list(capture["source"].values())[:3] == PLACE
    assert format_of_captures(earlier.data_dir) == number


NIGHTS = {"import": (("-q", "import", "-"), PEOPLE), "purge": (("-q", "purge"), b"")}
in_each_night = pytest.mark.parametrize("night", NIGHTS)


def run(n2k: Commands, night: str, settings: str) -> None:
    """Run what cron runs, with these *settings*; in silence."""
    n2k.put("n2k.ini", f"[n2k]\n{settings}\n")
    arguments, stdin = NIGHTS[night]
    done = n2k(*arguments, stdin=stdin)
    assert (done.code, done.err) == (0, ""), done


@in_each_night
def test_keep_days(earlier: Commands, night: str) -> None:
    """No byte of the one that was seen too long ago is left, and both names stay reserved: earlier versions give none away."""
    assert traces(earlier.data_dir) == ["captures.mdb"]
    run(earlier, night, "keep_days = 30")
    assert traces(earlier.data_dir) == [] and is_of_the_present_format(earlier)
    assert source_of(earlier, KEY) is None
    kept = source_of(earlier, MASAKAZU)
    assert kept is not None and [kept.object_key, kept.owner_key, kept.region] == PLACE
    for name in ("Quillon Ash", "vexworth.ash"):
        assert earlier("register", name, OTHER).code == 16
    assert json.loads(earlier("about", KEY, "-").out)["reserved"] == [{"key": KEY, "names": 2}]


@in_each_night
def test_keep_places(earlier: Commands, night: str) -> None:
    """All captures stay, and of where they were seen only the owner of the object; no byte of the region is left."""
    grid = (source_of(earlier, KEY) or Source()).grid
    run(earlier, night, "keep_places = no")
    assert is_of_the_present_format(earlier)
    assert b"Secret Garden" not in (earlier.data_dir / "captures.mdb").read_bytes()
    for key in (KEY, MASAKAZU):
        assert source_of(earlier, key) == Source("", USERNAME, "", grid)
    assert earlier("lookup", "vexworth ash").code == earlier("lookup", "quillon.ash").code == 0
