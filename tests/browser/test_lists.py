"""The page of lists: many names or keys in, a table or a csv out, also for ten thousand of them."""

import csv
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from n2k_fcgi.web.api.bulk import MOST_ASKED
from tests.browser.conftest import CROWD, Meet
from tests.support.chromium import PHONE, Look
from tests.support.sandbox import GOVERNOR, MASAKAZU
from tests.support.townspeople import HOSTILE, NOW, RENAMED, crowd

LIST = f"governor.linden\nNobody Known\n{MASAKAZU}\nquiet harbour\n" + "\n".join(HOSTILE)
ALL = crowd(CROWD)


def send(page: Page, text: str, button: str = "Show a table") -> None:
    """Paste *text* and press a button. It is set at once: Chromium's typing of thousands of lines takes minutes."""
    page.locator("#names").evaluate("(box, text) => box.value = text", text)
    page.get_by_role("button", name=button).click()


@pytest.mark.parametrize("look", [Look(), Look(PHONE, has_script=False)], ids=str)
def test_a_list_becomes_a_table(meet: Meet, look: Look) -> None:
    """A row for each line in its order, the unknown ones too; names lead to the avatars."""
    person = meet(look)
    person.go("lists")
    send(person.page, LIST)
    rows = person.page.locator("#rows tbody tr")
    expect(rows).to_have_count(4 + len(HOSTILE))
    for number, texts in enumerate(((GOVERNOR,), ("not known",), (MASAKAZU, "Masakazu Kojima"), (RENAMED, NOW))):
        for text in texts:
            expect(rows.nth(number)).to_contain_text(text)
    with person.page.expect_navigation():
        rows.nth(3).get_by_role("link").click()
    assert f"avatar/{RENAMED}" in person.page.url


@pytest.mark.parametrize("look", [Look(), Look(has_script=False)], ids=str)
def test_a_list_is_downloaded(meet: Meet, look: Look, tmp_path: Path) -> None:
    """A file of csv with a head and a row each; no cell is a formula for a spreadsheet."""
    person = meet(look)
    person.go("lists")
    with person.page.expect_download() as download:
        send(person.page, LIST, "Download csv")
    assert download.value.suggested_filename.endswith(".csv")
    download.value.save_as(tmp_path / "got.csv")
    with (tmp_path / "got.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = list(csv.reader(file))
    found = [dict(zip(head, row, strict=True)) for row in rows]
    assert [row["key"] for row in found] == [GOVERNOR, "", MASAKAZU, RENAMED, *HOSTILE]
    assert [row["name"].lstrip("'") for row in found[4:]] == list(HOSTILE.values())
    assert not [cell for row in rows for cell in row if cell[:1] in ("=", "+", "-", "@")]


def test_ten_thousand_are_asked_piece_by_piece(meet: Meet) -> None:
    """Each has its row, in order, after no more requests than are needed; the page can be left meanwhile."""
    person = meet()
    person.go("lists")
    person.asked()
    send(person.page, "\n".join(name for _, name in ALL))
    expect(person.page.locator("#told")).to_have_text(f"{CROWD} / {CROWD} entries")
    assert len(person.asked()) == -(-CROWD // MOST_ASKED)
    script = "() => [...document.querySelectorAll('#rows tbody tr')].map(row => row.querySelector('.key').textContent)"
    assert person.page.evaluate(script) == [key for key, _ in ALL]


def test_a_long_list_without_script(meet: Meet) -> None:
    """As many as fit are answered, and what is left stays in the box. More than a request holds is refused."""
    person = meet(Look(has_script=False))
    some = ALL[: 2 * MOST_ASKED]
    person.go("lists")
    send(person.page, "\n".join(name for _, name in some))
    expect(person.page.locator("#rows tbody tr")).to_have_count(MOST_ASKED)
    left = person.page.locator("#names").input_value().split("\n")
    assert left == [name for _, name in some[MOST_ASKED:]]
    person.page.get_by_role("button", name="Show a table").click()
    expect(person.page.locator("#rows tbody tr").first).to_contain_text(some[MOST_ASKED][0])
    send(person.page, "\n".join(name for _, name in ALL))
    expect(person.page.locator("h1")).to_have_text("That is too much at once")


def test_ten_thousand_whose_names_begin_alike(meet: Meet) -> None:
    """A search shows a few of them and says that there are more: no page grows with the directory."""
    person = meet()
    person.go("?q=crowd")
    shown = person.page.locator("#found .found li").count()
    assert 10 <= shown <= 100
    expect(person.page.locator("#found")).to_contain_text("more")
    person.asked()
    person.page.locator("#q").fill("crowd member09999")
    expect(person.page.locator("#found .found li")).to_have_count(1)
    assert len(person.asked()) == 1
