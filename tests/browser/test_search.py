"""The search as a person uses it: by typing, by keys alone, by pasting, on a phone, with script and without."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Meet
from tests.support.chromium import PHONE, Look
from tests.support.sandbox import GOVERNOR, MASAKAZU
from tests.support.townspeople import FORMER, NOW, RENAMED


def names(page: Page) -> list[str]:
    """The names that are shown as found."""
    return page.locator("#found .found li > a").all_inner_texts()


def box(page: Page) -> str:
    """What is in the box."""
    return page.locator("#q").input_value()


@pytest.mark.parametrize("look", [Look(PHONE), Look(PHONE, has_script=False)], ids=str)
def test_any_spelling_leads_to_the_avatar(meet: Meet, look: Look) -> None:
    """Sent by the button, the answer has the name, the key and an address of its own, which another browser opens."""
    person, another = meet(look), meet(Look(has_script=not look.has_script))
    for spelling in ("governor.linden", "GOVERNOR+LINDEN", "  governor   linden ", GOVERNOR.upper()):
        person.go()
        person.page.locator("#q").fill(spelling)
        with person.page.expect_navigation():
            person.page.get_by_role("button", name="Find").click()
        another.go(person.page.url)
        for page in (person.page, another.page):
            expect(page.locator("#found code.key").first).to_have_text(GOVERNOR)
            assert names(page)[:1] == ["Governor Linden"]


def test_a_beginning_shows_who_begins_so(meet: Meet) -> None:
    """Answers come while one types, without another page."""
    person = meet()
    person.go()
    person.asked()
    person.page.keyboard.type("starl")
    expect(person.page).to_have_url(f"{person.root}?q=starl")
    assert names(person.page) == ["Starla Moonbeam", "Starling Brook", "Starlit Resident"]
    assert all(path.startswith("found?") for path in person.asked())


def test_typing_makes_no_storm(meet: Meet) -> None:
    """Fifteen letters in one go are one request, for all of them; with a rest after each, one for each. Time is the test's."""
    name = "Masakazu Kojima"
    person = meet()
    person.page.clock.install()
    person.go()
    person.page.clock.pause_at("2030-01-01")
    person.asked()
    person.page.keyboard.type(name)
    assert person.asked() == []
    with person.page.expect_response("**/found?*"):
        person.page.clock.run_for(1000)
    expect(person.page.locator("#found code.key")).to_have_text(MASAKAZU)
    (asked,) = person.asked()
    assert "Masakazu" in asked and "Kojima" in asked
    for letters in ("go", "gov", "gove"):
        person.page.locator("#q").fill(letters)
        with person.page.expect_response(f"**/found?*q={letters}*"):
            person.page.clock.run_for(1000)
    assert len(person.asked()) == 3


def test_an_answer_that_comes_late_is_not_shown(meet: Meet) -> None:
    """While an answer is on its way, other letters give it up: what is shown belongs to what is in the box."""
    person = meet()
    person.go()
    held = []
    person.page.route("**/found?*q=gov*", lambda route: held.append(route))
    with person.page.expect_request("**/found?*q=gov*"):
        person.page.keyboard.type("gov")
    with person.page.expect_event("requestfailed", lambda request: "q=gov" in request.url):
        person.page.locator("#q").fill("masakazu kojima")
    expect(person.page.locator("#found code.key")).to_have_text(MASAKAZU)
    assert len(held) == 1


def test_slash_and_arrow_keys(meet: Meet) -> None:
    """``/`` leads to the box, arrows through the answers and back, Enter opens one, Escape returns: no mouse is needed."""
    person = meet()
    person.go("?q=starl")
    keys = person.page.keyboard
    person.page.get_by_role("link", name="name2key").focus()
    keys.press("/")
    assert person.focused() == "textarea q" and box(person.page) == "starl"
    keys.press("ArrowDown")
    assert person.focused() == "a Starla Moonbeam"
    keys.press("ArrowDown")
    assert person.focused() == "a Starling Brook"
    keys.press("ArrowUp")
    keys.press("ArrowUp")
    assert person.focused() == "textarea q"
    keys.press("ArrowDown")
    keys.press("Escape")
    assert person.focused() == "textarea q"
    keys.press("ArrowDown")
    with person.page.expect_navigation():
        keys.press("Enter")
    expect(person.page.get_by_role("main")).to_contain_text("Starla Moonbeam")


def test_a_slash_in_the_box_is_a_letter(meet: Meet) -> None:
    """It is typed there, and what is sent with the control key is left to the browser."""
    person = meet()
    person.go()
    person.page.keyboard.type("a/b")
    assert box(person.page) == "a/b"


def test_one_click_copies_the_key(meet: Meet) -> None:
    """The clipboard has it, the button is told apart for those who hear the page, and the page says that it was done."""
    person = meet(may_copy=True)
    person.go("?q=masakazu.kojima")
    person.page.get_by_role("button", name="Copy the key of Masakazu Kojima").click()
    expect(person.page.get_by_role("status").filter(has_text="Copied")).to_have_count(1)
    assert person.page.evaluate("navigator.clipboard.readText()") == MASAKAZU


def test_copying_over_plain_http(meet: Meet) -> None:
    """Where browsers have no clipboard for scripts, the click copies, too: pasting into the box shows it."""
    person = meet(insecure=True)
    person.go("?q=masakazu.kojima")
    assert not person.page.evaluate("isSecureContext")
    person.page.get_by_role("button", name="Copy the key of Masakazu Kojima").click()
    expect(person.page.get_by_role("status").filter(has_text="Copied")).to_have_count(1)
    person.page.locator("#q").fill("")
    person.page.locator("#q").press("Control+v")
    assert box(person.page) == MASAKAZU


@pytest.mark.parametrize("has_script", [True, False], ids=["script", "plain"])
def test_a_pasted_list_is_a_table(meet: Meet, has_script: bool) -> None:
    """Names and keys, one on each line, get a row each in their order, the unknown ones too."""
    person = meet(Look(has_script=has_script))
    person.go()
    person.page.locator("#q").fill(f"governor linden\nNobody Known\n{MASAKAZU}\n{FORMER[0]}")
    person.page.get_by_role("button", name="Find").click()
    expect(person.page.locator("#found tbody tr")).to_have_count(4)
    rows = [row.inner_text() for row in person.page.locator("#found tbody tr").all()]
    assert GOVERNOR in rows[0] and MASAKAZU in rows[2] and RENAMED in rows[3] and NOW in rows[3]
    assert "not known" in rows[1]
