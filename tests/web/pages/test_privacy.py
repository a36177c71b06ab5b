"""The privacy page: the facts of docs/privacy.md, and what the settings of this server make of them."""

import json
import re
from pathlib import Path

import pytest

from tests.support.people import visiting
from tests.support.sandbox import MASAKAZU, Sandbox

DOCS = (Path(__file__).parents[3] / "docs" / "privacy.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("settings", "sentences", "others"),
    [
        ({}, ["for ever: the owner set no end", "registered by whoever has a token"], ["not at all"]),
        ({"keep_days": "30"}, ["30 days after it was seen last"], ["the owner set no end"]),
        ({"keep_days": "1"}, ["1 day after it was seen last"], []),
        ({"keep_places": "no"}, ["not at all"], []),
        ({"register": "open"}, ["registered by everybody"], []),
        ({"search": "off", "csv": "off"}, ["Names by their beginning nobody", "The whole list nobody"], []),
        ({"search": "token", "csv": "open"}, ["Names by their beginning whoever has a token", "The whole list everybody"], []),
    ],
)
def test_it_says_what_the_settings_say(
    sandbox: Sandbox, settings: dict[str, str], sentences: list[str], others: list[str]
) -> None:
    """In the page and as JSON."""
    with visiting(sandbox, **settings) as visitor:
        text = visitor.page("/privacy").text
        told = json.loads(visitor.get("/privacy?format=json").body)["settings"]
    assert [each for each in sentences if each not in text] == [] and [each for each in others if each in text] == []
    for name, value in settings.items():
        expected = {"keep_days": int(value) if value.isdecimal() else 0, "keep_places": value != "no"}.get(name, value)
        assert told[name] == expected


def test_the_sign_is_that_of_the_documentation(sandbox: Sandbox) -> None:
    """Word for word, where the settings are those that the page there names."""
    quoted = " ".join(line.removeprefix("> ") for line in DOCS.splitlines() if line.startswith("> "))
    sentences = re.sub(r"\*\*|After a year without a visit it is deleted\. ", "", quoted)
    with visiting(sandbox, keep_places="no") as visitor:
        for target in ("/privacy", "/leave"):
            assert sentences in visitor.page(target).text


@pytest.mark.parametrize(
    ("contact", "shown", "link"),
    [
        ("mailto:me@example.com", "me@example.com", "mailto:me@example.com"),
        ("https://example.com/me?a=1&b", "https://example.com/me?a=1&b", "https://example.com/me?a=1&b"),
        (f"secondlife:///app/agent/{MASAKAZU}/about",) * 2 + (f"secondlife:///app/agent/{MASAKAZU}/about",),
        ("Masakazu Kojima, in-world", "Masakazu Kojima, in-world", None),
        ("javascript:alert(1)", "javascript:alert(1)", None),
        ('https:"><script>alert(1)</script>', 'https:"><script>alert(1)</script>', 'https:"><script>alert(1)</script>'),
    ],
)
def test_the_contact_is_on_the_way_out(sandbox: Sandbox, contact: str, shown: str, link: str | None) -> None:
    """On both pages, in the sign too, which has no gap left; as a link only if it is an address of a known kind."""
    with visiting(sandbox, contact=contact, url="https://example.com/n2k/") as visitor:
        for target in ("/leave", "/privacy"):
            for language in ("en", "de"):
                page = visitor.page(f"{target}?lang={language}")
                assert page.text.count(shown) >= 2 and "[your" not in page.text and "[dein" not in page.text
                assert "https://example.com/n2k/leave" in page.text
                links = {each["href"] for each in page.every("a") if each.get("rel") == "external noreferrer"}
                assert links == {link} - {None}
                assert len(page.every("script")) == 1
        assert json.loads(visitor.get("/privacy?format=json").body)["settings"]["contact"] == contact


def test_without_a_contact_the_owner_is_told(sandbox: Sandbox) -> None:
    """Visitors read how to ask all the same."""
    with visiting(sandbox) as visitor:
        assert "the setting contact says it" in visitor.page("/leave").text.replace(" contact  says", " contact says")
        assert "ask the owner of this service, in a message from your avatar" in visitor.page("/privacy").text


def test_every_kind_of_record_is_on_it(sandbox: Sandbox) -> None:
    """As many rows as the table of docs/privacy.md has, less the owner's own shell."""
    table = DOCS[DOCS.index("|---|") : DOCS.index("**Digests")]
    with visiting(sandbox) as visitor:
        rows = [each for each in visitor.page("/privacy").every("th") if each.get("scope") == "row"]
    assert len(rows) == len([line for line in table.splitlines() if line.startswith("| ")]) - 1
