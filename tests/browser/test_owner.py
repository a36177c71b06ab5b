"""The owner's page in a browser: sessions, what others may not do in his name, and pictures that everyone can read."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Meet, Site
from tests.browser.test_every_page import IS_TOO_WIDE, use_keys_alone
from tests.support.browser import beacons
from tests.support.chromium import DESKTOP, INSECURE_HOST, PHONE, Look, Person

SCROLLS_ASIDE = """[...document.querySelectorAll(".cards")].filter(each => each.scrollWidth > each.clientWidth)
    .map(each => each.getAttribute("aria-label"))"""

NOTE = "<script>alert(1)</script>"


def token_of(site: Site, *options: str) -> str:
    """A new token."""
    done = site.n2k("token", "create", *options)
    assert done.code == 0, done
    return done.out.split()[-1]


@pytest.fixture(scope="module")
def admin(site: Site) -> str:
    """A token of the owner, whose note is hostile, too."""
    return token_of(site, "--scope", "admin", "--note", NOTE)


def log_in(person: Person, token: str) -> None:
    """Fill in the form and send it."""
    person.go("login")
    person.page.get_by_label("Token with the scope admin").fill(token)
    with person.page.expect_navigation():
        person.page.get_by_role("button", name="Log in with the token").click()


@pytest.fixture
def owner(meet: Meet, admin: str) -> Iterator[Person]:
    """The owner, logged in, without script."""
    person = meet(Look(has_script=False))
    log_in(person, admin)
    expect(person.page.locator("h1")).to_have_text("Status")
    yield person


def test_log_in_and_out(meet: Meet, site: Site, admin: str) -> None:
    """The cookie is for this service only, the session ends with the button, and the cookie alone is worth nothing then."""
    person = meet()
    assert person.go("status") in (200, 401) and person.page.get_by_label("Token with the scope admin").is_visible()
    log_in(person, "n2k_nobody_nothing")
    expect(person.page.get_by_role("alert")).to_contain_text("no valid token or code")
    log_in(person, admin)
    expect(person.page.locator("h1")).to_have_text("Status")
    (cookie,) = person.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/n2k")
    assert admin not in cookie["value"] and person.page.evaluate("document.cookie") == ""
    with person.page.expect_navigation():
        person.page.get_by_role("button", name="Log out").click()
    assert person.context.cookies() == []
    person.context.add_cookies([cookie])
    person.go("status")
    expect(person.page.locator("h1")).not_to_have_text("Status")


def test_a_code_works_once(meet: Meet, site: Site) -> None:
    """What ``n2k pages code`` prints logs one browser in, and no second one."""
    code = site.n2k("pages", "code").out.split()[-1]
    for expected in ("Status", "Log in"):
        person = meet(Look(PHONE))
        person.go("login")
        person.page.get_by_label("One-time code").fill(code)
        with person.page.expect_navigation():
            person.page.get_by_role("button", name="Log in with the code").click()
        expect(person.page.locator("h1")).to_have_text(expected)


def test_a_session_ends_with_its_token(meet: Meet, site: Site) -> None:
    """Revoked in a shell, the token's session sees nothing more."""
    token = token_of(site, "--scope", "admin")
    person = meet()
    log_in(person, token)
    expect(person.page.locator("h1")).to_have_text("Status")
    assert site.n2k("token", "revoke", token.split("_")[1]).code == 0
    person.go("status")
    expect(person.page.locator("h1")).not_to_have_text("Status")


def test_no_log_in_over_plain_http(meet: Meet) -> None:
    """From another address than loopback's, the form is not even shown."""
    person = meet(insecure=True)
    for path in ("login", "status"):
        assert person.go(path) == 403
        assert person.page.locator("input").count() == 0


@pytest.mark.parametrize("host", ["127.0.0.1", INSECURE_HOST])
def test_a_hostile_page_does_nothing_in_the_owners_name(owner: Person, site: Site, host: str) -> None:
    """Forms of another origin, be it the same host on another port, which counts as the same site, or another host.

    The browser of the owner, who is logged in, sends them: no token is made, none is revoked, and he stays logged in.
    """
    before = site.n2k("token", "list").out
    with beacons() as theirs:
        origin = theirs.url.replace("127.0.0.1", host)
        owner.may_ask.add(origin)
        owner.expects_complaints = True
        for path, fields in (
            ("status/tokens", {"scope": "admin", "note": "theirs"}),
            ("status/revoked", {"token": before.split()[0]}),
            ("logout", {}),
            ("login", {"token": "n2k_x_y"}),
        ):
            inputs = "".join(f'<input name="{name}" value="{value}">' for name, value in fields.items())
            page = f'<form method="post" action="{site.root}{path}">{inputs}<button>Win</button></form>'
            theirs.pages[f"/{path}"] = ("text/html", page.encode())
            owner.go(f"{origin}/{path}")
            with owner.page.expect_navigation() as answer:
                owner.page.get_by_role("button", name="Win").click()
            assert answer.value is not None and answer.value.status == 403, path
    assert site.n2k("token", "list").out == before
    owner.go("status")
    expect(owner.page.locator("h1")).to_have_text("Status")


def test_a_hostile_page_sees_nothing(owner: Person, site: Site) -> None:
    """It cannot frame the owner's page, and a script of it cannot read it."""
    with beacons() as theirs:
        page = f"""<iframe name="framed" src="{site.root}status"></iframe><p id="said"></p><script>
            fetch("{site.root}status", {{credentials: "include"}}).then(answer => answer.text())
                .then(text => said.textContent = "read " + text, () => said.textContent = "refused");
            </script>"""
        theirs.pages["/"] = ("text/html", page.encode())
        owner.change(Look())
        owner.may_ask.add(theirs.url)
        owner.expects_complaints = True
        owner.go(theirs.url + "/")
        expect(owner.page.locator("#said")).to_have_text(["refused"])
        assert [frame.url for frame in owner.page.frames if frame.name] == ["chrome-error://chromewebdata/"]


def test_everyone_can_read_it(owner: Person) -> None:
    """On a phone and a desktop, dark and light, with script and without, by keys alone; each picture has its numbers."""
    page = owner.page
    for has_script in (False, True):
        for width in (PHONE, DESKTOP):
            for is_dark in (True, False):
                owner.change(Look(width, is_dark, has_script))
                owner.go("status")
                assert not page.evaluate(IS_TOO_WIDE), owner.look
                assert owner.findings(*(["color-contrast"] if is_dark else [])) == [], owner.look
    use_keys_alone(owner)
    figures = page.locator("figure.chart")
    assert figures.count() >= 5
    for figure in figures.all():
        assert figure.locator("svg").count() == 0 or figure.locator("details table tbody tr").count() > 0
    assert page.locator("[style]").count() == 0 and NOTE in page.locator("#tokens ~ .scroll").inner_text()


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("language", ["en", "de"])
def test_every_button_is_in_the_window(owner: Person, width: int, language: str) -> None:
    """Without scrolling sideways: those of rows, and those that are behind a word, when it is opened."""
    owner.change(Look(width, has_script=False))
    owner.go(f"status?lang={language}")
    for word in owner.page.locator("summary").all():
        word.click()
    buttons = owner.page.locator("main :is(button, select, summary):visible")
    assert owner.page.locator("details.ask button:visible").count() >= 1
    assert owner.page.locator("form[action*='status/generation'] button:visible").count() >= 1
    for button in buttons.all():
        box = button.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width, button.inner_text()
    assert owner.page.evaluate(SCROLLS_ASIDE) == []


def test_paper(owner: Person) -> None:
    """Printed, the pictures are there in dark ink on white, and what can only be clicked is not."""
    owner.page.emulate_media(media="print", color_scheme="dark")
    assert owner.page.evaluate("getComputedStyle(document.body).backgroundColor") in ("rgb(255, 255, 255)", "rgba(0, 0, 0, 0)")
    expect(owner.page.locator("figure.chart svg").first).to_be_visible()
    expect(owner.page.get_by_role("button", name="Log out")).to_be_hidden()
    expect(owner.page.locator("figure.chart details:visible")).to_have_count(0)
    expect(owner.page.get_by_text("All times are in UTC.")).to_be_visible()
    assert owner.page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--p1')").strip() == "#1f6fbf"


def test_generations_and_tokens_are_changed(meet: Meet, site: Site, admin: str) -> None:
    """Back to the generation before and forth again; a token is made, shown once, used, and revoked."""
    person = meet(may_copy=True)
    log_in(person, admin)
    live = site.n2k.live()
    with person.page.expect_navigation():
        person.page.get_by_role("button", name="Make live").first.click()
    assert site.n2k.live() != live
    with person.page.expect_navigation():
        person.page.get_by_role("button", name=f"Make live {live}").click()
    assert site.n2k.live() == live
    person.page.get_by_label("Its purpose, in words").fill(NOTE)
    with person.page.expect_navigation():
        person.page.get_by_role("button", name="Make the token").click()
    made = person.page.locator("#new-token").inner_text()
    person.page.get_by_role("button", name="Copy", exact=True).click()
    expect(person.page.locator("button.done")).to_have_count(1)
    assert person.page.evaluate("navigator.clipboard.readText()") == made and made not in person.page.url
    identity = made.split("_")[1]
    person.go("status")
    assert made not in person.page.content()
    person.page.get_by_text(f"Revoke… {identity}").click()
    with person.page.expect_navigation():
        person.page.get_by_role("button", name=f"Revoke {identity}").click()
    revoked = [line for line in site.n2k("token", "list").out.splitlines() if identity in line]
    assert len(revoked) == 1 and "revoked" in revoked[0]
