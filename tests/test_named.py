"""Our ``NamedTuple`` beside that of ``typing``, for which type checkers take it."""

import pickle
import typing
from typing import Any

import pytest

from n2k_fcgi import named


class Ours(named.NamedTuple):
    """Three fields."""

    name: str
    count: int = 1
    rest: tuple[str, ...] = ()

    @property
    def loud(self) -> str:
        """Methods and properties are kept."""
        return self.name.upper()


class Theirs(typing.NamedTuple):
    """The same three fields."""

    name: str
    count: int = 1
    rest: tuple[str, ...] = ()

    @property
    def loud(self) -> str:
        """As above."""
        return self.name.upper()


class Bare(named.NamedTuple):
    """No defaults."""

    first: int
    second: int


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        (("a",), {}),
        (("a", 2), {}),
        (("a", 2, ("b",)), {}),
        ((), {"name": "a"}),
        (("a",), {"rest": ("b",)}),
        ((), {"rest": (), "count": 5, "name": "a"}),
    ],
)
def test_it_is_made_and_read_as_the_other_is(values: Any, fields: Any) -> None:
    """By place and by name, with defaults: the same items, fields, text, hash, copy and dict."""
    mine, other = Ours(*values, **fields), Theirs(*values, **fields)
    assert mine == other == tuple(other) and hash(mine) == hash(other)
    assert (mine.name, mine.count, mine.rest, mine.loud) == (other.name, other.count, other.rest, other.loud)
    assert repr(mine) == repr(other).replace("Theirs", "Ours")
    assert mine._asdict() == other._asdict() and mine._fields == other._fields
    assert mine._replace(count=9) == other._replace(count=9) and type(mine._replace(count=9)) is Ours
    assert pickle.loads(pickle.dumps(mine)) == mine and type(pickle.loads(pickle.dumps(mine))) is Ours
    assert Ours._make(iter(other)) == mine and type(Ours._make(mine)) is Ours
    assert not hasattr(mine, "__dict__")
    match mine:
        case Ours(name, count, rest):
            assert (name, count, rest) == tuple(other)


@pytest.mark.parametrize(
    ("values", "fields"),
    [((), {}), (("a", 1, (), 2), {}), (("a",), {"name": "b"}), (("a",), {"other": 1}), ((), {"count": 1})],
)
def test_what_the_other_refuses_it_refuses(values: Any, fields: Any) -> None:
    """A field that is missing, unknown or given twice, and one value too many: TypeError."""
    for kind in (Ours, Theirs):
        with pytest.raises(TypeError):
            kind(*values, **fields)


def test_without_defaults_every_field_is_needed() -> None:
    """Two values, no more and no less; an unknown field cannot be replaced, and none can be set."""
    assert Bare(1, 2) == (1, 2)
    for values in ((1,), (1, 2, 3)):
        with pytest.raises(TypeError, match="Bare has the fields first, second"):
            Bare(*values)
    with pytest.raises(ValueError, match="no fields"):
        Bare(1, 2)._replace(third=3)  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        Bare(1, 2).first = 3  # type: ignore[misc]


def test_what_it_does_not_do_is_refused() -> None:
    """Subclasses of a named tuple, and too few or too many items: ours would lose fields, or fill in defaults."""
    with pytest.raises(TypeError, match="no subclasses"):
        type("Sub", (Bare,), {})
    for items in ((), (1,), (1, 2, 3)):
        with pytest.raises(TypeError):
            Bare._make(items)
        with pytest.raises(TypeError):
            Ours._make(("a", *items) if len(items) > 2 else items)
    assert Bare._make([1, 2]) == (1, 2)
