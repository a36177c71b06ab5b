"""What every page has: safe headers, links that work below any mount, both languages, and no page where a script asks."""

import json
from pathlib import Path

import pytest

from n2k_fcgi.errors import StoreDamaged
from n2k_fcgi.web import pages
from n2k_fcgi.web.application import Unavailable
from tests.support.people import BROWSER, Page, visiting
from tests.support.sandbox import GOVERNOR, MASAKAZU, Sandbox, csv

ADDRESSES = (
    *(
        "/",
        "/touch",
        "/touch/?q=masakazu",
        "/?q=masakazu",
        "/?q=%3Cscript%3E",
        f"/?q={MASAKAZU},nobody",
        f"/avatar/{MASAKAZU}",
        f"/avatar/{MASAKAZU}?grid=Production",
    ),
    *("/leave", f"/leave?key={MASAKAZU}", "/lists", "/lists?names=masakazu.kojima", "/programs", "/scripts", "/scripts/touch"),
    *("/scripts/touch?grid=OpenSim", "/privacy"),
)
"""Each page, in each of its forms."""
FOLDER = Path(pages.__file__).parent
LSL = "text/*, application/xhtml+xml, application/atom+xml, application/json"
POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"


@pytest.fixture
def people(sandbox: Sandbox) -> Sandbox:
    """Two avatars."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"), (GOVERNOR, "Governor Linden")))
    return sandbox


@pytest.mark.parametrize("target", [*ADDRESSES, "/nothing", "/static/nothing"])
def test_every_page_has_safe_headers(people: Sandbox, target: str) -> None:
    """Nothing from other hosts, no frame around it, no address to others; and what the answer depends on."""
    with visiting(people) as visitor:
        headers = visitor.get(target).headers
    assert headers["content-security-policy"] == POLICY
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
    assert "camera=()" in headers["permissions-policy"]
    assert headers["vary"] == "Accept, Accept-Language" and headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("target", [*ADDRESSES, "/nothing"])
def test_no_page_has_script_or_style_in_itself(people: Sandbox, target: str) -> None:
    """The policy would refuse it: no style, no handler of events, no script without an address."""
    with visiting(people) as visitor:
        page = Page(visitor.get(target).body)
    assert page.every("style") == [] and all("src" in script for script in page.every("script"))
    assert not [names for _, names in page.elements if any(name == "style" or name.startswith("on") for name in names)]


@pytest.mark.parametrize("mount", ["", "/n2k", "/deep/er"])
@pytest.mark.parametrize("target", ADDRESSES)
def test_links_lead_somewhere(people: Sandbox, mount: str, target: str) -> None:
    """Below any mount, also without its last slash and at the script itself; the language goes with them."""
    begin = {target, f"/dispatch.fcgi{target}"} if mount else {target}
    begin |= {target[1:]} if mount and target[1:2] in ("", "?") else set()
    answered: set[str] = set()
    with visiting(people, mount) as visitor:
        for asked in begin:
            for more in ("", "lang=de"):
                query = more and ("&" if "?" in asked else "?") + more
                page = visitor.page(asked + query)
                assert len(page.links) > 10
                for link in page.links:
                    if link.startswith(("https://world.secondlife.com/resident/", "secondlife:///app/agent/")):
                        continue
                    leads = visitor.follow(asked + query, link)
                    usual = 403 if "/status" in leads else 200  # it is for the owner, and over plain HTTP for nobody
                    assert leads in answered or visitor.get(leads).status == usual, (asked, link)
                    answered.add(leads)
                    leads = leads.removeprefix("/dispatch.fcgi")
                    is_data = leads.startswith(("/static/", "/api/", "/?name=", "/?key=", "/name2key/")) or ".lsl" in leads
                    is_data = is_data or "format=json" in leads or "lang=en" in leads
                    assert not more or is_data or more in leads or link[0] == "#", (asked, link)


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.7", "de"),
        ("fr, en;q=0.5, de;q=0.8", "de"),
        ("en-GB, de;q=0.9", "en"),
        ("fr", "en"),
        ("de;q=x, *;q=nan", "en"),
        ("DE", "de"),
    ],
)
def test_the_language_follows_the_browser(people: Sandbox, accepted: str, language: str) -> None:
    """Accept-Language, whatever it holds; ``lang=`` overrides it, and one that there is not is ignored."""
    with visiting(people) as visitor:
        for target, expected in (("/", language), ("/?lang=de", "de"), ("/?lang=en", "en"), ("/?lang=xx", language)):
            page = visitor.page(target, Accept_Language=accepted)
            assert page.every("html")[0] == {"lang": expected, "dir": "ltr"}
            assert ("Einen Avatar finden" in page.text) == (expected == "de")


@pytest.mark.parametrize("headers", [{}, {"Accept": LSL}, {"Accept": BROWSER, "X-SecondLife-Shard": "Production"}])
def test_a_script_gets_one_line(people: Sandbox, headers: dict[str, str]) -> None:
    """LSL's own Accept has text/*, and a script may send any Accept: at the root, and at addresses that there are not."""
    with visiting(people) as visitor:
        for target, status in (("/", 404), ("/nothing", 404), (f"/?key={MASAKAZU}&page=1", 200)):
            reply = visitor.ask("GET", target, headers, b"")
            assert (reply.status, reply.headers["content-type"]) == (status, "text/plain; charset=utf-8")
            assert reply.body.count(b"\n") <= 1


@pytest.mark.parametrize("target", [f"/?key={MASAKAZU}", f"/?key={MASAKAZU}&compat=false", "/name2key/Masakazu+Kojima"])
def test_a_browser_that_asks_as_a_script_gets_text(people: Sandbox, target: str) -> None:
    """For a typed or linked address of a lookup a browser gets the same as a script."""
    with visiting(people) as visitor:
        assert visitor.get(target).headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    "target", [f"/?page=1&key={MASAKAZU}", "/?name=masakazu+kojima&page=1", "/touch/?name=masakazu.kojima&page=1"]
)
def test_links_to_the_first_pages_still_work(people: Sandbox, target: str) -> None:
    """The form of version 0.1 had fields of its own: their answer is the page of today."""
    with visiting(people) as visitor:
        page = visitor.page(target)
    assert "Masakazu Kojima" in page.text and MASAKAZU in page.text


def test_a_page_is_sent_once(people: Sandbox) -> None:
    """HEAD has the headers alone, and a browser that has the page gets 304, with the same headers."""
    with visiting(people) as visitor:
        whole = visitor.get("/?q=masakazu")
        head = visitor.send("HEAD", "/?q=masakazu")
        assert (head.status, head.body, head.headers) == (200, b"", whole.headers)
        again = visitor.get("/?q=masakazu", If_None_Match=whole.headers["etag"])
        assert (again.status, again.body) == (304, b"")
        kept = {"content-security-policy", "etag", "vary", "cache-control"}
        assert {name: again.headers[name] for name in kept} == {name: whole.headers[name] for name in kept}
        assert visitor.get("/?q=masakazu", If_None_Match=whole.headers["etag"], Accept_Language="de").status == 200


def test_files_are_kept_for_ever_by_an_address_that_names_their_content(people: Sandbox) -> None:
    """With the digest of another version: the file of now, which no cache keeps. And of other files none is sent."""
    with visiting(people) as visitor:
        files = [visitor.follow("/", link) for link in visitor.page("/").links if "static/" in link]
        assert len(files) == 3
        for file in files:
            reply = visitor.get(file)
            assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
            other = visitor.get(file[:-1] + "x")
            assert (other.status, other.body, other.headers["cache-control"]) == (200, reply.body, "no-cache")
            assert visitor.get(file, If_None_Match=reply.headers["etag"]).status == 304
        for name in ("n2k.css", "../home.py.0", "..%2Fhome.py.0", "home.py.0123456789ab", ""):
            assert visitor.get(f"/static/{name}").status == 404


@pytest.mark.parametrize("target", ADDRESSES)
def test_search_engines_list_no_avatar(people: Sandbox, target: str) -> None:
    """Whoever is on a page is not found by its name elsewhere; pages without avatars may be listed."""
    with visiting(people) as visitor:
        page = visitor.page(target)
    shows_avatars = "q=" in target or "names=" in target or target.startswith("/avatar")
    assert [each["content"] for each in page.every("meta") if each.get("name") == "robots"] == ["noindex"] * shows_avatars


@pytest.mark.parametrize("target", ADDRESSES)
def test_every_page_has_its_data_as_json(people: Sandbox, target: str) -> None:
    """To which a link in its head leads, and one that people see."""
    with visiting(people) as visitor:
        page = visitor.page(target)
        (link,) = [each["href"] for each in page.every("link") if each["rel"] == "alternate"]
        assert sum(each == link for each in page.links) >= 2
        reply = visitor.get(visitor.follow(target, link))
        assert reply.headers["content-type"] == "application/json" and isinstance(json.loads(reply.body), dict)


@pytest.mark.parametrize("target", ["/?q=%FF", "/?q=a&q=b", "/touch/?lang=de&lang=en"])
def test_a_search_that_cannot_be_read_has_a_page(people: Sandbox, target: str) -> None:
    """A lookup of that kind is one line, as for scripts."""
    with visiting(people) as visitor:
        reply = visitor.get(target)
        assert reply.status == 400 and Page(reply.body).every("main")
        assert visitor.get("/?name=%FF").headers["content-type"] == "text/plain; charset=utf-8"


def test_a_damaged_store_has_a_page(people: Sandbox) -> None:
    """It says so in the frame, without a path; of a lookup it is one line, as for scripts."""
    with visiting(people) as visitor:
        pointer = next(people.data_dir.rglob("CURRENT"))
        live = pointer.read_text()
        pointer.write_text("nonsense\n")
        for target in ("/", "/?q=masakazu", f"/avatar/{MASAKAZU}", "/lists"):
            reply = visitor.get(target)
            assert reply.status == 503 and "The service cannot answer now" in Page(reply.body).text
            assert str(people.data_dir).encode() not in reply.body
        line = visitor.get("/?name=x")
        assert (line.status, line.headers["content-type"]) == (503, "text/plain; charset=utf-8")
        assert visitor.get("/privacy").status == 200
        pointer.write_text(live)
        assert visitor.get("/?q=masakazu").status == 200


def test_without_valid_settings_there_is_a_page(sandbox: Sandbox) -> None:
    """The one that says that the service is not there; scripts get the line."""
    answer = Unavailable(StoreDamaged(path="/somewhere", why="it is torn")).answer({"REQUEST_URI": "/", "HTTP_ACCEPT": BROWSER})
    assert answer.status == 503 and "The service cannot answer now" in Page(answer.body).text


def test_an_address_that_there_is_not_has_a_page(people: Sandbox) -> None:
    """In the same frame, with what is wrong; in German below the words in German."""
    with visiting(people) as visitor:
        for accepted, words in (("en", "There is nothing here"), ("de", "Hier ist nichts")):
            reply = visitor.get("/nothing", Accept_Language=accepted)
            page = Page(reply.body)
            assert reply.status == 404 and words in page.text and "nothing here: ask with" in page.text
            assert page.every("main") and page.every("nav")


@pytest.mark.parametrize(
    ("target", "sentence", "line"),
    [
        ("/scripts/nix", "No page has this address.", "nothing here: ask with"),
        ("/nothing", "No page has this address.", "nothing here: ask with"),
        ("/logout", "go back to the page with the form", "method not allowed here"),
        ("/lists?format=xml", "go back and correct it", "format is one of"),
        ("/?q=%3F%3F%3F", "That can be neither a name nor a key.", "bad name"),
    ],
)
def test_people_are_told_first(people: Sandbox, target: str, sentence: str, line: str) -> None:
    """One sentence in their language; below it, as such, the line in English that a program gets."""
    with visiting(people) as visitor:
        page = Page(visitor.get(target).body)
        german = Page(visitor.get(target, Accept_Language="de").body)
    assert page.text.index(sentence) < page.text.index("A program is told:") < page.text.index(line)
    assert sentence not in german.text and line in german.text
    assert [each for each in german.every("span") if each.get("lang") == "en"]


def test_all_of_it_is_small() -> None:
    """Templates and files of the browser together: below 100 KB."""
    paths = [path for name in ("templates", "static") for path in (FOLDER / name).iterdir()]
    assert len(paths) > 5 and sum(path.stat().st_size for path in paths) < 100_000


SECRET = "n2k_0123456789ab_" + "5" * 64
LIKE_PAGES = ("/nothing", "/login", "/status", "/found?q=x", "/lists?names=x&format=json", "/scripts/touch.lsl")


@pytest.mark.parametrize("field", ["token", "code"])
@pytest.mark.parametrize("target", [*ADDRESSES, *LIKE_PAGES])
def test_no_page_takes_a_secret_in_its_address(people: Sandbox, target: str, field: str) -> None:
    """It is refused with 400, as below ``/api``; no answer repeats it, and no cache keeps one. At no address: 404."""
    with visiting(people) as visitor:
        reply = visitor.get(f"{target}{'&' if '?' in target else '?'}{field}={SECRET}")
    assert reply.status == (404 if target == "/nothing" else 400)
    assert SECRET.encode() not in reply.body and SECRET not in repr(reply.headers)
    assert reply.status == 404 or reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("target", [*ADDRESSES, "/nothing"])
def test_a_page_repeats_no_field_that_it_does_not_know(people: Sandbox, target: str) -> None:
    """Whatever a caller adds to an address is in no link of its answer."""
    with visiting(people) as visitor:
        reply = visitor.get(f"{target}{'&' if '?' in target else '?'}passwort={SECRET}")
    assert SECRET.encode() not in reply.body


@pytest.mark.parametrize(
    "headers",
    [{}, {"Accept": LSL}, {"Accept": "application/json"}, {"Accept": BROWSER, "X-SecondLife-Shard": "Production"}],
)
def test_no_page_is_sent_to_a_script(people: Sandbox, headers: dict[str, str]) -> None:
    """At the address of a page, and of an error: one line of text; no log-in either. Data and files it gets."""
    pages_and_errors = {f"/avatar/{MASAKAZU}": 406, "/avatar/x": 400, "/found?q=masakazu": 406, "/lists": 406, "/leave": 406}
    pages_and_errors |= {"/lists?names=x&format=rows": 406, "/privacy": 406, "/programs": 406, "/scripts": 406, "/login": 406}
    pages_and_errors |= {"/scripts/touch": 406, "/scripts/xx": 404, "/static/zz": 404, "/privacy?token=x": 400}
    with visiting(people) as visitor:
        for target, status in pages_and_errors.items():
            reply = visitor.ask("GET", target, headers, b"")
            assert (reply.status, reply.headers["content-type"]) == (status, "text/plain; charset=utf-8"), target
            assert reply.body.count(b"\n") == 1, target
        for target in ("/privacy?format=json", "/found?q=x&format=json", "/lists?names=x&format=csv", "/scripts/touch.lsl"):
            assert visitor.ask("GET", target, headers, b"").status == 200, target
