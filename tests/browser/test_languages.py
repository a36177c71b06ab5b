"""English and German: by what the browser prefers, and by a link that stays."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import Meet
from tests.support.chromium import Look
from tests.support.townspeople import RENAMED


def test_the_browser_chooses(meet: Meet) -> None:
    """A German browser gets German, one with a language that is not there gets English."""
    for language, expected in (("de-AT", "de"), ("en-GB", "en"), ("fr-FR", "en")):
        person = meet(Look(language=language))
        person.go()
        expect(person.page.locator("html")).to_have_attribute("lang", expected)


def test_the_link_stays(meet: Meet) -> None:
    """Deutsch at the foot turns this very page, links and forms carry it on, and English leads back."""
    person = meet(Look(has_script=False))
    person.go("?q=wandering.star")
    with person.page.expect_navigation():
        person.page.get_by_role("link", name="Deutsch").click()
    html = person.page.locator("html")
    expect(html).to_have_attribute("lang", "de")
    expect(person.page.locator("#q")).to_have_value("wandering.star")
    with person.page.expect_navigation():
        person.page.locator("#found a").first.click()
    assert f"avatar/{RENAMED}" in person.page.url
    expect(html).to_have_attribute("lang", "de")
    person.go("?lang=de")
    person.page.locator("#q").fill("star")
    person.page.locator("form[role=search] button").click()
    expect(person.page).to_have_url(re.compile("q=star"))
    expect(html).to_have_attribute("lang", "de")
    with person.page.expect_navigation():
        person.page.get_by_role("link", name="English").click()
    expect(html).to_have_attribute("lang", "en")


def test_typed_answers_keep_the_language(meet: Meet) -> None:
    """What comes while one types is in the page's language, too."""
    person = meet(Look(language="de-DE"))
    person.go()
    person.page.keyboard.type("nobody known")
    expect(person.page.locator("#found")).to_contain_text("Dazu ist kein Avatar bekannt.")
