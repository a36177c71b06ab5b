"""Data for the owner only: no paths in errors, and no caching of answers that needed a token."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.service.access.tokens import create_token
from tests.support.asking import wsgi
from tests.support.error_table import error_classes, fields
from tests.support.golden import Ask
from tests.support.sandbox import GOVERNOR, MASAKAZU, Sandbox, csv

OTHER = "11111111-2222-3333-4444-555555555555"
ASKED = (
    ("GET", "/?name=Masakazu+Kojima", b""),
    ("GET", f"/?key={MASAKAZU}&compat=false", b""),
    ("GET", "/name2key?names=masakazu.kojima,governor.linden", b""),
    ("GET", f"/key2name/{MASAKAZU}", b""),
    ("GET", "/name2key.csv", b""),
    ("GET", "/ready", b""),
    ("GET", "/api/v1/search?prefix=ma", b""),
    ("GET", f"/api/v1/avatars/{MASAKAZU}/history", b""),
    ("GET", "/api/v1/statistics", b""),
    ("GET", "/api/v1/generations", b""),
    ("GET", "/api/v1/conflicts", b""),
    ("GET", "/api/v1/pending", b""),
    ("POST", "/api/v1/lookup", b'{"names": ["Masakazu Kojima"]}'),
    ("POST", "/api/v1/pending", json.dumps({"keys": [OTHER]}).encode()),
    ("POST", "/api/v1/avatars", json.dumps({"name": "Other Person", "key": OTHER}).encode()),
    ("POST", "/api/v1/avatars", json.dumps({"avatars": [{"name": "Other Person", "key": OTHER}]}).encode()),
    ("POST", "/api/v1/forgotten", json.dumps({"key": OTHER}).encode()),
    ("DELETE", f"/api/v1/forgotten/{OTHER}", b""),
)


def live(data: Path) -> Path:
    """The folder of the live generation."""
    return data / "generations" / (data / "CURRENT").read_text().strip()


def cut(path: Path) -> None:
    """Truncate a file to two pages."""
    path.write_bytes(path.read_bytes()[:8192])


def be_a_folder(path: Path) -> None:
    """Replace a file by a folder."""
    path.unlink(missing_ok=True)
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "no data": shutil.rmtree,
    "no manifest": lambda data: (live(data) / "manifest.json").unlink(),
    "a manifest of later": lambda data: (live(data) / "manifest.json").write_text('{"format": 99}'),
    "a cut generation": lambda data: cut(live(data) / "data.mdb"),
    "CURRENT is a folder": lambda data: be_a_folder(data / "CURRENT"),
    "CURRENT is nonsense": lambda data: (data / "CURRENT").write_text("../../nowhere\n"),
    "captures are garbage": lambda data: (data / "captures.mdb").write_bytes(b"x" * 100_000),
    "captures are empty": lambda data: (data / "captures.mdb").write_bytes(b""),
    "captures are cut": lambda data: cut(data / "captures.mdb"),
    "captures are a folder": lambda data: be_a_folder(data / "captures.mdb"),
    "no captures": lambda data: (data / "captures.mdb").unlink(),
    "volatile is a folder": lambda data: be_a_folder(data / "volatile.mdb"),
    "the queue is a folder": lambda data: be_a_folder(data / "captures.writer"),
    "settings are wrong": lambda data: (data / "n2k.ini").write_text("[n2k]\nlog_level = loud\n"),
    "settings cannot be read": lambda data: (data / "n2k.ini").write_text("no section\n"),
}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, dict[str, str], Callable[[], LiveApplication]]]:
    """A data directory with avatars, a token that permits everything, and a function that starts a server."""
    box = Sandbox(tmp_path / "data")
    box.import_text(csv((MASAKAZU, "Masakazu Kojima"), (GOVERNOR, "Governor Linden")))
    box.register("Seen Here", "99999999-1111-4111-8111-111111111111")
    token = {"X-N2K-Token": create_token(box.store.tokens, ("admin",)).text}
    box.close()
    started: list[LiveApplication] = []

    def start() -> LiveApplication:
        started.append(LiveApplication({"data_dir": str(box.data_dir)}))
        return started[-1]

    yield box.data_dir, token, start
    for application in started:
        application.close()


@pytest.mark.parametrize("damage", DAMAGES)
def test_no_answer_has_a_path(
    served: tuple[Path, dict[str, str], Callable[[], LiveApplication]], tmp_path: Path, damage: str
) -> None:
    """A 503 says what is wrong and not where: one line without a slash, in every format; never a 500."""
    data, token, start = served
    DAMAGES[damage](data)
    ask: Ask = wsgi(start())
    statuses = set()
    for method, target, body in ASKED:
        answer = ask(method, target, token, body)
        said = answer.body.decode() + repr(answer.headers)
        assert str(tmp_path) not in said and ".mdb" not in said, (target, said)
        if answer.status >= 500:
            statuses.add(answer.status)
            plain = answer.body.replace(b"docs/storage.md", b"")
            assert b"/" not in plain and plain.count(b"\n") == 1, (target, answer.body)
    assert statuses == {503}, damage
    if data.is_dir() and not damage.startswith("settings"):  # those have the path of the log
        assert str(data) in (data / "log" / "n2k.log").read_text()


def test_every_error_with_a_path_has_a_line_for_callers() -> None:
    """Each error of the server's side that a server can raise."""
    silent = [e.__name__ for e in error_classes() if e.status >= 500 and {"path", "where"} & set(fields(e)) and not e.public]
    assert silent == []


def test_what_needs_a_token_is_not_stored(served: tuple[Path, dict[str, str], Callable[[], LiveApplication]]) -> None:
    """For every status: 200, 400, 401, 403, 404, 409; other answers do not say so."""
    _, token, start = served
    ask = wsgi(start())
    refused: dict[str, str] = {"X-N2K-Token": "nonsense"}
    body = json.dumps({"name": "Governor Linden", "key": OTHER}).encode()
    private = (
        ("GET", "/api/v1/conflicts", token, b"", 200),
        ("GET", "/api/v1/conflicts", {}, b"", 401),
        ("GET", "/api/v1/pending", token, b"", 200),
        ("GET", "/api/v1/pending?limit=x", token, b"", 400),
        ("GET", "/api/v1/pending", refused, b"", 401),
        ("POST", "/api/v1/avatars", token, body, 409),
        ("POST", "/api/v1/avatars", token, b"{", 400),
        ("POST", "/", token, f"name=New+Comer&key={OTHER}".encode(), 200),
        ("GET", f"/?name=New+Comer&key={OTHER}", token, b"", 200),
        ("GET", f"/?name=New+Comer&key={OTHER}", {}, b"", 401),
        ("GET", f"/?name=New+Comer&key={OTHER}&page=1", {"Accept": "text/html"}, b"", 401),
        ("DELETE", f"/api/v1/forgotten/{OTHER}", token, b"", 404),
        ("POST", "/api/v1/pending/unknown", token, b'{"keys": []}', 200),
        ("POST", "/api/v1/forgotten", token, b'{"name": "Nobody Here"}', 200),
    )
    for method, target, headers, sent, status in private:
        answer = ask(method, target, headers, sent)
        assert (answer.status, answer.headers.get("cache-control")) == (status, "no-store"), (method, target, answer)
    for method, target, sent in ASKED[:4] + ASKED[5:8] + ASKED[12:14]:
        assert "no-store" not in ask(method, target, {}, sent).headers.get("cache-control", "")
