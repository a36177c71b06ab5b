"""An avatar's page: its names through time, where it is known from, the ways out, and names that are no harmless text."""

import json
import time

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Meet
from tests.support.chromium import PHONE, Look
from tests.support.sandbox import GOVERNOR
from tests.support.townspeople import (
    AT_HOME,
    FIRST,
    FORMER,
    GONE,
    HOSTILE,
    LATEST,
    MET,
    NOW,
    OF_THE_WORLD,
    RENAMED,
    SECOND,
)


def day(seconds: int) -> str:
    """A day as pages write it."""
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


@pytest.mark.parametrize("look", [Look(), Look(PHONE, has_script=False)], ids=str)
def test_the_names_of_an_avatar_are_a_timeline(meet: Meet, look: Look) -> None:
    """The current name is told apart, each former one has its day; first and last seen, grid and source are there."""
    person = meet(look)
    person.go("?q=restless+star")
    with person.page.expect_navigation():
        person.page.locator("#found a").first.click()
    assert f"/avatar/{RENAMED}" in person.page.url
    expect(person.page.locator("h1")).to_have_text(NOW)
    told = person.page.locator(".timeline li").all_inner_texts()
    told.sort(key=lambda text: text[-10:])
    for text, name, seen in zip(told, (*FORMER, NOW), (FIRST, SECOND, LATEST), strict=True):
        assert text.startswith(name) and text.endswith(day(seen))
    assert ["current" in text for text in told].count(True) == 1
    for text in ("Production", day(FIRST), day(LATEST)):
        expect(person.page.locator("main")).to_contain_text(text)


def test_who_was_met_in_world_says_so(meet: Meet) -> None:
    """Source, first and last time are those of the capture; the region and the object are nobody's business."""
    person = meet()
    assert person.go(f"avatar/{MET}") == 200
    text = person.page.locator("main").inner_text()
    assert "seen in-world" in text and day(LATEST - 40 * 86_400) in text and day(LATEST + 3 * 86_400) in text
    assert "Plum Meadow" not in person.page.content()


def test_links_out_are_for_second_life_only(meet: Meet) -> None:
    """The resident page and the viewer know Second Life's avatars; others get no such link."""
    person = meet()
    person.go(f"avatar/{GOVERNOR}")
    links = [link.get_attribute("href") for link in person.page.locator("main a").all()]
    assert f"https://world.secondlife.com/resident/{GOVERNOR}" in links and f"secondlife:///app/agent/{GOVERNOR}/about" in links
    person.go(f"avatar/{AT_HOME}")
    assert person.page.locator("a[href*='secondlife']").count() == 0
    assert person.page.locator("img").count() == 0


def test_leaving_leads_to_the_kiosk_and_the_sign(meet: Meet) -> None:
    """The page cannot take anybody out: it says how one leaves in-world, and what the sign beside an object says."""
    person = meet(Look(PHONE))
    person.go(f"avatar/{RENAMED}")
    with person.page.expect_navigation():
        person.page.get_by_role("link", name="This is me, take me out").click()
    main = person.page.locator("main")
    expect(main).to_contain_text("forget.lsl")
    expect(main).to_contain_text("This object keeps names.")
    expect(main).to_contain_text(RENAMED)


def test_who_left_is_on_no_page(meet: Meet) -> None:
    """Neither name nor key leads to them, and the page is the one of a key that nobody has."""
    person = meet()
    nobody = "12345678-1234-4234-8234-123456789abc"
    statuses = [person.go(f"avatar/{key}") for key in (GONE, nobody)]
    assert statuses == [404, 404] and "Gone Away" not in person.page.content()
    person.go("?q=gone.away")
    assert person.page.locator("#found li").count() == 0


def test_the_page_is_there_as_json(meet: Meet) -> None:
    """The link in its head leads to the same facts."""
    person = meet()
    person.go(f"avatar/{RENAMED}")
    person.expects_complaints = True  # JSON names no icon, so the browser looks for one at the host's root
    with person.page.expect_navigation():
        person.page.get_by_role("link", name="This page as JSON").click()
    said = json.loads(person.page.locator("pre").inner_text())
    assert all(name in json.dumps(said) for name in (*FORMER, NOW))


@pytest.mark.parametrize("look", [Look(), Look(PHONE, has_script=False)], ids=str)
def test_a_hostile_name_stays_text(meet: Meet, look: Look) -> None:
    """On its page, in a search, as typed answers, in a table: it is read as it was stored, and nothing of it runs."""
    person = meet(look)
    for key, name in HOSTILE.items():
        assert person.go(f"avatar/{key}") == 200
        assert person.page.locator("h1").inner_text() == name and name in person.page.title()
    person.go("?q=" + "%0A".join(HOSTILE))
    for name in HOSTILE.values():
        expect(person.page.locator("#found tbody a").filter(has_text=name)).to_have_count(1)
    person.go()
    for key, name in HOSTILE.items():
        person.page.locator("#q").fill(key)
        if not look.has_script:
            person.page.get_by_role("button", name="Find").click()
        expect(person.page.locator("#found .found li > a")).to_have_text(name)
    person.go("?q=%3Cscript%3Ealert(2)%3C/script%3E%22%3E%3Csvg/onload=alert(3)%3E")
    assert person.page.locator("#q").input_value() == '<script>alert(2)</script>"><svg/onload=alert(3)>'


def test_names_of_the_world_keep_to_themselves(meet: Meet) -> None:
    """A name from right to left does not turn what is beside it, and letters and emoji are what was stored."""
    person = meet()
    for key, name in OF_THE_WORLD.items():
        person.go(f"avatar/{key}")
        heading = person.page.locator("h1 bdi")
        expect(heading).to_have_text(name)
        is_rtl = "א" <= name[0] <= "\u06ff"
        expect(heading).to_have_css("direction", "rtl" if is_rtl else "ltr")
        expect(heading).to_have_css("unicode-bidi", "isolate")
        expect(person.page.locator("main")).to_have_css("direction", "ltr")
