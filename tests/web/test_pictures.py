"""Pictures as SVG: what is drawn is what the table says, texts stay texts, and nothing needs a style or a script."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from n2k_fcgi.web.pages.pictures import HEIGHT, WIDTH, Frame, Picture, Series, bars, columns, lines, shares

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert(1)</script> & \"'"


def frame(title: str = "Lookups") -> Frame:
    """Of any picture."""
    return Frame("it", title, "What it shows.", "Hour", lambda value: f"{value:g}")


HOURS = [f"{hour:02}:00" for hour in range(24)]
ALL = [
    lambda title=HOSTILE: columns(frame(title), HOURS, [Series(title, range(24)), Series("b", [None] * 24)]),
    lambda title=HOSTILE: lines(frame(title), HOURS, [Series(title, [None, 2.5, *range(22)]), Series("b", [0.0] * 24)]),
    lambda title=HOSTILE: bars(frame(title), [title, "b"], [Series("n", [1e12, 0.0])]),
    lambda title=HOSTILE: shares(frame(title), [(title, 3.0), ("b", 1.0)], 8.0),
]


def drawn(picture: Picture, shape: str) -> list[dict[str, str]]:
    """The attributes of all shapes of one kind."""
    return [element.attrib for element in ElementTree.fromstring(picture.svg).iter(shape)]


@pytest.mark.parametrize("make", ALL)
def test_it_is_well_formed_and_told(make) -> None:  # type: ignore[no-untyped-def]
    """A role, a title and a sentence that its labels point to; hostile texts come back; neither style nor script."""
    picture = make()
    root = ElementTree.fromstring(picture.svg)
    assert root.attrib["role"] == "img" and root.attrib["aria-labelledby"] == "it-title it-desc"
    told = {element.attrib.get("id"): element.text for element in root}
    assert told["it-title"] == HOSTILE and told["it-desc"] == "What it shows."
    names = {element.tag for element in root.iter()}
    assert names <= {"svg", "title", "desc", "rect", "line", "polyline", "circle", "text"}
    attributes = {name for element in root.iter() for name in element.attrib}
    assert not {name for name in attributes if name == "style" or name.startswith("on") or "href" in name}


@pytest.mark.parametrize("make", ALL)
def test_the_table_has_every_number(make) -> None:  # type: ignore[no-untyped-def]
    """One row for each label, one cell for each heading."""
    picture = make()
    assert picture.rows and all(len(row) == len(picture.headings) for row in picture.rows)


@pytest.mark.parametrize("make", ALL)
def test_all_of_it_is_inside(make) -> None:  # type: ignore[no-untyped-def]
    """No shape is negative or outside of the view box."""
    picture = make()
    height = float(ElementTree.fromstring(picture.svg).attrib["viewBox"].split()[3])
    for box in drawn(picture, "rect"):
        x, y, wide, high = (float(box[name]) for name in ("x", "y", "width", "height"))
        assert min(x, y, wide, high) >= 0 and x + wide <= WIDTH + 0.2 and y + high <= height + 0.2


def test_columns_have_the_heights_of_their_numbers() -> None:
    """Stacked: the second stands on the first; 0 and None draw nothing."""
    picture = columns(frame(), ["a", "b", "c"], [Series("hit", [10, 0, 20]), Series("miss", [10, None, 0])])
    boxes = drawn(picture, "rect")
    assert [box["class"] for box in boxes] == ["part1", "part2", "part1"]
    first, second, third = ((float(box["y"]), float(box["height"])) for box in boxes)
    assert first[1] == pytest.approx(second[1], abs=0.2) and third[1] == pytest.approx(2 * first[1], abs=0.2)
    assert second[0] + second[1] == pytest.approx(first[0], abs=0.2)
    assert picture.legend == [("part1", "hit"), ("part2", "miss")]
    assert picture.rows == [["a", "10", "10"], ["b", "0", "–"], ["c", "20", "0"]]


def test_a_line_has_gaps() -> None:
    """Where there is no number; a single one is a dot."""
    picture = lines(frame(), list("abcde"), [Series("p50", [1, 2, None, 4, None])])
    (line,), (dot,) = drawn(picture, "polyline"), drawn(picture, "circle")
    assert len(line["points"].split()) == 2 and dot["class"] == "part1"


def test_a_line_shows_a_usual_time_and_one_a_thousand_times_as_long() -> None:
    """Each power of ten is as high as another; 0 is at the low end, and the axis has a line for each power."""
    picture = lines(frame(), list("abcde"), [Series("p99", [0.0, 0.01, 0.1, 1.0, 10.0])])
    (line,) = drawn(picture, "polyline")
    zero, *heights = (float(point.split(",")[1]) for point in line["points"].split())
    assert zero == heights[0] and len({round(before - after) for before, after in pairwise(heights)}) == 1
    assert {float(axis["y1"]) for axis in drawn(picture, "line")} == set(heights)


@pytest.mark.parametrize("values", [[3.0], [1e-9, 5e12], [10.0, 10.0], [0.0]])
def test_any_times_have_an_axis(values: list[float]) -> None:
    """Of one power of ten at least, with few lines, inside the picture."""
    axis = drawn(lines(frame(), ["a"] * len(values), [Series("n", values)]), "line")
    assert 2 <= len(axis) <= 6 and all(0 <= float(each["y1"]) <= HEIGHT for each in axis)


def test_bars_are_in_proportion() -> None:
    """The longest fills the room that its number leaves."""
    picture = bars(frame(), ["a", "b"], [Series("n", [300, 100])])
    long, short = (float(box["width"]) for box in drawn(picture, "rect"))
    assert long == pytest.approx(3 * short, abs=0.2) and long > WIDTH * 0.8


def test_shares_leave_the_rest_empty() -> None:
    """Of a total; without one the parts are all of it. Nothing at all is no error."""
    empty, one, two = drawn(shares(frame(), [("a", 2.0), ("b", 1.0)], 8.0), "rect")
    assert empty["class"] == "empty" and float(one["width"]) == WIDTH / 4 and float(two["width"]) == WIDTH / 8
    assert sum(float(box["width"]) for box in drawn(shares(frame(), [("a", 2.0), ("b", 6.0)]), "rect")[1:]) == WIDTH
    assert shares(frame(), [("a", 0.0)]).rows == [["a", "0", "0.0 %"]]


def test_the_numbers_of_an_axis_are_inside() -> None:
    """However long: the picture begins where they end."""
    wide = Frame("it", "Times", "", "Hour", lambda value: f"{value:,.0f} ms")
    for picture in (columns(wide, ["a"], [Series("n", [2e6])]), lines(wide, ["a"], [Series("n", [2e6])])):
        texts = list(ElementTree.fromstring(picture.svg).iter("text"))
        for tick in [each for each in texts if each.attrib["class"] == "label end"]:
            assert float(tick.attrib["x"]) >= 7.5 * len(tick.text or "")


@pytest.mark.parametrize("count", [1, 2, 3, 30, 48])
@pytest.mark.parametrize("label", ["11-27", "11-27 14:00", "11-27 14:00:00"])
def test_labels_do_not_run_into_one_another(label: str, count: int) -> None:
    """Nor out of the picture, at its ends neither."""
    for make in (columns, lines):
        svg = ElementTree.fromstring(make(frame(), [label] * count, [Series("n", [1.0] * count)]).svg)
        half = len(label) * 7.8 / 2
        middles = [float(each.attrib["x"]) for each in svg.iter("text") if each.attrib["class"] == "label middle"]
        assert middles and min(middles) >= half and max(middles) <= WIDTH - half
        assert all(right - left >= 2 * half for left, right in pairwise(middles))


def test_nothing_is_drawn_of_nothing() -> None:
    """No axis from 0 to 1: the page says that there is nothing; the table keeps its rows."""
    for make in (columns, lines):
        picture = make(frame(), ["a", "b"], [Series("n", [None, None])])
        assert picture.svg == "" and picture.rows == [["a", "–"], ["b", "–"]]
    assert (
        columns(frame(), ["a"], [Series("n", [0])]).svg
        == bars(frame(), [], [Series("n", [])]).svg
        == shares(frame(), []).svg
        == ""
    )


def test_the_rest_of_shares_has_a_name() -> None:
    """With its size, in the legend and the table."""
    picture = shares(frame(), [("a", 2.0)], 8.0, rest="free")
    assert picture.legend == [("part1", "a: 2"), ("empty", "free: 6")] and picture.rows[1] == ["free", "6", "75.0 %"]


@pytest.mark.parametrize("count", [1, 2, 48, 1000])
def test_any_number_of_labels(count: int) -> None:
    """None, one, and more than there is room for: labels do not run into each other."""
    labels = [f"{n}:00" for n in range(count)]
    for make in (columns, lines):
        svg = make(frame(), labels, [Series("n", [1.0] * count)]).svg
        assert len(re.findall(rf'y="{HEIGHT - 8}', svg)) in range(1, 7)
    assert bars(frame(), labels, [Series("n", [0.0] * count)]).rows == [[label, "0"] for label in labels]
