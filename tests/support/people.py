"""A browser that sees the pages of the application in process: what it asks for, and what a page has."""

from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from n2k_fcgi.servers.live import LiveApplication
from tests.support.asking import wsgi
from tests.support.golden import Ask, Reply
from tests.support.sandbox import Sandbox

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
HOST = "http://localhost"
_WITH_TEXT = ("code", "pre", "textarea", "title")
"""Elements whose text can be asked for; each has an end."""


class Page(HTMLParser):
    """The elements of a page, with their attributes, and its text."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self._texts: list[str] = []
        self._open: list[tuple[str, dict[str, str], list[str]]] = []
        self._closed: list[tuple[str, dict[str, str], list[str]]] = []
        self.feed(html.decode())

    @property
    def text(self) -> str:
        """What is read: all text, with single spaces."""
        return " ".join(" ".join(self._texts).split())

    def every(self, tag: str) -> list[dict[str, str]]:
        """The attributes of all elements of one kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def links(self) -> list[str]:
        """Everything that a browser may load or follow, as it is written."""
        names = ("href", "src", "action", "data-found", "data-lists")
        return [attributes[name] for _, attributes in self.elements for name in names if name in attributes]

    def of_tag(self, tag: str, **attributes: str) -> list[str]:
        """The texts inside all elements of one kind that have *attributes*, as they are written."""
        return ["".join(texts) for name, own, texts in self._closed if name == tag and attributes.items() <= own.items()]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One element."""
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        if tag in _WITH_TEXT:
            self._open.append((tag, attributes, []))

    def handle_data(self, data: str) -> None:
        """Text."""
        self._texts.append(data)
        for _, _, texts in self._open:
            texts.append(data)

    def handle_endtag(self, tag: str) -> None:
        """The end of one."""
        if tag in _WITH_TEXT:
            self._closed.append(self._open.pop())


class Visitor:
    """Asks as a browser does, below a mount."""

    def __init__(self, ask: Ask, mount: str = "") -> None:
        self.ask = ask
        self.mount = mount

    def get(self, target: str, **headers: str) -> Reply:
        """The answer to a GET."""
        return self.send("GET", target, **headers)

    def send(self, method: str, target: str, body: bytes = b"", **headers: str) -> Reply:
        """The answer to any request; *headers* with underscores."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask(method, target, {"Accept": BROWSER, **fields}, body)

    def page(self, target: str, **headers: str) -> Page:
        """The page at *target*, which is there."""
        reply = self.get(target, **headers)
        assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8"), (target, reply)
        return Page(reply.body)

    def follow(self, target: str, link: str) -> str:
        """Where *link* leads on the page at *target*: below the mount, without fragment. It must not leave the mount."""
        found = urlsplit(urljoin(f"{HOST}{self.mount}{target}", link))
        assert f"{found.scheme}://{found.netloc}" == HOST and found.path.startswith(self.mount), link
        return found.path.removeprefix(self.mount) + (f"?{found.query}" if found.query else "")


@contextmanager
def visiting(sandbox: Sandbox, mount: str = "", **settings: str) -> Iterator[Visitor]:
    """Visit the service of *sandbox*, whose own store is closed."""
    sandbox.store.close()
    application = LiveApplication({"data_dir": str(sandbox.data_dir), **settings})
    try:
        yield Visitor(wsgi(application, mount), mount)
    finally:
        application.close()
