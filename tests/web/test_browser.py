"""A stored page of script that no browser runs: values below ``/db`` in a real browser."""

from pathlib import Path
from urllib.parse import quote

import pytest

from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.store.keyvalue import Terms
from tests.support.asking import over_http
from tests.support.browser import Beacons, beacons, visit
from tests.support.sandbox import Sandbox
from tests.support.standalone import serving

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" onload="{0}"><script>{0}</script></svg>'
HTML = '<!DOCTYPE html><title>a page</title><body onload="{0}"><img src=x: onerror="{0}"><script>{0}</script>'
XHTML = '<html xmlns="http://www.w3.org/1999/xhtml"><body><script>{0}</script></body></html>'
ATTACKS = {
    "html": ("text/html", HTML),
    "xhtml": ("text/xml", XHTML),
    "svg": ("text/xml", SVG),
    "plain": ("text/plain", HTML),
    "bytes": ("application/octet-stream", HTML),
    "json": ("application/json", '"{1}"'),
    "js": ("text/javascript", "{0}"),
    "jsbytes": ("application/octet-stream", "{0}"),
    "css": ("text/css", "@import url('{2}');"),
}
"""Name -> the type that it is stored as, and the value: {0} its script, {1} a page with it in a JSON text, {2} its beacon."""

FRAMES = ("html", "xhtml", "svg", "plain", "bytes", "json")
RUNS_AT_ANOTHER_SITE = {"html", "xhtml", "svg", "js", "css"}
"""Those that do run where a site serves them as the types that they were stored as."""


def value_of(name: str, site: Beacons, reports: str) -> bytes:
    """The value that reports itself as *reports* when a browser runs it."""
    script = site.script(reports)
    page = HTML.format(script).replace("\\", "\\\\").replace('"', '\\"')
    return ATTACKS[name][1].format(script, page, f"{site.url}/ran/{reports}").encode()


def page_with(addresses: dict[str, str]) -> bytes:
    """A page that loads each address in every way in which a page can: as a frame, an object, a script, a style."""
    parts = ["<!DOCTYPE html>"]
    for name, address in addresses.items():
        if name in FRAMES:
            parts += [f'<iframe src="{address}"></iframe>', f'<object data="{address}"></object>', f'<embed src="{address}">']
        parts += [f'<script src="{address}"></script>', f'<script type="module" src="{address}"></script>']
        parts.append(f'<link rel="stylesheet" href="{address}">')
    return "".join(parts).encode()


@pytest.fixture
def token(sandbox: Sandbox) -> str:
    """One that writes to the namespace ``board``, which anyone may read."""
    sandbox.store.keyvalue.create("board", Terms(10**6, 1000, is_open=True))
    made = create_token(sandbox.store.tokens, ("keyvalue",), namespace="board").text
    sandbox.store.close()
    return made


def test_no_browser_runs_what_is_stored(sandbox: Sandbox, token: str, tmp_path: Path) -> None:
    """Opened itself, in frames, as scripts and styles, as JSON or in part, in errors: none of it runs. Elsewhere it does."""
    with beacons() as site, serving(sandbox.data_dir) as (host, port, _):
        ask, ours, theirs = over_http(host, port), {}, {}
        for name, (content_type, _) in ATTACKS.items():
            value = value_of(name, site, f"ours-{name}")
            assert ask("PUT", f"/db/{name}", {"X-N2K-Token": token, "Content-Type": content_type}, value).status == 201
            ours[name] = f"http://{host}:{port}/db/{name}?ns=board"
            site.pages[f"/{name}"] = (
                content_type.replace("text/xml", "application/xml"),
                value_of(name, site, f"theirs-{name}"),
            )
            theirs[name] = f"{site.url}/{name}"
        site.pages["/all"] = ("text/html", page_with(theirs) + page_with(ours))
        visit(f"{site.url}/all", tmp_path / "profile")
        attack = quote(HTML.format(site.script("ours-error")), safe="")
        for target in ("html?ns=board", "svg?ns=board", "plain?ns=board&from=0", "html?ns=board&format=json", f"a?ns={attack}"):
            dumped = visit(f"http://{host}:{port}/db/{target}", tmp_path / "profile")
            assert "&lt;" in dumped and "<title>a page" not in dumped, dumped
    assert {name.removeprefix("theirs-") for name in site.heard if name.startswith("theirs-")} >= RUNS_AT_ANOTHER_SITE
    assert not {name for name in site.heard if name.startswith("ours-")}


def test_a_page_of_another_site_reads_an_open_namespace(sandbox: Sandbox, token: str, tmp_path: Path) -> None:
    """And writes with a token: the browser's preflight permits the methods and headers, and shows it our headers."""
    program = """
        <!DOCTYPE html><pre id=out></pre><script>
        const url = "{url}/db/greeting", out = document.getElementById("out");
        const say = (...words) => out.append(words.join(" ") + "\\n");
        const headers = {{"X-N2K-Token": "{token}", "Content-Type": "text/plain", "X-KV-Request-Id": "1"}};
        (async () => {{
            let answer = await fetch(url, {{method: "PUT", headers, body: "hello"}});
            const version = await answer.text();
            say("put", answer.status, version.length);
            answer = await fetch(url + "?ns=board");
            say("get", answer.status, await answer.text(), answer.headers.get("ETag") === `"${{version}}"`,
                answer.headers.get("X-KV-Version") === version, answer.headers.get("X-KV-Flags"));
            answer = await fetch(url + "?ns=board", {{headers: {{"If-None-Match": `"${{version}}"`}}, cache: "no-store"}});
            say("again", answer.status);
            answer = await fetch(url, {{method: "DELETE", headers: {{...headers, "If-Match": '"1"'}}}});
            say("delete", answer.status);
            answer = await fetch(url, {{method: "DELETE", headers: {{...headers, "If-Match": `"${{version}}"`}}}});
            say("delete", answer.status);
            answer = await fetch(url + "?ns=board&format=json");
            say("get", answer.status, JSON.stringify(await answer.json()));
        }})().catch(error => say(error));
        </script>
    """
    with beacons() as site, serving(sandbox.data_dir) as (host, port, _):
        page = program.format(url=f"http://{host}:{port}", token=token)
        site.pages["/page"] = ("text/html", page.encode())
        dumped = visit(f"{site.url}/page", tmp_path / "profile")
    said = dumped.partition('<pre id="out">')[2].partition("</pre>")[0]
    assert said.split("\n")[:-1] == [
        "put 201 16",
        "get 200 hello true true 0",
        "again 304",
        "delete 412",
        "delete 200",
        'get 404 {"error":"no such key"}',
    ]
