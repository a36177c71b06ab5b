"""Keys alone: see also tests/browser/test_every_page.py, which goes through each page by Tab."""

from tests.browser.conftest import Meet


def test_the_first_key_leads_past_the_head(meet: Meet) -> None:
    """Tab and Enter skip the links of the head: the next Tab is in the content."""
    person = meet()
    person.go("lists")
    person.page.keyboard.press("Tab")
    assert "Skip" in person.focused()
    person.page.keyboard.press("Enter")
    person.page.keyboard.press("Tab")
    assert person.page.evaluate("document.querySelector('main').contains(document.activeElement)")
