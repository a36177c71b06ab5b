"""The pages through real web servers and processes: every page and file is reached, and little memory is no fault."""

from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.support.apache import apache
from tests.support.asking import over_http
from tests.support.commands import Commands
from tests.support.fastcgi_client import get
from tests.support.hosted_python import HOSTED
from tests.support.hosting import Account
from tests.support.passenger import app_of, panel
from tests.support.people import BROWSER, Page, Visitor
from tests.support.sandbox import GOVERNOR
from tests.support.standalone import serving
from tests.support.worker import worker

MB = 1024 * 1024
FIRST = (
    "/",
    "/?q=governor",
    f"/?q={GOVERNOR},nobody",
    f"/avatar/{GOVERNOR}",
    f"/leave?key={GOVERNOR}",
    "/lists",
    "/programs",
    "/scripts/touch",
)


def crawl(visitor: Visitor) -> set[str]:
    """Follow every link of every page, from the first ones on; the addresses. Each must be answered."""
    seen, todo = set(FIRST), list(FIRST)
    while todo:
        target = todo.pop()
        reply = visitor.get(target)
        if target.startswith("/status"):
            assert reply.status == 303, reply  # to the log-in
            continue
        assert reply.status == 200, (target, reply)
        if reply.headers["content-type"].startswith("text/html"):
            assert reply.headers["content-security-policy"].startswith("default-src 'self'; ")
            links = [link for link in Page(reply.body).links if not link.startswith(("https:", "secondlife:"))]
            new = {visitor.follow(target, link) for link in links} - seen
            seen |= new
            todo += new
    return seen


def check(visitor: Visitor) -> None:
    """Each page and file is reached; the form, a page that there is not, a page that the browser has, a file's headers."""
    seen = crawl(visitor)
    assert len(seen) > 60 and {"/privacy?lang=de", "/scripts/touch.lsl?grid=Production", "/api/v1/openapi.json"} <= seen
    form = urlencode({"names": "governor linden\nnobody"}).encode()
    reply = visitor.send("POST", "/lists", form, Content_Type="application/x-www-form-urlencoded")
    assert reply.status == 200 and GOVERNOR in Page(reply.body).text
    missing = visitor.get("/nothing/here")
    assert missing.status == 404 and "There is nothing here" in Page(missing.body).text
    first = visitor.get("/privacy")
    assert visitor.get("/privacy", If_None_Match=first.headers["etag"]).status == 304
    for file in (target for target in seen if target.startswith("/static/")):
        assert "immutable" in visitor.get(file).headers["cache-control"]


@pytest.mark.parametrize(("kind", "gateway"), [("fcgid", "fcgid"), ("cgi", "cgid"), ("passenger", "passenger")])
@pytest.mark.parametrize("mount", ["", "/n2k"])
def test_behind_apache(tmp_path: Path, kind: str, gateway: str, mount: str) -> None:
    """As ``n2k deploy`` sets it up, in a folder and as a site of its own."""
    account = Account(tmp_path / "home", python=HOSTED)
    docroot = account.site
    if mount:
        account.site = docroot / mount[1:]
        account.site.mkdir()
    account.n2k("deploy", "--as", kind, str(account.site))
    settings = panel(app_of(account), mount) if kind == "passenger" else ""
    with apache(docroot, gateway=gateway, settings=settings) as server:
        check(Visitor(server.asking(mount), mount))


def test_standalone(tmp_path: Path) -> None:
    """``n2k serve``, below a path."""
    account = Account(tmp_path / "home")
    with serving(account.data, "--prefix", "/avatars") as (host, port, _):
        check(Visitor(over_http(host, port, "/avatars"), "/avatars"))


def test_a_worker_at_every_limit_of_memory(tmp_path: Path) -> None:
    """Each answer is the page or one line with the status 503; lookups go on meanwhile."""
    n2k = Commands(tmp_path / "data")
    n2k.has_people()
    pages, refusals = 0, 0
    for size in range(30, 100, 3):
        with worker(n2k.data_dir, f"--as={size * MB}") as child:
            try:
                if not child.finds():
                    continue
            except (ConnectionError, EOFError):
                continue  # not even a lookup has room
            for target in ("/?q=masakazu", "/programs", "/lists", "/nothing"):
                answer = get(child.address, target, HTTP_ACCEPT=BROWSER)
                status, body = int(answer.status.split()[0]), answer.body.decode()
                if status == 503 and not body.startswith("<!doctype"):
                    assert body.count("\n") == 1 and "no memory left" in body
                    refusals += 1
                else:
                    assert status == (404 if target == "/nothing" else 200) and "</html>" in body
                    pages += 1
            assert child.finds()
            assert "Traceback" not in child.stderr
    assert pages and refusals
