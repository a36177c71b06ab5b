"""Every page, as everyone sees it: on a phone and a desktop, dark and light, with script and without."""

import pytest

from tests.browser.conftest import Meet
from tests.support.visitors import Look

PAGES = ("",)


@pytest.mark.parametrize("look", [Look(has_script=True), Look(has_script=False)], ids=str)
@pytest.mark.parametrize("path", PAGES)
def test_page(meet: Meet, path: str, look: Look) -> None:
    """It has one heading, is no wider than the screen, and axe-core finds nothing serious."""
    person = meet(look)
    assert person.go(path) == 200
    assert person.page.locator("h1").count() == 1
    assert person.findings() == []
