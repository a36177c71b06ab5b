"""``POST /api/v1/switchdb``: the live generation, or the dataset of a namespace; what is refused changes nothing."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import pytest

from n2k_fcgi.files import PRIVATE, hold
from n2k_fcgi.model.choices import Scope
from n2k_fcgi.model.keyvalue.entry import Entry
from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.store.datadir import IMPORT_LOCK
from n2k_fcgi.store.keyvalue import Terms
from tests.support.asking import wsgi
from tests.support.golden import Reply
from tests.support.sandbox import MASAKAZU, Sandbox, csv

FORM = "application/x-www-form-urlencoded"


class Site(NamedTuple):
    """The application with two generations and two datasets, and tokens."""

    application: LiveApplication
    generations: tuple[str, str]
    """The earlier one, and the live one."""
    admin: str
    others: list[str]
    """Tokens that may not: another scope, a namespace, one grid, and none."""
    data_dir: Path

    def switch(self, fields: dict[str, str], *, token: str | None = None, type: str = FORM) -> Reply:
        """Ask for a swap."""
        headers = {"X-N2K-Token": self.admin if token is None else token, "Content-Type": type}
        return wsgi(self.application)("POST", "/api/v1/switchdb", headers, urlencode(fields).encode())

    def seen(self) -> tuple[bytes, bytes]:
        """A name of the directory, and a value of the namespace."""
        ask = wsgi(self.application)
        return ask("GET", f"/?key={MASAKAZU}", {}, b"").body, ask("GET", "/db/k?ns=shop", {"X-N2K-Token": self.admin}, b"").body


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """The dataset ``red`` is live."""
    box = Sandbox(tmp_path / "data")
    names = []
    for number, name in enumerate(("Masakazu Kojima", "Masakazu Newname"), 1):
        box.import_text(csv((MASAKAZU, name)), as_of=100 * number)
        names.append(box.store.generations.current_name())
    shop = box.store.keyvalue.create("shop", Terms(1000, 10))
    for colour in ("red", "blue"):
        box.store.keyvalue.build(colour, [Entry(b"k", colour.encode())])
    shop.use("red", 1)
    admin = create_token(box.store.tokens, (Scope.ADMIN,)).text
    others = [
        create_token(box.store.tokens, (Scope.REGISTER,)).text,
        create_token(box.store.tokens, (Scope.KEYVALUE,), namespace="shop").text,
        create_token(box.store.tokens, (Scope.ADMIN,), "Production").text,
        "",
    ]
    box.close()
    application = LiveApplication({"data_dir": str(box.data_dir), "map_resident": "64G"})
    yield Site(application, (names[0], names[1]), admin, others, box.data_dir)
    application.close()
    box.close()


def test_a_dataset_is_swapped(site: Site) -> None:
    """The answer has the version of its values; 'none' leaves datasets."""
    done = site.switch({"filename": "blue", "namespace": "shop"})
    fields = json.loads(done.body)
    assert (done.status, fields["dataset"], fields["namespace"]) == (200, "blue", "shop")
    answer = wsgi(site.application)("GET", "/db/k?ns=shop&format=json", {"X-N2K-Token": site.admin}, b"")
    found = json.loads(answer.body)
    assert (found["text"] if "text" in found else found["base64"], found["version"]) == ("Ymx1ZQ==", fields["version"])
    assert site.switch({"filename": "none", "namespace": "shop"}, type="text/plain").status == 200
    assert wsgi(site.application)("GET", "/db/k?ns=shop", {"X-N2K-Token": site.admin}, b"").status == 404


def test_a_generation_is_swapped(site: Site) -> None:
    """Without a namespace it is the directory: back, and forth again."""
    for name, wanted in zip(site.generations, (b"Masakazu Kojima", b"Masakazu Newname"), strict=True):
        done = site.switch({"filename": name})
        assert (done.status, json.loads(done.body)) == (200, {"generation": name})
        assert site.seen() == (wanted, b"red")


REFUSED = [
    ({"filename": "green", "namespace": "shop"}, 404),
    ({"filename": "red", "namespace": "nowhere"}, 404),
    ({"filename": "red"}, 404),
    ({"filename": "../data"}, 404),
    ({"filename": "../datasets/red", "namespace": "shop"}, 400),
    ({"filename": "blue.mdb", "namespace": "shop"}, 404),
    ({"filename": "blue", "namespace": "../shop"}, 400),
    ({"filename": "", "namespace": "shop"}, 400),
    ({"namespace": "shop"}, 400),
    ({}, 400),
]


@pytest.mark.parametrize(("fields", "status"), REFUSED)
def test_what_is_unknown_changes_nothing(site: Site, fields: dict[str, str], status: int) -> None:
    """Names that there are not, paths, and missing fields: one line of JSON."""
    before = site.seen()
    done = site.switch(fields)
    assert done.status == status and list(json.loads(done.body)) == ["error"]
    assert site.seen() == before == (b"Masakazu Newname", b"red")


def test_a_damaged_dataset_changes_nothing(site: Site) -> None:
    """503, without its path."""
    (site.data_dir / "datasets" / "blue.mdb").write_bytes(b"short")
    done = site.switch({"filename": "blue", "namespace": "shop"})
    assert (done.status, site.seen()[1]) == (503, b"red")
    assert str(site.data_dir) not in done.body.decode()


def test_a_dataset_that_is_newer_or_incomplete_changes_nothing(site: Site) -> None:
    """503; a file whose copy goes on, a link that leads nowhere: the one that was shown is."""
    folder = site.data_dir / "datasets"
    whole = (folder / "blue.mdb").read_bytes()
    (folder / "part.mdb").write_bytes(whole[:-10])
    (folder / "lost.mdb").symlink_to(folder / "nothing")
    (folder / "folder.mdb").mkdir()
    for name, status in (("part", 503), ("lost", 404), ("folder", 503), ("blue.fresh", 404)):
        done = site.switch({"filename": name, "namespace": "shop"})
        assert (done.status, done.body.count(b"\n") <= 1, site.seen()[1]) == (status, True, b"red"), name


def test_a_name_with_dots(site: Site) -> None:
    """Is one, of a dataset as of a generation; no end of it is taken for that of a file."""
    folder = site.data_dir / "datasets"
    (folder / "blue.mdb").rename(folder / "prices.v2.2026-12.mdb")
    done = site.switch({"filename": "prices.v2.2026-12", "namespace": "shop"})
    assert (done.status, json.loads(done.body)["dataset"], site.seen()[1]) == (200, "prices.v2.2026-12", b"blue")


def cut(made: Path) -> None:
    """A copy that was not completed."""
    os.truncate(made / "data.mdb", 8192)


def make_newer(made: Path) -> None:
    """As a later version of n2k writes it."""
    fields = json.loads((made / "manifest.json").read_text())
    (made / "manifest.json").write_text(json.dumps({**fields, "format": 99}))


@pytest.mark.parametrize("harm", [cut, make_newer, lambda made: (made / "manifest.json").unlink()])
def test_a_generation_that_is_not_whole_changes_nothing(site: Site, harm: Callable[[Path], None]) -> None:
    """503, without its path; the live one answers."""
    harm(site.data_dir / "generations" / site.generations[0])
    done = site.switch({"filename": site.generations[0]})
    assert (done.status, list(json.loads(done.body)), site.seen()[0]) == (503, ["error"], b"Masakazu Newname")
    assert str(site.data_dir) not in done.body.decode()


def test_a_generation_without_the_past_of_the_live_one(site: Site, tmp_path: Path) -> None:
    """409: here nobody can force it, nor say other things that the command line can."""
    other = Sandbox(tmp_path / "other")
    other.import_text(csv((MASAKAZU, "Masakazu Other")), as_of=100)
    name = other.store.generations.current_name()
    other.close()
    shutil.copytree(tmp_path / "other" / "generations" / name, site.data_dir / "generations" / name)
    for more, status, why in (
        ({}, 409, "without the past of the live one"),
        ({"force": "1"}, 400, "unknown form field 'force'"),
    ):
        done = site.switch({"filename": name, **more})
        assert (done.status, site.seen()[0]) == (status, b"Masakazu Newname")
        assert why in json.loads(done.body)["error"]


def test_who_may_not(site: Site) -> None:
    """Only a token with the scope 'admin' that is for no single grid; the token in the URL is refused."""
    for token in site.others:
        for fields in ({"filename": "blue", "namespace": "shop"}, {"filename": site.generations[0]}):
            assert site.switch(fields, token=token).status == (403 if token else 401)
    assert site.seen() == (b"Masakazu Newname", b"red")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_other_methods(site: Site, method: str) -> None:
    """405, with the one that is right."""
    done = wsgi(site.application)(method, "/api/v1/switchdb?filename=blue&namespace=shop", {"X-N2K-Token": site.admin}, b"")
    assert done.status == 405 and "POST" in done.headers["allow"]
    assert site.seen() == (b"Masakazu Newname", b"red")


def test_not_during_an_import(site: Site) -> None:
    """409 for the directory; a namespace can be swapped."""
    with hold(site.data_dir / IMPORT_LOCK, PRIVATE, 0) as held:
        assert held
        assert site.switch({"filename": site.generations[0]}).status == 409
        assert site.switch({"filename": "blue", "namespace": "shop"}).status == 200
    assert site.seen() == (b"Masakazu Newname", b"blue")
