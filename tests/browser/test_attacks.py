"""A hostile page on another port of the same machine, which a browser counts as the same site: it frames, posts and embeds."""

from playwright.sync_api import expect

from tests.browser.conftest import Meet, Site
from tests.browser.test_every_page import PAGES
from tests.support.browser import beacons
from tests.support.townspeople import HOSTILE


def test_no_page_is_framed(meet: Meet, site: Site) -> None:
    """A page of another origin that frames ours, to have somebody click on what he does not see, gets nothing in its frames."""
    with beacons() as theirs:
        frames = [f'<iframe name="{name}" src="{site.root}{path}"></iframe>' for name, path in PAGES.items()]
        theirs.pages["/"] = ("text/html", "".join(frames).encode())
        person = meet()
        person.may_ask.add(theirs.url)
        person.expects_complaints = True
        person.go(theirs.url + "/")
        shown = {frame.name: frame.url for frame in person.page.frames if frame.name}
        assert shown == dict.fromkeys(PAGES, "chrome-error://chromewebdata/")


def test_what_a_hostile_page_posts_changes_nothing(meet: Meet, site: Site) -> None:
    """A form of another origin that registers an avatar with the visitor's browser is refused: it has no token."""
    with beacons() as theirs:
        key = "eeeeeeee-0000-4000-8000-000000000001"
        form = (
            f'<form method="post" action="{site.root}"><input name="name" value="Forged Name"><input name="key" value="{key}">'
        )
        theirs.pages["/"] = ("text/html", f"{form}<button>Win</button></form>".encode())
        person = meet()
        person.may_ask.add(theirs.url)
        person.expects_complaints = True
        person.go(theirs.url + "/")
        with person.page.expect_navigation() as answer:
            person.page.get_by_role("button").click()
        assert answer.value is not None and answer.value.status in (401, 403)
        assert site.server.get("/n2k/?name=Forged+Name").body == b"00000000-0000-0000-0000-000000000000"


def test_style_and_script_in_a_page_are_refused(meet: Meet) -> None:
    """Markup that got into a page in spite of all would neither run nor load: the policy of the page refuses it."""
    person = meet()
    person.go(f"avatar/{next(iter(HOSTILE))}")
    person.expects_complaints = True
    person.page.evaluate(
        """() => {
            const main = document.querySelector("main");
            main.insertAdjacentHTML("beforeend", "<img src=nothing onerror='window.ran = 1'><p id=p style='color: red'>x</p>");
            const script = document.createElement("script");
            script.textContent = "window.ran = 2";
            main.append(script);
            const base = document.createElement("base");
            base.href = "http://127.0.0.1:9/";
            document.head.prepend(base);
        }"""
    )
    expect(person.page.locator("#p")).not_to_have_css("color", "rgb(255, 0, 0)")
    assert person.page.evaluate("[window.ran ?? null, document.baseURI === location.href]") == [None, True]
