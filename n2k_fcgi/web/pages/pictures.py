"""Pictures of numbers as SVG: columns, lines, bars and shares. No script, and no ``style=``: the style sheet has the classes.

A picture has a title, a sentence that says what it shows, a legend, and a table with all its numbers, for whoever does not see
it; the page puts them together. Colours are the classes ``part1`` to ``part6``, in the order of the series.
"""

from __future__ import annotations

import math

from markupsafe import Markup

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.named import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Number = Callable[[float], str]

WIDTH = 320
HEIGHT = 170
"""Units of the view box; a letter is 14 high, so that it can be read on a small phone, which has as many pixels."""

COLOURS = 6
"""Parts that have a colour; further ones begin again."""

_RIGHT, _TOP, _BOTTOM = 6, 10, 26
_ROW = 38
_LETTER = 7.8
"""Units of a letter's width, at most."""

_MOST_LABELS = 6
_MOST_TICKS = 4


class Series(NamedTuple):
    """Numbers of one kind, as many as the picture has labels; None where there is none."""

    name: str
    values: Sequence[float | None]


class Picture(NamedTuple):
    """One figure of a page."""

    id: str
    title: str
    summary: str
    svg: Markup
    """Empty: there is nothing to show yet."""
    legend: list[tuple[str, str]]
    """(class, name) of each series; empty if there is but one."""
    headings: list[str]
    rows: list[list[str]]


class Box(NamedTuple):
    """A rectangle, in units of the view box."""

    x: float
    y: float
    width: float
    height: float


class Frame(NamedTuple):
    """What every picture has. *id*: of the element, unique in the page; *first*: heading of the labels."""

    id: str
    title: str
    summary: str
    first: str
    number: Number
    percent: Number = "{:.1f} %".format


def columns(frame: Frame, labels: Sequence[str], series: Sequence[Series]) -> Picture:
    """Stacked columns, one for each label from left to right."""
    sums = [sum(each.values[at] or 0 for each in series) for at in range(len(labels))]
    if not any(sums):
        return _picture(frame, labels, series, Markup(""))
    top = _ceiling(max(sums))
    axes = _Axes(frame, labels, [(value, _height(value, top)) for value in (0, top / 2, top)], is_between=True)
    shapes = []
    for at in range(len(labels)):
        floor = 0.0
        for part, each in enumerate(series):
            value = each.values[at] or 0
            if value > 0:
                high, low = _height(floor + value, top), _height(floor, top)
                box = Box(axes.left + at * axes.step + axes.step * 0.1, high, axes.step * 0.8, low - high)
                shapes.append(_rectangle(box, part))
            floor += value
    return _picture(frame, labels, series, _svg(frame, [axes.drawn(), *shapes], HEIGHT))


def lines(frame: Frame, labels: Sequence[str], series: Sequence[Series]) -> Picture:
    """A line for each series, from left to right, with gaps where there is no number.

    The axis has powers of ten, so that a usual time and one a thousand times as long are both seen; 0 is at its low end.
    """
    if all(value is None for each in series for value in each.values):
        return _picture(frame, labels, series, Markup(""))
    low, high = _decades([value for each in series for value in each.values if value])

    def y(value: float) -> float:
        return _height(max(0.0, math.log10(value) - low) if value > 0 else 0.0, high - low)

    ticks = [(10.0**power, y(10.0**power)) for power in range(low, high + 1, math.ceil((high - low) / _MOST_TICKS))]
    axes = _Axes(frame, labels, ticks, is_between=False)
    shapes = []
    for part, each in enumerate(series):
        points: list[str] = []
        for at, value in enumerate((*each.values, None)):
            if value is not None:
                points.append(f"{axes.left + at * axes.step:.1f},{y(value):.1f}")
            elif points:
                shapes.append(_line(points, part))
                points = []
    return _picture(frame, labels, series, _svg(frame, [axes.drawn(), *shapes], HEIGHT))


def bars(frame: Frame, labels: Sequence[str], series: Sequence[Series], *, most: float | None = None) -> Picture:
    """A stacked bar for each label, one below the other, with its number behind it; none is drawn without labels.

    *most*: what the longest possible bar would be; None: the longest one is.
    """
    if not labels:
        return _picture(frame, labels, series, Markup(""))
    sums = [sum(each.values[at] or 0 for each in series) for at in range(len(labels))]
    top = max(most or 0, *sums) or 1
    told = [frame.number(total) for total in sums]
    room = WIDTH - _LETTER * max(map(len, told)) - 8
    shapes = []
    for at, label in enumerate(labels):
        y, x = at * _ROW, 0.0
        shapes.append(_text(0, y + 11, label, "label"))
        for part, each in enumerate(series):
            width = room * (each.values[at] or 0) / top
            if width > 0:
                shapes.append(_rectangle(Box(x, y + 15, max(width, 1), 11), part))
            x += width
        shapes.append(_text(x + 6, y + 25, told[at], "label"))
    return _picture(frame, labels, series, _svg(frame, shapes, len(labels) * _ROW))


def shares(frame: Frame, parts: Sequence[tuple[str, float]], total: float | None = None, *, rest: str = "") -> Picture:
    """One bar, divided; *total*: what all of it is, if the parts are not all. The rest stays empty, and is called *rest*."""
    if not parts:
        return Picture(frame.id, frame.title, frame.summary, Markup(""), [], [frame.first, "", ""], [])
    whole = max(total or 0, sum(value for _, value in parts)) or 1
    shapes = [Markup('<rect class="empty" x="0" y="4" width="{}" height="30"/>').format(WIDTH)]
    x = 0.0
    for part, (_, value) in enumerate(parts):
        width = WIDTH * value / whole
        if width > 0:
            shapes.append(_rectangle(Box(x, 4, width, 30), part))
        x += width
    classes = [_class(part) for part in range(len(parts))]
    if rest:
        parts, classes = [*parts, (rest, whole - sum(value for _, value in parts))], [*classes, "empty"]
    rows = [[name, frame.number(value), frame.percent(100 * value / whole)] for name, value in parts]
    return Picture(
        frame.id,
        frame.title,
        frame.summary,
        _svg(frame, shapes, 38),
        [(name, f"{row[0]}: {row[1]}") for name, row in zip(classes, rows, strict=True)],
        [frame.first, "", ""],
        rows,
    )


def _picture(frame: Frame, labels: Sequence[str], series: Sequence[Series], svg: Markup) -> Picture:
    legend = [(_class(part), each.name) for part, each in enumerate(series)] if len(series) > 1 else []
    rows = [
        [label, *("–" if each.values[at] is None else frame.number(each.values[at] or 0) for each in series)]
        for at, label in enumerate(labels)
    ]
    headings = [frame.first, *(each.name for each in series)]
    return Picture(frame.id, frame.title, frame.summary, svg, legend, headings, rows)


def _svg(frame: Frame, shapes: Sequence[Markup], height: float) -> Markup:
    return Markup(
        '<svg class="picture" role="img" viewBox="0 0 {width} {height:.0f}" aria-labelledby="{id}-title {id}-desc">'
        '<title id="{id}-title">{title}</title><desc id="{id}-desc">{summary}</desc>{shapes}</svg>'
    ).format(width=WIDTH, height=height, id=frame.id, title=frame.title, summary=frame.summary, shapes=Markup("").join(shapes))


class _Axes:
    """A line for each of *ticks* (value, y) with its number, and the labels below: in the middle of columns, or of points."""

    def __init__(self, frame: Frame, labels: Sequence[str], ticks: Sequence[tuple[float, float]], *, is_between: bool) -> None:
        self._labels = labels
        self._ticks = [(frame.number(value), y) for value, y in ticks]
        self._is_between = is_between
        self.left = 8 + _LETTER * max(len(text) for text, _ in self._ticks)
        """The x where the numbers end and the picture begins."""
        self.step = (WIDTH - self.left - _RIGHT) / max(len(labels) - (not is_between), 1)
        """Units from one label to the next."""

    def drawn(self) -> Markup:
        """The shapes."""
        found = []
        for text, y in self._ticks:
            line = Markup('<line class="axis" x1="{:.1f}" y1="{:.1f}" x2="{}" y2="{:.1f}"/>')
            found.append(line.format(self.left, y, WIDTH - _RIGHT, y))
            found.append(_text(self.left - 6, y + 4, text, "label end"))
        wide = max(map(len, self._labels)) * _LETTER + 8
        places = [self.left + (at + self._is_between / 2) * self.step for at in range(len(self._labels))]
        places = [min(max(x, wide / 2), WIDTH - wide / 2) for x in places]  # inside: the outer ones move
        every = next((at for at, x in enumerate(places) if x - places[0] >= wide), len(places))
        end = 0.0
        for at in range(0, len(places), max(every, math.ceil(len(places) / _MOST_LABELS))):
            if places[at] - wide / 2 >= end - 0.1:
                found.append(_text(places[at], HEIGHT - 8, self._labels[at], "label middle"))
                end = places[at] + wide / 2
        return Markup("").join(found)


def _height(value: float, top: float) -> float:
    """The y of a value, which the view box counts from above."""
    return HEIGHT - _BOTTOM - (HEIGHT - _BOTTOM - _TOP) * value / top


def _ceiling(most: float) -> float:
    """Return the end of an axis: 1, 2, 4 or 5 times a power of ten, *most* (above 0) or above it."""
    power = float(10 ** math.floor(math.log10(most)))
    return next(step * power for step in (1, 2, 4, 5, 10) if step * power >= most * (1 - 1e-9))


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """Return the powers of ten around *values*, which are above 0: at least one apart."""
    if not values:
        return 0, 1
    low = math.floor(math.log10(min(values)) + 1e-9)
    return low, max(low + 1, math.ceil(math.log10(max(values)) - 1e-9))


def _class(part: int) -> str:
    return f"part{part % COLOURS + 1}"


def _rectangle(box: Box, part: int) -> Markup:
    return Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(_class(part), *box)


def _line(points: list[str], part: int) -> Markup:
    if len(points) == 1:  # a line of one point would not be seen
        x, y = points[0].split(",")
        return Markup('<circle class="{}" cx="{}" cy="{}" r="2.5"/>').format(_class(part), x, y)
    return Markup('<polyline class="line {}" points="{}"/>').format(_class(part), " ".join(points))


def _text(x: float, y: float, text: str, kind: str) -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>').format(kind, x, y, text)
