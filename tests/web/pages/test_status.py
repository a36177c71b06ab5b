"""The status page: what it shows, what its forms change, and its JSON."""

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

from n2k_fcgi.model.choices import Scope
from n2k_fcgi.model.keyvalue.entry import Entry
from n2k_fcgi.model.keyvalue.operations import Put
from n2k_fcgi.model.tokens import Token
from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.store.keyvalue import Terms
from tests.support.commands import Commands
from tests.support.owner import Browser
from tests.support.people import Page
from tests.support.sandbox import GOVERNOR, MASAKAZU, Sandbox, csv

HOSTILE = "<script>alert('x')</script>"


class Site(NamedTuple):
    """A service with two generations, two datasets and a hidden avatar, and a browser that is logged in."""

    browser: Browser
    application: LiveApplication
    n2k: Commands
    token: str
    generations: tuple[str, str]

    def json(self) -> dict[str, object]:
        """The page as JSON, by the session."""
        found: dict[str, object] = json.loads(self.browser.get("/status?format=json").body)
        return found

    def value(self) -> bytes:
        """What the namespace answers."""
        return self.browser.get("/db/k?ns=shop", X_N2K_Token=self.token).body


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """The later generation is live, and the dataset ``red``."""
    box = Sandbox(tmp_path / "data")
    names = []
    for number, name in enumerate(("Masakazu Kojima", "Masakazu Newname"), 1):
        box.import_text(csv((MASAKAZU, name), (GOVERNOR, "Governor Linden")), as_of=100 * number)
        names.append(box.store.generations.current_name())
    box.register("Some One", "00000000-0000-4000-8000-000000000001")
    box.forget_key(bytes.fromhex(GOVERNOR.replace("-", "")))
    shop = box.store.keyvalue.create("shop", Terms(1000, 10))
    shop.apply([Put(b"before", b"x" * 400)], int(time.time() * 1000))
    for colour in ("red", "blue"):
        box.store.keyvalue.build(colour, [Entry(b"k", colour.encode())])
    shop.use("red", 1)
    shop.apply([Put(b"after", b"x" * 495)], int(time.time() * 1000))
    token = create_token(box.store.tokens, (Scope.ADMIN,), note=HOSTILE).text
    create_token(box.store.tokens, (Scope.REGISTER,), "Production", note="of Governor Linden", rate=7)
    box.close()
    application = LiveApplication({"data_dir": str(box.data_dir)})
    browser = Browser(application, mount="/n2k")
    browser.log_in(token=token)
    yield Site(browser, application, Commands(box.data_dir), token, (names[0], names[1]))
    application.close()


def pictures(html: bytes) -> dict[str, ElementTree.Element]:
    """Every picture of a page, by its title."""
    found = {}
    for piece in html.decode().split('<svg class="picture"')[1:]:
        root = ElementTree.fromstring('<svg class="picture"' + piece.partition("</svg>")[0] + "</svg>")
        found[root[0].text or ""] = root
    return found


def test_every_picture_has_a_title_a_sentence_and_a_table(site: Site) -> None:
    """For those who cannot see it, too; each by an id of its own."""
    for _ in range(3):
        site.browser.get("/?name=masakazu.newname")
    site.browser.get("/?name=nobody.here")
    html = site.browser.get("/status").body
    found = pictures(html)
    assert set(found) >= {
        *("Lookups by hour", "Time for an answer", "Answers by kind", "Shares of the grids"),
        *("What imports changed", "Size of the data", "Space on the disk", "Namespaces", "Starts of workers"),
    }
    assert all(svg.attrib["role"] == "img" and svg[1].tag == "desc" and svg[1].text for svg in found.values())
    page = Page(html)
    ids = [element["id"] for _, element in page.elements if "id" in element]
    assert len(ids) == len(set(ids))
    assert "Registrations by day 0 new avatars in 30 days. Nothing yet." in page.text
    figures = html.decode().split('<figure class="chart">')[1:]
    assert sum("<svg" in figure for figure in figures) == len(found)
    assert all("<table>" in figure.partition("</figure>")[0] for figure in figures if "<svg" in figure)
    assert "3 found and 1 not found in 48 hours." in page.text


def test_what_is_shown(site: Site) -> None:
    """Counts, those who left, generations with all that imports tell, namespaces, tokens, findings and what was left out."""
    text = site.browser.status().text
    for words in ("Asked to be forgotten 1", "Captures 1", "Tokens in use 2", "B of 1000 B", "1 of 10", "holders of a token"):
        assert words in text
    for name in site.generations:
        assert name in text
    assert "Nothing is wrong in what was examined." in text and "n2k doctor" in text
    assert "keyvalue" in text and "7 writes a minute" in text


def test_findings_of_the_doctor(site: Site) -> None:
    """A problem that the owner makes is shown, with what to do."""
    site.n2k.data_dir.chmod(0o755)
    text = site.browser.status().text
    assert "problem data directory:" in text and "others have access: chmod 700" in text
    found = [each for each in site.json()["findings"] if each["verdict"] == "problem"]  # type: ignore[attr-defined]
    assert [each["subject"] for each in found] == ["data directory"]
    site.n2k.data_dir.chmod(0o700)


def test_a_hostile_note_stays_text(site: Site) -> None:
    """In the page it is text of an element; in JSON it is a text."""
    html = site.browser.get("/status").body
    assert HOSTILE in Page(html).text and b"<script>alert" not in html
    assert HOSTILE in json.dumps(site.json())


def test_a_forgotten_avatar_is_not_named(site: Site) -> None:
    """Not even to the owner: a note that names it is cleaned, as in the commands."""
    html = site.browser.get("/status").body + site.browser.get("/status?format=json").body
    assert b"Governor" not in html and b"governor" not in html


def test_going_back_and_forth_between_generations(site: Site) -> None:
    """As 'n2k generations use' does; lookups follow, and the page says so."""
    for name, answer in ((site.generations[0], b"Masakazu Kojima"), (site.generations[1], b"Masakazu Newname")):
        reply = site.browser.send("/status/generation", name=name)
        assert site.browser.place(reply, "/status/generation") == "/status"
        assert site.browser.get(f"/?key={MASAKAZU}").body == answer
        assert f"The generation {name} is live." in Page(site.browser.get("/status?done=generation").body).text


def test_swapping_datasets(site: Site) -> None:
    """As 'n2k kv use' does: later writes are kept, and back is 'none'."""
    for dataset, value in (("blue", b"blue"), ("red", b"red")):
        site.browser.send("/status/dataset", namespace="shop", dataset=dataset)
        assert site.value() == value
    site.browser.send("/status/dataset", namespace="shop", dataset="none")
    assert site.browser.get("/db/before?ns=shop", X_N2K_Token=site.token).body == b"x" * 400
    site.browser.send("/status/dataset", namespace="shop", dataset="red")
    assert site.browser.get("/db/after?ns=shop", X_N2K_Token=site.token).body == b"x" * 495


@pytest.mark.parametrize(("action", "fields", "status"), [
    ("/status/generation", {"name": "20200101T000000.000Z"}, 404),
    ("/status/generation", {"name": "../../etc"}, 404),
    ("/status/generation", {}, 400),
    ("/status/dataset", {"namespace": "shop", "dataset": "green"}, 404),
    ("/status/dataset", {"namespace": "nowhere", "dataset": "red"}, 404),
    ("/status/dataset", {"namespace": "../shop", "dataset": "red"}, 400),
    ("/status/dataset", {"namespace": "shop"}, 400),
    ("/status/revoked", {"token": "0123456789ab"}, 404),
    ("/status/revoked", {"token": "\ud7ff"}, 404),
    ("/status/tokens", {"scope": "everything"}, 400),
    ("/status/tokens", {}, 400),
    ("/status/tokens", {"scope": "keyvalue"}, 400),
    ("/status/tokens", {"scope": "keyvalue", "namespace": "nowhere"}, 404),
    ("/status/tokens", {"scope": "admin", "grid": "Production"}, 400),
    ("/status/tokens", {"scope": "register", "rate": "many"}, 400),
    ("/status/tokens", {"scope": "register", "note": "x" * 61}, 400),
    ("/status/tokens", {"scope": "register", "grid": "\x00"}, 400),
])  # fmt: skip
def test_what_is_wrong_changes_nothing(site: Site, action: str, fields: dict[str, str], status: int) -> None:
    """A page that says what; the caller's mistake is no fault of ours."""
    before = site.json()
    reply = site.browser.send(action, **fields)
    assert reply.status == status and reply.headers["cache-control"] == "no-store"
    after = site.json()
    for name in ("tokens", "generations", "namespaces", "datasets"):
        assert after[name] == before[name]


def test_a_new_token_is_shown_once_and_works(site: Site) -> None:
    """On the page that answers the form, and on no later one; revoked, it works no more."""
    reply = site.browser.send("/status/tokens", scope="register", note=f"greeter {HOSTILE}", grid="Production", rate="60")
    (text,) = [word for word in Page(reply.body).text.split() if word.startswith("n2k_")]
    assert reply.status == 200 and reply.headers["cache-control"] == "no-store"
    name, secret = text.split("_")[1:]
    page = site.browser.get("/status").body
    assert name.encode() in page and secret.encode() not in page
    form = {"name": "New One", "key": "00000000-0000-4000-8000-0000000000aa"}
    assert site.browser.post("/", form, X_N2K_Token=text, Accept="*/*").body.startswith(b"Registered")
    site.browser.send("/status/revoked", token=name)
    assert site.browser.post("/", form, X_N2K_Token=text, Accept="*/*").status == 401


def test_a_form_makes_one_token_at_most(site: Site) -> None:
    """Loaded anew, or sent by a second click, it says so; the first token works on, and the address leads back by GET."""
    made = len(site.json()["tokens"])  # type: ignore[arg-type]
    fields = {"scope": "register", "note": "once", "id": "0123456789ab"}
    (text,) = [word for word in Page(site.browser.send("/status/tokens", **fields).body).text.split() if "n2k_0123" in word]
    again = site.browser.send("/status/tokens", **fields)
    assert again.status == 409 and b"n2k_0123" not in again.body
    assert "This form was sent before, and made its token" in Page(again.body).text
    assert len(site.json()["tokens"]) == made + 1  # type: ignore[arg-type]
    form = {"name": "New One", "key": "00000000-0000-4000-8000-0000000000aa"}
    assert site.browser.post("/", form, X_N2K_Token=text, Accept="*/*").body.startswith(b"Registered")
    ids = [[each["value"] for each in site.browser.status().every("input") if each.get("name") == "id"] for _ in "ab"]
    assert len(ids[0]) == 1 and ids[0] != ids[1]
    assert site.browser.send("/status/tokens", scope="register", id="../x").status == 400


@pytest.mark.parametrize("form", ["generation", "dataset", "tokens", "revoked"])
def test_the_address_of_a_form_leads_to_the_page(site: Site, form: str) -> None:
    """By GET, as a link to another language does; no method is refused there."""
    reply = site.browser.get(f"/status/{form}?lang=de")
    assert site.browser.place(reply, f"/status/{form}") == "/status" and "lang=de" in reply.headers["location"]


@pytest.mark.parametrize(("fields", "text"), [
    ({"scope": "keyvalue"}, "wähle den Namensraum"),
    ({"scope": "admin", "grid": "Production"}, "gilt für alle Grids"),
    ({"scope": "register", "rate": "0"}, "eine ganze Zahl"),
    ({"scope": "register", "rate": "9" * 5000}, "eine ganze Zahl"),
    ({"scope": "register", "note": "x" * 61}, "höchstens 60 Zeichen"),
    ({"scope": "register", "grid": "\x00"}, "kein Grid"),
    ({"scope": "all"}, "wähle, was"),
])  # fmt: skip
def test_what_is_wrong_is_said_at_the_form(site: Site, fields: dict[str, str], text: str) -> None:
    """On the page, in its language, with what was typed."""
    reply = site.browser.send("/status/tokens?lang=de", **{"note": "the greeter", **fields})
    page = Page(reply.body)
    assert reply.status == 400 and text in page.text and "Kein Token wurde erzeugt" in page.text
    (note,) = [each for each in page.every("input") if each.get("name") == "note"]
    assert note["value"] == fields.get("note", "the greeter")
    assert len([each for _, each in page.elements if each.get("aria-describedby") == "wrong"]) == 1


def test_another_form_that_did_nothing_shows_the_page(site: Site) -> None:
    """With why, and everything else there."""
    text = Page(site.browser.send("/status/revoked", token="0123456789ab").body).text
    assert "Nothing was changed: no token with the id '0123456789ab'" in text and "Make a token" in text


def test_what_was_done_is_named_while_it_holds(site: Site) -> None:
    """By the state of the service: an address that claims more says nothing."""
    site.browser.send("/status/dataset", namespace="shop", dataset="blue")
    shown = "/status?done=dataset&name=shop"
    assert "The namespace shop shows the dataset blue now." in Page(site.browser.get(shown).body).text
    (none,) = {each["value"] for each in site.browser.status().every("option") if each.get("value") == "none"}
    site.browser.send("/status/dataset", namespace="shop", dataset=none)
    assert "The namespace shop shows no dataset now." in Page(site.browser.get(shown).body).text
    assert 'class="note"' not in site.browser.get("/status?done=revoked&name=0123456789ab").body.decode()


def test_a_token_of_a_namespace(site: Site) -> None:
    """It reads the values and no more."""
    reply = site.browser.send("/status/tokens", scope="keyvalue", namespace="shop", read_only="1")
    (text,) = [word for word in Page(reply.body).text.split() if word.startswith("n2k_")]
    stranger = Browser(site.application, mount="/n2k")
    assert stranger.get("/db/k", X_N2K_Token=text).body == b"red"
    assert stranger.ask("PUT", "/db/k", b"x", {"X_N2K_Token": text, "Content_Type": "text/plain"}).status == 403


def test_the_page_and_the_api_have_the_same_json(site: Site) -> None:
    """By the session, and by the token; without either neither."""
    stranger = Browser(site.application, mount="/n2k")
    by_token = json.loads(stranger.get("/api/v1/status", X_N2K_Token=site.token, Accept="*/*").body)
    assert set(by_token) == set(site.json())
    assert by_token["counts"]["forgotten"] == 1 and len(by_token["generations"]) == 2
    assert [each["live"] for each in by_token["generations"]] == [True, False]
    assert by_token["namespaces"][0]["dataset"] == "red" and "digest" not in by_token["tokens"][0]
    assert sum(by_token["space"]["parts"].values()) > 0 and len(by_token["usage"]["hours"]) == 48
    for headers, status in (({}, 401), ({"X_N2K_Token": "x"}, 401)):
        assert stranger.get("/api/v1/status", **headers).status == status


def test_both_languages(site: Site) -> None:
    """German has every text of the page and its pictures; a form leads back in the same language."""
    english, german = site.browser.get("/status?lang=en").body, site.browser.get("/status?lang=de").body
    assert b'lang="de"' in german and pictures(english).keys().isdisjoint(pictures(german))
    reply = site.browser.send("/status/generation?lang=de", name=site.generations[0])
    assert reply.headers["location"].endswith("/status?done=generation&lang=de")


def test_numbers_are_written_as_in_the_language(site: Site) -> None:
    """The decimal point; one of a thing is not many."""
    site.browser.get("/?name=masakazu.newname")
    english, german = (Page(site.browser.get(f"/status?lang={code}").body).text for code in ("en", "de"))
    assert re.search(r"[0-9]\.[0-9] (KB|MB|GB|%)", english) and re.search(r"[0-9],[0-9] (KB|MB|GB|%)", german)
    assert not re.search(r"[0-9]\.[0-9]+ (ms|s|KB|MB|GB|%)", german)
    assert "1 process began to answer" in english and "Sie " not in german.partition("Token erzeugen")[0][:600]


def test_time_for_an_answer_is_that_of_scripts(site: Site) -> None:
    """The owner's own pages, which take long, are not in it."""
    assert "Time for an answer" not in pictures(site.browser.get("/status").body)
    site.browser.get("/?name=masakazu.newname")
    assert "Time for an answer" in pictures(site.browser.get("/status").body)


def test_before_the_first_import(tmp_path: Path) -> None:
    """Nothing is there to draw, and nothing fails."""
    box = Sandbox(tmp_path / "data")
    token = create_token(box.store.tokens, (Scope.ADMIN,)).text
    box.close()
    application = LiveApplication({"data_dir": str(box.data_dir)})
    try:
        browser = Browser(application)
        browser.log_in(token=token)
        page = browser.status()
        assert "Nothing was imported yet." in page.text
        assert "Lookups by hour 0 found and 0 not found in 48 hours. Nothing yet." in page.text
        scopes = [each.get("value") for each in page.every("option")]
        assert "metrics" in scopes and "keyvalue" not in scopes and "n2k token create --scope keyvalue" in page.text
    finally:
        application.close()


def test_a_namespace_that_cannot_be_read(site: Site) -> None:
    """The page comes all the same, and says so."""
    site.application.close()
    path = site.n2k.data_dir / "keyvalue" / "shop" / "data.mdb"
    path.write_bytes(b"garbage")
    text = site.browser.status().text
    assert "problem namespace shop:" in text and "damaged" in text
    site.n2k.damaged = True


def test_a_process_number_that_was_given_again(site: Site) -> None:
    """A worker that ended, and a later one with its number, are one row: the later one."""
    now, own = int(time.time()), os.getpid()
    with (site.n2k.data_dir / "statistics.lines").open("a") as file:
        for started, answers in ((now - 50, 222), (now - 5000, 111)):
            line = f"{now} fastcgi {own} {started} 30000000 {answers} starts.fastcgi=1"
            file.write(f"\n{len(line)}:{line}\n")
    usage = site.json()["usage"]
    assert isinstance(usage, dict)
    (row,) = [worker for worker in usage["workers"] if worker["pid"] == own]
    assert row["answers"] != 111


def test_of_many_tokens_the_newest_in_use_are_listed(tmp_path: Path) -> None:
    """The page does not grow with every token that was ever made; it says how many there are besides, and what has all."""
    box = Sandbox(tmp_path / "data")
    admin = create_token(box.store.tokens, (Scope.ADMIN,)).text
    made = [Token(f"{at:012x}", bytes(32), ("read",), None, 2e9 + at, revoked=at == 201) for at in range(202)]
    for token in made:
        box.store.tokens.add(token)
    box.close()
    application = LiveApplication({"data_dir": str(box.data_dir)})
    try:
        browser = Browser(application)
        browser.log_in(token=admin)
        listed = browser.status()
    finally:
        application.close()
    shown = [text for text in listed.of_tag("code") if re.fullmatch("[0-9a-f]{12}", text)]
    assert shown == [each.id for each in made[200:0:-1]]
    assert "2 older tokens in use are not shown." in listed.text and "n2k token list" in listed.text
