"""One key with thousands of names, one name with thousands of keys: the rows that one request reads, counted, not timed.

Registrations make no such rows any more, but older files have them, and dumps may.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from n2k_fcgi.files import PRIVATE
from n2k_fcgi.model.avatar import Capture, Source, StoredCapture
from n2k_fcgi.model.keys import format_key
from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.service.directory.lookup import MOST_ROWS
from n2k_fcgi.service.dumps.name_list import STRETCH
from n2k_fcgi.store.bounds import MOST_FORMER, MOST_KEYS
from n2k_fcgi.store.lmdb import capture_rows, generation
from n2k_fcgi.store.lmdb.capture_rows import CaptureRows
from n2k_fcgi.store.lmdb.captures import captures_file
from tests.support.asking import wsgi
from tests.support.sandbox import GOVERNOR, MASAKAZU, Sandbox

pytestmark = pytest.mark.unmeasured

MANY = 3000
KEYS = [n.to_bytes(16, "big") for n in range(1, MANY + 1)]


class Counts:
    """The number of unpacked rows, and of the names or keys in them."""

    def __init__(self) -> None:
        self.rows = 0
        self.names = 0

    def wrapped(self, unpack: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
        """*unpack*, counted."""

        def counting(*arguments: Any) -> list[Any]:
            found = unpack(*arguments)
            self.rows += 1
            self.names += sum(1 + len(each.former) if isinstance(each, StoredCapture) else 1 for each in found)
            return found

        return counting


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counts:
    """The counts of every row of captures and generations that is unpacked from now on."""
    made = Counts()
    monkeypatch.setattr(capture_rows, "unpack_captures", made.wrapped(capture_rows.unpack_captures))
    for name in ("unpack_names", "unpack_spellings"):
        monkeypatch.setattr(generation, name, made.wrapped(getattr(generation, name)))
    return made


class Site:
    """An application over a data directory, and a token that permits everything."""

    def __init__(self, box: Sandbox, counts: Counts, **flags: str) -> None:
        token = create_token(box.store.tokens, ("admin",)).text
        box.close()
        self._headers = {"X-N2K-Token": token, "Content-Type": "application/json"}
        self._counts = counts
        self.application = LiveApplication({"data_dir": str(box.data_dir), "write_limit": "100000", "csv": "open", **flags})
        self._ask = wsgi(self.application)
        self.text("/?name=warm.up")

    def text(self, target: str) -> str:
        """GET a text; the counts are reset before."""
        self._counts.rows = self._counts.names = 0
        return self._ask("GET", target, {}, b"").body.decode()

    def get(self, target: str) -> Any:
        """GET below /api/v1/."""
        return json.loads(self.text(f"/api/v1/{target}"))

    def post(self, target: str, **body: Any) -> Any:
        """POST below /api/v1/; the counts are reset before."""
        self._counts.rows = self._counts.names = 0
        return json.loads(self._ask("POST", f"/api/v1/{target}", self._headers, json.dumps(body).encode()).body)


Stored = dict[bytes, list[StoredCapture]]


def stored(name: str, key: bytes, grid: str, *former: str) -> StoredCapture:
    """A capture as earlier versions wrote it, with its former values."""
    return StoredCapture(Capture(key, name, grid, 1, 9, 2, Source()), [(text, n) for n, text in enumerate(former, 1)])


def write(box: Sandbox, rows: Stored) -> None:
    """Put rows into the captures that registrations do not make any more."""
    file = captures_file(box.data_dir, PRIVATE)
    try:
        file.write(lambda transaction: [CaptureRows(transaction).put(key, captures) for key, captures in rows.items()])
    finally:
        file.close()


def former_names(key: bytes, grid: str = "Production") -> list[str]:
    """MANY names that a key had."""
    return [f"Many{n:04}" for n in range(MANY)]


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Sandbox]:
    """A data directory."""
    made = Sandbox(tmp_path / "data")
    yield made
    assert made.problems() == []
    made.close()


@pytest.fixture
def one_key(box: Sandbox, counts: Counts) -> Iterator[Site]:
    """A key that had thousands of names in-world."""
    write(box, {KEYS[0]: [stored("Now Called", KEYS[0], "Production", *former_names(KEYS[0]))]})
    site = Site(box, counts)
    yield site
    site.application.close()


def test_one_key_of_many_names_is_unpacked_once(one_key: Site, counts: Counts) -> None:
    """Search, bulk lookups, W-Hat's list, the csv: one row, however many of its names match. The answers are the usual ones."""
    key = format_key(KEYS[0])
    page = one_key.get("search?prefix=many&limit=1000")
    assert page["avatars"] == [] and page["next"] is not None and counts.rows == 1
    found = one_key.post("lookup", names=former_names(KEYS[0])[:1000])
    assert [each["key"] for each in found["results"]] == [key] * 1000 and found["more"] == 0 and counts.rows == 1
    lines = one_key.text("/name2key?terse&names=" + ",".join(former_names(KEYS[0])[-50:]))
    assert lines.split() == [key] * 50 and counts.rows == 1
    assert one_key.text("/name2key.csv") == f"{key},Now Called\n"
    assert counts.rows <= 2 + MANY // STRETCH  # each step of the csv is a separate answer
    assert one_key.get("avatars?name=many0000")["avatars"][0]["name"] == "Now Called" and counts.rows == 1


def test_a_history_is_the_latest_names(one_key: Site, counts: Counts) -> None:
    """A thousand of three thousand."""
    names = one_key.get(f"avatars/{format_key(KEYS[0])}/history")["names"]
    assert [names[0]["name"], names[1]["name"]] == ["Now Called", f"Many{MANY - 1:04}"] and len(names) == 1001
    assert counts.rows <= 2


def test_a_list_of_registrations_unpacks_a_key_once(one_key: Site, counts: Counts) -> None:
    """Fifty renames of it: all refused in Second Life, and no name is removed; its own names are accepted."""
    key = format_key(KEYS[0])
    offers = [{"name": f"Fresh{n}", "key": key} for n in range(49)] + [{"name": "Many0001", "key": key}]
    done = one_key.post("avatars", avatars=offers)
    assert done["registered"] == 1 and {each["status"] for each in done["refused"]} == {409} and counts.rows == 1
    assert one_key.text("/?name=many0000") == one_key.text("/?name=now.called") == key
    assert one_key.text(f"/?key={key}") == "Many0001"


def test_keys_are_asked_about_once(one_key: Site, counts: Counts) -> None:
    """A thousand times the same key in one request."""
    assert one_key.post("pending", keys=[format_key(KEYS[0])] * 1000) == {"new": 0} and counts.rows == 1
    assert one_key.post("pending", keys=[GOVERNOR] * 1000) == {"new": 1} and counts.rows == 0
    found = one_key.post("lookup", keys=[format_key(KEYS[0])] * 1000)
    assert {each["name"] for each in found["results"]} == {"Now Called"} and counts.rows == 1


def test_one_name_of_many_keys(box: Sandbox, counts: Counts) -> None:
    """With ``newest``, before it was bounded: looked up once, the latest is the answer, lists have sixty-four of them."""
    write(box, {key: [stored("Shared Name", key, "OpenSim")] for key in KEYS})
    site = Site(box, counts, on_conflict="newest")
    found = site.post("lookup", names=["Shared Name"] * 1000)
    assert len({each["key"] for each in found["results"]}) == 1 and len(found["results"]) == 1000
    assert counts.rows <= MANY
    assert len(site.get("avatars?name=shared.name")["avatars"]) == MOST_KEYS and counts.rows <= MANY
    assert len(site.get("search?prefix=shared")["avatars"]) == MOST_KEYS and counts.rows <= MANY
    offers = [{"name": "Shared Name", "key": f"99999999-0000-0000-0000-{n:012}", "grid": "OpenSim"} for n in range(50)]
    assert site.post("avatars", avatars=offers)["registered"] == 50
    assert counts.rows <= MANY + 50
    assert len(site.get("avatars?name=shared.name")["avatars"]) == MOST_KEYS and counts.rows <= MOST_KEYS
    assert site.get("statistics")["evicted"] == MANY + 50 - MOST_KEYS
    site.application.close()


def test_many_names_of_many_keys_end_an_answer_early(box: Sandbox, counts: Counts) -> None:
    """As many as the bounds permit: an answer ends after a number of rows, says so, and can be continued."""
    sets = [[(group * 65 + n).to_bytes(16, "big") for n in range(1, 65)] for group in range(16)]
    names = [[f"Deep{group:02}{n:02}" for n in range(65)] for group in range(16)]
    write(box, {
        key: [stored(named[-1], key, "OpenSim", *named[:-1])] for keys, named in zip(sets, names, strict=True) for key in keys
    })  # fmt: skip
    site = Site(box, counts, on_conflict="newest")
    most = MOST_ROWS + 64 * 65
    asked = [name for named in names for name in named][:1000]
    left, answered = asked, 0
    while left:
        found = site.post("lookup", names=left)
        assert counts.names <= most and len(found["results"]) > 0
        assert all(each["key"] for each in found["results"]) and found["more"] == len(left) - len(found["results"])
        answered += len(found["results"])
        left = left[len(found["results"]) :]
    assert answered == len(asked)
    pages, seen, cursor = 0, 0, ""
    while cursor is not None:
        page = site.get(f"search?prefix=deep&limit=1000{cursor and '&cursor=' + cursor}")
        assert counts.names <= most
        pages, seen, cursor = pages + 1, seen + len(page["avatars"]), page["next"]
    assert seen == 16 * 64 and pages > 2
    lines = site.text("/name2key?terse&names=" + ",".join(name for named in names for name in named[:4])).split()
    assert counts.names <= most and 0 < len(lines) <= 50
    csv = site.text("/name2key.csv?grid=OpenSim")
    assert len(csv.splitlines()) == 16 * 64
    site.application.close()


def test_a_dump_of_many_names_and_keys(box: Sandbox, counts: Counts) -> None:
    """One key with thousands of former names, one name with thousands of keys: stored whole, read in part."""
    box.import_text("".join(f"{MASAKAZU},Many{n:04}\n" for n in range(MANY)), as_of=5)
    box.import_text("".join(f"{format_key(key)},Shared Name\n" for key in KEYS), grid="OpenSim", as_of=5)
    box.import_text("".join(f"{format_key(key)},Shared Name\n" for key in KEYS), as_of=5)
    site = Site(box, counts)
    per_name = 2 * MOST_KEYS * 2 + 10
    found = site.get("avatars?name=shared.name")["avatars"]
    assert [len([a for a in found if a["grid"] == grid]) for grid in ("Production", "OpenSim")] == [MOST_KEYS] * 2
    assert counts.names <= 2 * per_name
    for grid in ("Production", "OpenSim"):
        assert site.text(f"/?name=shared.name&grid={grid}") == format_key(KEYS[-1]) and counts.names <= per_name
    assert len(site.get("search?prefix=shared")["avatars"]) == 2 * MOST_KEYS and counts.names <= 2 * per_name
    assert len(site.post("lookup", names=["Shared Name"] * 1000)["results"]) == 1000 and counts.names <= per_name
    assert len(site.get(f"avatars/{MASAKAZU}/history")["names"]) == 1001 and counts.names < 1100
    found = site.post("lookup", names=[f"Many{n:04}" for n in range(1000)])
    assert {each["key"] for each in found["results"]} == {MASAKAZU} and counts.names <= 1010
    assert len(site.text("/name2key.csv?grid=OpenSim").splitlines()) == MOST_KEYS and counts.names <= 3 * per_name
    offers = [{"name": "Shared Name", "key": format_key(key)} for key in KEYS[:25]]
    offers += [{"name": "Shared Name", "key": f"99999999-0000-0000-0000-{n:012}"} for n in range(25)]
    done = site.post("avatars", avatars=offers)
    # The dump has the first of them, behind the keys that are looked at; then it is that key's in-world, too.
    assert done["registered"] == 1 and format_key(KEYS[0]) not in [each["key"] for each in done["refused"]]
    assert counts.names <= per_name + 60
    site.application.close()


def test_the_holder_of_a_name_is_found_behind_all_others(box: Sandbox, counts: Counts) -> None:
    """In Second Life the key that had a name first is the answer, even if thousands in a later dump claim it, too."""
    box.import_text(f"{MASAKAZU},Shared Name\n", as_of=5)
    box.import_text("".join(f"{format_key(key)},Shared Name\n" for key in KEYS), as_of=6)
    site = Site(box, counts)
    assert site.text("/?name=shared.name") == MASAKAZU and counts.names < 2 * MOST_KEYS
    assert site.post("avatars", name="Shared Name", key=MASAKAZU)["new"] is True
    site.application.close()


def test_registrations_are_bounded(box: Sandbox, counts: Counts) -> None:
    """In Second Life a rename too many is refused with one line; elsewhere the oldest names of that grid are removed."""
    site = Site(box, counts)
    for grid in ("Production", "OpenSim"):
        for n in range(MOST_FORMER + 1):
            assert site.post("avatars", name=f"Name{n}", key=MASAKAZU, grid=grid)["name"] == f"Name{n}"
    refused = site.post("avatars", name="One Toomany", key=MASAKAZU)
    assert refused == {"error": "64 former names of this key on Production are the most allowed: nothing was stored"}
    assert site.text(f"/?key={MASAKAZU}&grid=Production") == f"Name{MOST_FORMER}"
    for n in range(6):
        assert site.post("avatars", name=f"Other{n}", key=MASAKAZU, grid="OpenSim")["name"] == f"Other{n}"
    assert site.get("statistics")["evicted"] == 6
    for n in range(MOST_FORMER + 1):
        assert site.text(f"/?name=name{n}&grid=Production") == MASAKAZU
        assert (site.text(f"/?name=name{n}&grid=OpenSim") == MASAKAZU) is (n >= 6)
    assert site.post("avatars", name="Name0", key=GOVERNOR, grid="OpenSim")["new"] is True
    assert "error" in site.post("avatars", name="Name0", key=GOVERNOR)
    site.application.close()
