"""Every page, as everyone sees it: on a phone and on a desktop, dark and light, with script and without."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Meet
from tests.support.chromium import DESKTOP, PHONE, Look, Person
from tests.support.townspeople import HOSTILE, MET, OF_THE_WORLD, RENAMED

PAGES = {
    "search": "",
    "found": "?q=wandering.star",
    "unknown": "?q=nobody.known",
    "list": "?q=Governor+Linden%0Anobody%0A3d6181b0-6a4b-97ef-18d8-722652995cf1",
    "beginning": "?q=star",
    "hostile": "?q=%3Cscript%3Ealert(1)%3C%2Fscript%3E&grid=OpenSim",
    "german": "?q=star&lang=de",
    "avatar": f"avatar/{RENAMED}",
    "met": f"avatar/{MET}",
    "script": f"avatar/{next(iter(HOSTILE))}",
    "rtl": f"avatar/{next(iter(OF_THE_WORLD))}",
    "leave": f"leave?key={RENAMED}",
    "lists": "lists",
    "rows": f"lists?names=governor.linden%0Anobody%0A{next(iter(HOSTILE))}",
    "programs": "programs",
    "scripts": "scripts",
    "one-script": "scripts/resolver",
    "privacy": "privacy",
    "login": "login",
}
"""Name -> path below the root."""

IS_TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
USABLE = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']"
MARK = f"""() => {{
    const usable = [...document.querySelectorAll({USABLE!r})].filter(one => one.checkVisibility({{visibilityProperty: true}}));
    usable.forEach((one, number) => one.dataset.number = number);
    usable[0].focus({{focusVisible: true}});
    return usable.length;
}}"""
WHERE = """() => {
    const at = document.activeElement, style = getComputedStyle(at), box = at.getBoundingClientRect();
    const isInside = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
    const isSeen = isInside && box.width > 1 && box.height > 1;
    const isMarked = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    return at === document.body ? null : [Number(at.dataset.number ?? -1), isSeen && isMarked, at.outerHTML.slice(0, 120)];
}"""


def use_keys_alone(person: Person) -> None:
    """Press Tab from the first thing that can be used to the last: each is in the window then, with a visible outline."""
    count = person.page.evaluate(MARK)
    seen = []
    for _ in range(count):
        where = person.page.evaluate(WHERE)
        assert where is not None and where[1], where
        seen.append(where[0])
        person.page.keyboard.press("Tab")
    assert seen == list(range(count))


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_everyone_can_use_it(meet: Meet, path: str) -> None:
    """With script and without, by keys alone, in any light: never wider than the screen, and axe-core finds nothing serious."""
    person = meet()
    for has_script in (False, True):
        person.change(Look(has_script=has_script))
        assert person.go(path) == 200
        assert person.page.locator("h1").count() == 1 and person.page.title()
        expect(person.page.locator("html")).to_have_attribute("lang", "de" if "lang=de" in path else "en")
        for width in (PHONE, DESKTOP):
            for is_dark in (True, False):
                person.change(Look(width, is_dark, has_script))
                assert not person.page.evaluate(IS_TOO_WIDE), person.look
                assert person.findings(*(["color-contrast"] if is_dark else [])) == [], person.look
    use_keys_alone(person)
