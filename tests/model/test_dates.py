"""Times as commands and pages write them."""

import pytest

from n2k_fcgi.model.dates import day, iso, minute


def test_times_are_written_in_utc() -> None:
    """Whatever zone the host is in."""
    assert (iso(1_767_312_047), day(1_767_312_047), minute(1_767_312_047)) == (
        "2026-01-02T00:00:47Z",
        "2026-01-02",
        "2026-01-02 00:00",
    )


@pytest.mark.parametrize("seconds", [2**62, -(2**62), 1e300])
def test_what_is_no_time_is_written_as_it_is(seconds: float) -> None:
    """A damaged file may have it: no page and no command fails by it."""
    assert iso(seconds) == day(seconds) == minute(seconds) == f"{seconds} s"
