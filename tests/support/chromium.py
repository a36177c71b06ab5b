"""People with a browser: a real Chromium without a window, each with a profile; what their pages do is noted."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

from tests.support.processes import SECONDS

PATIENCE = 1000 * SECONDS
"""How long to wait for what a page does soon, in milliseconds."""

PHONE, DESKTOP = 390, 1280
"""Widths in CSS pixels."""

INSECURE_HOST = "n2k.example"
"""A name of this machine in the browser, to which it grants nothing: loopback's own addresses count as safe without TLS."""

AXE = Path(__file__).parents[1] / "browser" / "axe" / "axe.min.js"
_NO_OTHER_HOST = f"MAP {INSECURE_HOST} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


class Look(NamedTuple):
    """How one of them looks at pages."""

    width: int = DESKTOP
    is_dark: bool = False
    has_script: bool = True
    language: str = "en-GB"

    def __str__(self) -> str:
        names = ("phone" if self.width == PHONE else "desktop", "dark" if self.is_dark else "light")
        return "-".join((*names, "script" if self.has_script else "plain"))

    @property
    def height(self) -> int:
        """Of the window, in CSS pixels."""
        return 844 if self.width == PHONE else 800


class Person:
    """One person: a profile, and a page in it."""

    def __init__(self, context: BrowserContext, root: str, look: Look) -> None:
        self.context = context
        self.look = look
        self.root = root
        """The address of the service, with a slash at its end."""
        self.may_ask = {_origin(root)}
        """The origins from which pages may load; a test adds a hostile one."""
        self.requests: list[Request] = []
        """All that any page of theirs asked for, in order."""
        self.complaints: list[str] = []
        """What the browser or a script complained of; an error that the server answered on purpose is none."""
        self.dialogs: list[str] = []
        """What ``alert`` said: some text was run as a script."""
        self.expects_complaints = False
        """Set by a test that has the browser refuse something."""
        context.on("request", lambda request: self.requests.append(request))
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("page", lambda page: page.on("dialog", self._on_dialog))
        self.page: Page = context.new_page()
        self._devtools = context.new_cdp_session(self.page)
        self._switch_scripts(look.has_script)

    def _on_console(self, message: ConsoleMessage) -> None:
        where = message.location["url"]
        is_the_page_itself = message.page is not None and where == message.page.url
        if message.type in ("error", "warning") and not (is_the_page_itself or self.expects_complaints):
            self.complaints.append(f"{message.type}: {message.text} ({where})")

    def _on_dialog(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def _switch_scripts(self, on: bool) -> None:
        self._devtools.send("Emulation.setScriptExecutionDisabled", {"value": not on})

    def go(self, path: str = "") -> int:
        """Open *path*, below the service's address, or a whole address; return the status."""
        answer = self.page.goto(path if "://" in path else self.root + path)
        assert answer is not None
        return answer.status

    def change(self, look: Look) -> None:
        """Look otherwise: width and light at once, script or none from the next page on."""
        self._switch_scripts(look.has_script)
        self.look = look
        self.page.set_viewport_size({"width": look.width, "height": look.height})
        self.page.emulate_media(color_scheme="dark" if look.is_dark else "light")

    def asked(self) -> list[str]:
        """The paths below the root with queries that were asked for since the last call, other than files of the pages."""
        found = [request.url.removeprefix(self.root) for request in self.requests]
        self.requests.clear()
        return [path for path in found if not path.startswith("static/")]

    def findings(self, *rules: str) -> list[str]:
        """What axe-core finds serious or critical in the page as it is now, by its *rules*, without any by all.

        It may run a script where the page may not.
        """
        if not self.look.has_script:
            self._switch_scripts(True)
        if not self.page.evaluate("typeof axe === 'object'"):
            self.page.evaluate(AXE.read_text("utf-8"))
        options: dict[str, object] = {"resultTypes": ["violations"], "elementRef": False}
        if rules:
            options["runOnly"] = {"type": "rule", "values": rules}
        violations = self.page.evaluate("options => axe.run(document, options).then(found => found.violations)", options)
        if not self.look.has_script:
            self._switch_scripts(False)
        return [
            f"{found['id']} ({found['impact']}): {found['help']}: {json.dumps([node['html'][:200] for node in found['nodes']])}"
            for found in violations
            if found["impact"] in ("serious", "critical")
        ]

    def focused(self) -> str:
        """What has the focus, in few words: its tag, and its id, name or text."""
        found: str = self.page.evaluate(
            "(at => at.tagName.toLowerCase() + ' ' + (at.id || at.name || at.textContent.trim()))(document.activeElement)"
        )
        return found

    def strangers(self) -> list[str]:
        """What was asked for elsewhere than at the service's scheme, host and port."""
        return [request.url for request in self.requests if _origin(request.url) not in self.may_ask]


def _origin(url: str) -> str:
    return "://".join(urlsplit(url.removeprefix("blob:"))[:2])


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window, until the block ends. It reaches no host but loopback."""
    program = shutil.which("chromium")
    assert program, "these tests need a real chromium: 'make test' names its package"
    options = (f"--host-resolver-rules={_NO_OTHER_HOST}", "--disable-dev-shm-usage", "--disable-gpu")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=options, timeout=PATIENCE)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def person(browser: Browser, root: str, look: Look = Look(), *, may_copy: bool = False) -> Iterator[Person]:  # noqa: B008
    """One person until the block ends; then no script of a text has run, nobody complained, nothing was asked for elsewhere."""
    context = browser.new_context(
        viewport={"width": look.width, "height": look.height},
        color_scheme="dark" if look.is_dark else "light",
        locale=look.language,
        timezone_id="UTC",
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"] if may_copy else [],
    )
    context.set_default_timeout(PATIENCE)
    try:
        who = Person(context, root, look)
        yield who
        wrong = (*who.dialogs, *who.complaints, *who.strangers())
        assert not wrong, wrong
    finally:
        context.close()
