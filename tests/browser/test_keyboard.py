"""Keys alone: everything that can be used is reached by Tab, in the order of the page, and one sees where one is."""

import pytest

from tests.browser.conftest import Meet
from tests.browser.test_every_page import PAGES
from tests.support.chromium import DESKTOP, PHONE, Look

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


@pytest.mark.parametrize("width", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_tab_reaches_everything(meet: Meet, path: str, width: int) -> None:
    """One Tab after the other, from the first on: each thing once, in order, inside the window and with a visible outline."""
    person = meet(Look(width))
    person.go(path)
    count = person.page.evaluate(MARK)
    seen = []
    for _ in range(count):
        where = person.page.evaluate(WHERE)
        assert where is not None and where[1], where
        seen.append(where[0])
        person.page.keyboard.press("Tab")
    assert seen == list(range(count))


def test_the_first_key_leads_past_the_head(meet: Meet) -> None:
    """Tab and Enter skip the links of the head: the next Tab is in the content."""
    person = meet()
    person.go("lists")
    person.page.keyboard.press("Tab")
    assert "Skip" in person.focused()
    person.page.keyboard.press("Enter")
    person.page.keyboard.press("Tab")
    assert person.page.evaluate("document.querySelector('main').contains(document.activeElement)")
