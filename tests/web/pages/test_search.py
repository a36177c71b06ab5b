"""The search: one box that takes a name in any spelling, a key, the beginning of a name, or a list."""

import json
from urllib.parse import quote, quote_plus

import pytest

from tests.support.people import Page, visiting
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, Sandbox, csv

OTHER = "00000000-0000-4000-8000-00000000c01d"
ODD_NAMES = (
    "<script>alert(1)</script> X",
    "&amp; Ampersand",
    "\"quoted' One",
    "مريم العربية",
    "😀 Emoji",
    "{{ 7*7 }} Braces",
    "%(name)s %s",
)


@pytest.fixture
def people(sandbox: Sandbox) -> Sandbox:
    """Three avatars, one of which had another name before."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Before"), (GOVERNOR, "Governor Linden")), as_of=100_000)
    sandbox.import_text(
        csv((MASAKAZU, "Masakazu Kojima"), (GOVERNOR, "Governor Linden"), (USERNAME, "Username")), as_of=200_000
    )
    return sandbox


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("Masakazu Kojima", "Masakazu Kojima"),
        ("  MASAKAZU.kojima ", "Masakazu Kojima"),
        ("masakazu+kojima", "Masakazu Kojima"),
        (MASAKAZU, "Masakazu Kojima"),
        (MASAKAZU.upper(), "Masakazu Kojima"),
        (MASAKAZU.replace("-", ""), "Masakazu Kojima"),
        ("gov", "Governor Linden"),
        ("governor l", "Governor Linden"),
        ("username resident", "Username"),
    ],
)
def test_one_box_takes_everything(people: Sandbox, typed: str, name: str) -> None:
    """The name leads to the avatar's page, and the box still has what was typed."""
    with visiting(people) as visitor:
        page = visitor.page(f"/?q={quote_plus(typed)}")
        assert name in page.text and "1 avatar" in page.text
        (link,) = [link for link in page.links if "avatar/" in link]
        assert name in visitor.page(visitor.follow("/", link)).text
        assert typed.strip() in page.text


def test_a_former_name_leads_to_the_avatar(people: Sandbox) -> None:
    """Under its current name, and it says so."""
    with visiting(people) as visitor:
        page = visitor.page("/?q=masakazu.before")
    assert "Masakazu Kojima" in page.text and "was called that before" in page.text


@pytest.mark.parametrize("separator", ["\n", "\r\n", ", ", ";", "\t"])
def test_a_pasted_list_is_a_table(people: Sandbox, separator: str) -> None:
    """One row for each entry, in order, what is unknown and what cannot be a name, too."""
    typed = separator.join(["governor linden", MASAKAZU, "nobody here", "(Loading...)"])
    with visiting(people) as visitor:
        page = visitor.page(f"/?q={quote_plus(typed)}")
    assert len(page.every("tr")) == 5 and "4 entries" in page.text
    rows = page.text[page.text.index("Grid ") :]
    places = [rows.index(words) for words in ("Governor Linden", "Masakazu Kojima", "not known", "placeholder")]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("nobody here", "No avatar is known by that."),
        ("00000000-0000-0000-0000-000000000000", "That can be neither a name nor a key."),
        ("(Loading...)", "That can be neither a name nor a key."),
        ("x" * 2000, "That can be neither a name nor a key."),
        ("\x00\x07", "That can be neither a name nor a key."),
        (" ,;\n", "What this is"),
        ("+", "That can be neither a name nor a key."),
    ],
)
def test_what_cannot_be_found_is_said(people: Sandbox, typed: str, words: str) -> None:
    """In a page, with the status 200 while one types: it is no fault of the page."""
    with visiting(people) as visitor:
        assert words in visitor.page(f"/?q={quote(typed)}").text
        assert visitor.get(f"/found?q={quote(typed)}").status == 200


@pytest.mark.parametrize("search", ["token", "off"])
def test_beginnings_are_shown_only_where_anyone_may_search(people: Sandbox, search: str) -> None:
    """The page, the part of it, and its JSON: a whole name is found, the beginning of one is not."""
    with visiting(people, search=search) as visitor:
        assert "Governor Linden" in visitor.page("/?q=governor+linden").text
        for target in (
            "/?q=governor+l",
            "/found?q=governor+l",
            "/found?q=governor+l&format=json",
            "/?q=g",
            "/?name=gov&page=1",
        ):
            assert GOVERNOR.encode() not in visitor.get(target).body
        assert "the beginning of a name is enough" not in visitor.page("/").text


def test_the_part_that_changes_while_one_types(people: Sandbox) -> None:
    """It is the page's own part, word for word; no script of ours builds markup."""
    with visiting(people) as visitor:
        for typed in ("gov", MASAKAZU, "governor.linden,nobody", "nobody", ""):
            part = visitor.get(f"/found?q={quote(typed)}").body.decode().strip()
            whole = visitor.get(f"/?q={quote(typed)}").body.decode()
            assert part.startswith('<div id="found">') and part in whole


def test_its_json_has_what_the_page_shows(people: Sandbox) -> None:
    """With an ETag; the link in the page leads there."""
    with visiting(people) as visitor:
        (link,) = [each["href"] for each in visitor.page("/?q=gov").every("link") if each["rel"] == "alternate"]
        found = visitor.get(visitor.follow("/", link))
        assert found.headers["content-type"] == "application/json" and found.headers["etag"]
        assert [avatar["key"] for avatar in json.loads(found.body)["beginning"]] == [GOVERNOR]
        listed = json.loads(visitor.get(f"/found?q={MASAKAZU},nobody&format=json").body)
        assert [row["key"] for row in listed["results"]] == [MASAKAZU, None] and listed["more"] == 0


def test_many_names_end_with_a_word(sandbox: Sandbox) -> None:
    """Of names with one beginning the first are shown, and that there are more; the page stays small."""
    sandbox.import_text(csv(*((f"00000000-0000-4000-8000-{n:012x}", f"Many{n} Resident") for n in range(1, 3000))))
    with visiting(sandbox) as visitor:
        reply = visitor.get("/?q=many")
        assert len([link for link in Page(reply.body).links if "avatar/" in link]) == 20
        assert "The first 20 avatars. Type more to narrow it." in Page(reply.body).text and len(reply.body) < 20_000


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_plain_link_leads_to_the_rest(sandbox: Sandbox, language: str) -> None:
    """Page by page to the last of them, each once, those that have the whole name on the first page alone."""
    keys = {f"00000000-0000-4000-8000-{n:012x}": f"Many{n or ''} Resident" for n in range(55)}
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"), *keys.items()))
    seen: list[str] = []
    with visiting(sandbox) as visitor:
        target = f"/?q=many&grid=Production&lang={language}"
        for _ in range(10):
            page = visitor.page(target)
            seen += [link.partition("avatar/")[2][:36] for link in page.links if "avatar/" in link]
            (data,) = [each["href"] for each in page.every("link") if each["rel"] == "alternate"]
            told = json.loads(visitor.get(visitor.follow(target, data)).body)
            more = [link for link in page.links if "after=" in link and "format=" not in link and "lang=" + language in link]
            more = [link for link in more if f"after={quote(told['next'])}" in link] if told["next"] else []
            assert bool(more) == bool(told["next"]), page.links
            if not more:
                break
            target = visitor.follow(target, more[0])
        assert "grid=Production" in target
    assert sorted(seen) == sorted(keys)


def test_a_rest_that_cannot_be_is_the_beginning(people: Sandbox) -> None:
    """``after=`` is in an address, so that anybody can write one."""
    with visiting(people) as visitor:
        for after in ("~nonsense", "", "%00", "zzz"):
            assert visitor.get(f"/?q=gov&after={after}").status == 200
            assert visitor.get(f"/found?q=gov&after={after}&format=json").status == 200


@pytest.mark.parametrize("registered", [False, True])
def test_before_the_first_import_it_says_so(sandbox: Sandbox, registered: bool) -> None:
    """On the first page, after a search, and on the page of a key: nobody asked to be taken out of an empty list."""
    if registered:
        sandbox.register("Somebody Else", OTHER, "OpenSim")
    with visiting(sandbox) as visitor:
        for target in ("/", "/?q=masakazu", f"/avatar/{MASAKAZU}"):
            text = Page(visitor.get(target).body).text
            assert "Nothing was imported here yet" in text and "asked to be taken out" not in text


def test_after_an_import_it_says_what_may_be(people: Sandbox) -> None:
    """Who is not known may have left, or be on no list."""
    with visiting(people) as visitor:
        for target in ("/?q=nobody", f"/avatar/{OTHER}"):
            assert "asked to be taken out" in Page(visitor.get(target).body).text
        assert "Nothing was imported" not in visitor.page("/").text


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_stays_text(sandbox: Sandbox, name: str) -> None:
    """Markup, templates, formats, right-to-left and emoji: in the search, a list, the avatar's page, in both languages."""
    sandbox.register(name, OTHER, "OpenSim")
    with visiting(sandbox) as visitor:
        targets = (
            f"/?q={quote(name)}",
            f"/?q={OTHER}",
            f"/?q={OTHER},x",
            f"/avatar/{OTHER}",
            f"/found?q={OTHER}",
            f"/lists?names={OTHER}",
        )
        for target in targets:
            for language in ("en", "de"):
                reply = visitor.get(target, Accept_Language=language)
                page = Page(reply.body)
                assert reply.status == 200 and b"alert(1)</script>" not in reply.body
                assert name in page.text
                assert page.every("bdi") and not [1 for tag, _ in page.elements if tag == "x"]
                assert len(page.every("script")) == (0 if "/found" in target else 1)


def test_a_hidden_avatar_is_nowhere(people: Sandbox) -> None:
    """Neither by name, key, beginning or list, nor on its page, which is that of a key nobody knows."""
    people.forget_key(bytes.fromhex(MASAKAZU.replace("-", "")))
    with visiting(people) as visitor:
        for typed in ("masakazu.kojima", "masakazu.before", MASAKAZU, "mas", f"{MASAKAZU},masakazu kojima", "m"):
            for target in ("/?q=", "/found?q=", "/found?format=json&q=", "/lists?names="):
                body = visitor.get(target + quote(typed)).body.decode()
                assert "Kojima" not in body and f"avatar/{MASAKAZU}" not in body
        hidden, unknown = visitor.get(f"/avatar/{MASAKAZU}"), visitor.get(f"/avatar/{OTHER}")
        assert hidden.status == unknown.status == 404
        assert hidden.body.replace(MASAKAZU.encode(), b"") == unknown.body.replace(OTHER.encode(), b"")


def test_a_query_that_cannot_be_read_has_a_page(people: Sandbox) -> None:
    """Broken UTF-8, a field twice: 400, in the frame, and in the text form for scripts."""
    with visiting(people) as visitor:
        for target in ("/lists?names=%FF", "/lists?names=a&names=b", "/found?q=%FF"):
            reply = visitor.get(target)
            assert reply.status == 400 and "That cannot be answered" in Page(reply.body).text
