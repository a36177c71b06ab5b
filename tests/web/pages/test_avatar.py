"""The page of one avatar: its names with their dates, where it is known from, and the way out."""

import json

import pytest

from n2k_fcgi.model.avatar import Source
from tests.support.people import Page, visiting
from tests.support.sandbox import GOVERNOR, MASAKAZU, Sandbox, csv

RESIDENT = f"https://world.secondlife.com/resident/{MASAKAZU}"
PROFILE = f"secondlife:///app/agent/{MASAKAZU}/about"


@pytest.fixture
def story(sandbox: Sandbox) -> Sandbox:
    """An avatar with a name of 2001, one of 2011, and one that it was seen under twice; and one on another grid."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Eldest"), (GOVERNOR, "Governor Linden")), as_of=1_000_000_000)
    sandbox.import_text(csv((MASAKAZU, "Masakazu Elder"), (GOVERNOR, "Governor Linden")), as_of=1_300_000_000)
    source = Source(GOVERNOR, GOVERNOR, "Secret Garden", "Production")
    sandbox.record(MASAKAZU, "Masakazu Kojima", 1_600_000_000, source=source)
    sandbox.record(MASAKAZU, "Masakazu Kojima", 1_700_000_000, source=source)
    sandbox.record(MASAKAZU, "Masakazu Elsewhere", 1_650_000_000, grid="OpenSim")
    return sandbox


def test_its_story(story: Sandbox) -> None:
    """The current name, the former ones with dates, the latest first; source, first and last seen; times also for machines."""
    with visiting(story) as visitor:
        page = visitor.page(f"/avatar/{MASAKAZU}?grid=Production")
    words = (
        "Masakazu Kojima",
        MASAKAZU,
        "Production",
        "(Second Life)",
        "seen in-world by an object",
        "2001-09-09",
        "2023-11-14",
    )
    assert [word for word in (*words, "in-world 2 times") if word not in page.text] == []
    timeline = page.text[page.text.index("Names Masakazu") :]
    named = [
        "Kojima current, seen in-world on 2023-11-14",
        "Elder former, in a list of 2011-03-13",
        "Eldest former, in a list of 2001-09-09",
    ]
    places = [timeline.index(words) for words in named]
    assert places == sorted(places) and "Elsewhere OpenSim" not in page.text
    assert {"2023-11-14T22:13:20Z", "2011-03-13T07:06:40Z", "2001-09-09T01:46:40Z"} <= {
        each["datetime"] for each in page.every("time")
    }


def test_each_grid_has_its_part(story: Sandbox) -> None:
    """Without ``grid=`` all of them, the usual grid first; with one that does not have it, 404."""
    with visiting(story) as visitor:
        page = visitor.page(f"/avatar/{MASAKAZU}")
        assert page.text.index("Masakazu Kojima") < page.text.index("OpenSim") and "Masakazu Elsewhere" in page.text
        assert len(page.every("h1")) == 1 and len(page.every("h2")) == 2
        assert visitor.get(f"/avatar/{MASAKAZU}?grid=Testing").status == 404
        assert visitor.get(f"/avatar/{MASAKAZU}?grid=%00").status == 400
        assert visitor.page(f"/avatar/{MASAKAZU.upper()}").text == page.text


def test_links_out_are_for_second_life_only(story: Sandbox) -> None:
    """To Linden Lab's page and to the viewer; and nothing is loaded from elsewhere."""
    with visiting(story) as visitor:
        there = visitor.page(f"/avatar/{MASAKAZU}?grid=Production")
        assert {RESIDENT, PROFILE} <= set(there.links)
        elsewhere = visitor.page(f"/avatar/{MASAKAZU}?grid=OpenSim")
        assert not {RESIDENT, PROFILE} & set(elsewhere.links)
        assert there.every("img") == there.every("iframe") == []
        assert [link for link in there.links if ":" in link] == [RESIDENT, PROFILE]


def test_where_it_was_seen_is_private(story: Sandbox) -> None:
    """Neither region nor object, nor their owner, in the page and in its JSON."""
    with visiting(story) as visitor:
        reply = visitor.get(f"/avatar/{MASAKAZU}")
        (link,) = [each["href"] for each in Page(reply.body).every("link") if each["rel"] == "alternate"]
        data = visitor.get(visitor.follow(f"/avatar/{MASAKAZU}", link))
        assert len(json.loads(data.body)["names"]) == 4
        for body in (reply.body, data.body):
            assert b"Secret Garden" not in body and GOVERNOR.encode() not in body


@pytest.mark.parametrize(
    ("key", "status"), [("nonsense", 400), ("00000000-0000-0000-0000-000000000000", 400), ("a" * 32, 404), ("", 404)]
)
def test_a_key_without_an_avatar(story: Sandbox, key: str, status: int) -> None:
    """A page in the frame says so."""
    with visiting(story) as visitor:
        reply = visitor.get(f"/avatar/{key}")
        assert reply.status == status and Page(reply.body).every("main")


@pytest.mark.parametrize(
    ("settings", "sign"),
    [
        ({}, []),
        (
            {"keep_days": "365", "keep_places": "no"},
            ["Where you were is not kept.", "After 365 days without a visit it is deleted."],
        ),
    ],
)
def test_the_way_out_is_in_world(story: Sandbox, settings: dict[str, str], sign: list[str]) -> None:
    """From the avatar's page to the kiosk and its script, with the key; the sign says what is so with these settings."""
    with visiting(story, **settings) as visitor:
        target = f"/avatar/{MASAKAZU}"
        page = visitor.page(target)
        (way,) = [link for link in page.links if "leave" in link]
        leave = visitor.page(visitor.follow(target, way))
        assert MASAKAZU in leave.text and "forget.lsl" in leave.text and "Touch it" in leave.text
        assert any("scripts/forget" in link for link in leave.links)
        assert "This object keeps names." in leave.text
        for sentence in ("Where you were is not kept.", "After 365 days without a visit it is deleted."):
            assert (sentence in leave.text) == (sentence in sign)
        assert "<b>" not in visitor.get("/leave?key=%3Cb%3E").body.decode()
