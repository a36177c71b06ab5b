"""Lists for scripts: truncated to what they can read, as valid JSON, and nothing is lost between two pages."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.service.access.tokens import create_token
from tests.support.asking import wsgi
from tests.support.golden import Ask
from tests.support.sandbox import Sandbox, csv

IN_WORLD = {"X-SecondLife-Shard": "Production"}
NAMES = [f"Name{n:03} Last" for n in range(1, 121)]


def key_of(number: int) -> str:
    """A key, in the order of the names."""
    return f"{number:08x}-0000-0000-0000-000000000001"


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[tuple[Ask, str]]:
    """An application that knows NAMES, and a token for registrations and the csv."""
    box = Sandbox(tmp_path / "data")
    box.import_text(csv(*[(key_of(n), name) for n, name in enumerate(NAMES, 1)]), as_of=5)
    token = create_token(box.store.tokens, ("register", "csv")).text
    box.close()
    application = LiveApplication({"data_dir": str(box.data_dir)})
    yield wsgi(application), token
    application.close()


@pytest.mark.parametrize("room", [300, 2048, 5000])
def test_a_search_goes_on_behind_what_was_shown(asked: tuple[Ask, str], room: int) -> None:
    """Every page fits and is valid JSON; all pages together have all names, each once."""
    ask, _ = asked
    found: list[str] = []
    cursor = ""
    while True:
        target = f"/api/v1/search?prefix=name&max_bytes={room}" + (f"&cursor={cursor}" if cursor else "")
        answer = ask("GET", target, IN_WORLD, b"")
        assert answer.status == 200 and len(answer.body) <= room
        page = json.loads(answer.body)
        found += [avatar["name"] for avatar in page["avatars"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert found == NAMES


def test_a_bulk_lookup_says_how_many_are_missing(asked: tuple[Ask, str]) -> None:
    """The results that fit into 2,048 bytes, and the number of the others; other callers get all."""
    ask, _ = asked
    body = json.dumps({"names": NAMES}).encode()
    answer = ask("POST", "/api/v1/lookup", IN_WORLD, body)
    said = json.loads(answer.body)
    assert len(answer.body) <= 2048 and said["more"] == len(NAMES) - len(said["results"]) > 0
    assert [result["asked"] for result in said["results"]] == NAMES[: len(said["results"])]
    assert json.loads(ask("POST", "/api/v1/lookup", {}, body).body)["more"] == 0


def test_a_cut_list_of_refusals_stores_all_the_same(asked: tuple[Ask, str]) -> None:
    """Fifty registrations, most refused: the count is right, the list is valid JSON, and the accepted ones are stored."""
    ask, token = asked
    offers = [{"name": name, "key": f"{n:08x}-ffff-0000-0000-000000000001"} for n, name in enumerate([*NAMES[:45], *"abcde"])]
    body = json.dumps({"avatars": offers}).encode()
    for room in ("", "?max_bytes=20"):
        answer = ask("POST", f"/api/v1/avatars{room}", {**IN_WORLD, "X-N2K-Token": token}, body)
        said = json.loads(answer.body)
        assert (answer.status, said["registered"]) == (200, 5) and len(said["refused"]) < 45
        assert room or (len(answer.body) <= 2048 and {refusal["status"] for refusal in said["refused"]} == {409})
    assert ask("GET", "/?name=e", {}, b"").body.decode().endswith("ffff-0000-0000-000000000001")


@pytest.mark.parametrize("target", ["/name2key.csv", "/name2key.csv?max_bytes=333"])
def test_the_csv_ends_with_a_whole_line(asked: tuple[Ask, str], target: str) -> None:
    """A script gets its beginning, in whole lines."""
    ask, token = asked
    answer = ask("GET", target, {**IN_WORLD, "X-N2K-Token": token}, b"")
    lines = answer.body.decode().split("\n")
    assert 0 < len(answer.body) <= 2048
    assert lines == [f"{key_of(n)},{name}" for n, name in enumerate(NAMES[: len(lines)], 1)]
