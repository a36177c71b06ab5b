"""The page that a browser gets where a script gets one line."""

from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin

import pytest

from n2k_fcgi.model.keys import NULL_KEY
from n2k_fcgi.servers.live import LiveApplication
from tests.support.asking import wsgi
from tests.support.golden import Reply
from tests.support.sandbox import GOVERNOR, MASAKAZU, Sandbox, csv

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
LSL = "text/*, application/xhtml+xml, application/atom+xml, application/json"


def _ask(sandbox: Sandbox, target: str, **headers: str) -> Reply:
    application = LiveApplication({"data_dir": str(sandbox.data_dir)})
    try:
        return wsgi(application)("GET", target, {name.replace("_", "-"): text for name, text in headers.items()}, b"")
    finally:
        application.close()


def test_a_browser_gets_the_form(sandbox: Sandbox) -> None:
    """At the root, with Vary, because other callers get another answer."""
    reply = _ask(sandbox, "/", Accept=BROWSER)
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert reply.headers["vary"] == "Accept" and b'name="name"' in reply.body and b'name="key"' in reply.body


@pytest.mark.parametrize("headers", [{}, {"Accept": LSL}, {"Accept": BROWSER, "X_SecondLife_Shard": "Production"}])
def test_a_script_gets_one_line(sandbox: Sandbox, headers: dict[str, str]) -> None:
    """LSL's own Accept has text/*, and a script may send any Accept."""
    reply = _ask(sandbox, "/", **headers)
    assert (reply.status, reply.headers["content-type"]) == (404, "text/plain; charset=utf-8")
    assert reply.body.count(b"\n") == 1


@pytest.mark.parametrize("target", [f"/?key={MASAKAZU}", f"/?key={MASAKAZU}&compat=false"])
def test_a_browser_that_asks_without_the_form_gets_text(sandbox: Sandbox, target: str) -> None:
    """For a typed or linked address a browser gets the same as a script."""
    assert _ask(sandbox, target, Accept=BROWSER).headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("headers", [{}, {"Accept": LSL}, {"Accept": BROWSER, "X_SecondLife_Shard": "Production"}])
def test_a_script_that_sends_the_form_gets_text(sandbox: Sandbox, headers: dict[str, str]) -> None:
    """Callers that do not ask for a page get text."""
    assert _ask(sandbox, "/?name=nobody+here&page=1", **headers).headers["content-type"] == "text/plain; charset=utf-8"


class Found(HTMLParser):
    """The content of a page: links, hidden fields of its forms, input, answer."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.links: list[str] = []
        self.hidden: list[tuple[str, str]] = []
        self.typed: dict[str, str] = {}
        self.answer = ""
        self._is_answer = False
        self.feed(html.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One element."""
        known = {name: value or "" for name, value in attrs}
        if tag == "a":
            self.links.append(known["href"])
        if tag == "input" and known.get("type") == "hidden":
            self.hidden.append((known["name"], known["value"]))
        elif tag == "input":
            self.typed[known["name"]] = known["value"]
        self._is_answer = tag == "output"

    def handle_data(self, data: str) -> None:
        """Text."""
        if self._is_answer:
            self.answer += data

    def handle_endtag(self, tag: str) -> None:
        """The end of one."""
        self._is_answer = False


ANSWERS = [
    (f"key={MASAKAZU}", 200, f"{MASAKAZU} is the key of Masakazu Kojima on Production."),
    ("name=MASAKAZU.kojima", 200, f"Masakazu Kojima on Production has the key {MASAKAZU}."),
    ("name=Nobody+Here", 200, "No avatar named Nobody Here is known."),
    (f"key={NULL_KEY}", 200, f"No avatar with the key {NULL_KEY} is known."),
    ("key=none", 400, "bad key 'none': "),
    ("name=", 400, "bad name '': "),
    ("name=%3Cscript%3E%22%26%27", 200, """No avatar named <script>"&' is known."""),
]


@pytest.mark.parametrize("query, status, line", ANSWERS)
@pytest.mark.parametrize("path", ["/", "/touch/"])
def test_the_form_gets_its_answer_with_a_way_back(sandbox: Sandbox, path: str, query: str, status: int, line: str) -> None:
    """The same line as in text, above the form with the input; a link leads to the empty form."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")))
    sandbox.store.close()
    empty = Found(_ask(sandbox, path, Accept=BROWSER).body)
    form = "&".join([query, *(f"{name}={value}" for name, value in empty.hidden[:1])])
    reply = _ask(sandbox, f"{path}?{form}", Accept=BROWSER)
    assert (reply.status, reply.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert reply.headers["vary"] == "Accept" and "default-src 'none'" in reply.headers["content-security-policy"]
    found = Found(reply.body)
    assert found.answer.startswith(line) and "?" in found.links
    assert b"<script>" not in reply.body
    name, value = next(iter(parse_qsl(query, keep_blank_values=True)))
    assert found.typed[name] == value and set(found.typed.values()) <= {value, ""}


@pytest.mark.parametrize("path", ["/", "/touch", "/touch/"])
@pytest.mark.parametrize("mount", ["", "/n2k", "/deep/er"])
def test_its_links_lead_somewhere(sandbox: Sandbox, mount: str, path: str) -> None:
    """At any address of the page: in a folder, without the slash, at the script itself; the targets answer."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"), (GOVERNOR, "Governor Linden")))
    sandbox.store.close()
    application = LiveApplication({"data_dir": str(sandbox.data_dir)})
    try:
        ask = wsgi(application, mount)
        for asked in {path, "", "/dispatch.fcgi"} if path == "/" and mount else {path}:
            links = Found(ask("GET", asked, {"Accept": BROWSER}, b"").body).links
            assert len(links) > 5
            for link in links:
                target = urljoin(f"http://example.com{mount}{asked}", link).removeprefix(f"http://example.com{mount}")
                assert ask("GET", target, {}, b"").status == 200, (asked, link)
    finally:
        application.close()
