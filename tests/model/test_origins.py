"""Origins: grids and times of rows, numbered with one byte."""

import time

import pytest

from n2k_fcgi.errors import TooManyGrids
from n2k_fcgi.model.origins import EXACT_ORIGINS, MAX_ORIGINS, Origin, OriginTable


def test_a_row_without_grid_and_time_has_the_dumps_own() -> None:
    """Number 0; a row with one of them has the other from the dump."""
    table = OriginTable(Origin("Production", 900))
    assert table.number_of_row(None, None) == 0
    assert table.number_of_row("OpenSim", None) == 1 and table.number_of_row(None, 400) == 2
    assert table.origins == [Origin("Production", 900), Origin("OpenSim", 900), Origin("Production", 400)]
    assert table.number_of_row("OpenSim", 900) == 1 and (table.grid(2), table.as_of(2)) == ("Production", 400)


def test_a_time_in_the_future_counts_as_now() -> None:
    """Of a row; of the previous generation it is replaced by the dump's."""
    table = OriginTable(Origin("Production", 900))
    assert table.as_of(table.number_of_row(None, 1 << 39)) <= time.time()
    assert table.believed(Origin("OpenSim", 1 << 39)) == Origin("OpenSim", 900)
    assert table.believed(Origin("OpenSim", 800)) == Origin("OpenSim", 800)


def test_many_times_share_numbers_and_many_grids_are_too_many() -> None:
    """Beyond EXACT_ORIGINS the nearest time of the grid is taken; beyond MAX_ORIGINS a new grid is rejected."""
    table = OriginTable(Origin("Production", 900))
    for seconds in range(1, EXACT_ORIGINS):
        assert table.number(Origin("Production", 1000 * seconds)) == seconds
    assert table.number(Origin("Production", 5400)) == 5
    for number in range(EXACT_ORIGINS, MAX_ORIGINS):
        assert table.number(Origin(f"Grid{number}", 1)) == number
    with pytest.raises(TooManyGrids, match=str(MAX_ORIGINS)):
        table.number(Origin("One More", 1))
    assert table.number(Origin("Grid222", 7)) == 222


def test_the_nearest_origin_is_never_the_dumps_own() -> None:
    """Number 0 means that a row says nothing; another one of the grid is shared, also when it is the first."""
    table = OriginTable(Origin("Production", 900))
    assert table.number(Origin("OpenSim", 5)) == 1
    for number in range(2, EXACT_ORIGINS):
        table.number(Origin(f"Grid{number}", 1))
    assert table.number(Origin("OpenSim", 7)) == 1
    assert table.number(Origin("Production", 899)) == EXACT_ORIGINS


def test_a_time_of_this_second_is_not_in_the_future() -> None:
    """It is kept."""
    while True:
        now = int(time.time())
        believed = OriginTable(Origin("Production", 900)).believed(Origin("OpenSim", now))
        if now == int(time.time()):
            break
    assert believed == Origin("OpenSim", now)
