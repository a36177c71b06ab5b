"""Names of generations: the time, and later than all others whatever the clock says."""

import pytest

from n2k_fcgi.model.stamps import stamp

NOW = 1_780_000_000.5
NAME = "20260528T202640.500Z"


@pytest.mark.parametrize(
    ("existing", "expected"),
    [
        ([], NAME),
        (["20260528T202640.499Z"], NAME),
        ([NAME], "20260528T202640.501Z"),
        ([NAME + "p", "20250101T000000.000Z"], "20260528T202640.501Z"),  # a purge's
        (["20991231T235959.999Z"], "21000101T000000.000Z"),  # the clock was ahead
        (["by-hand"], "by-handx"),
    ],
)
def test_a_stamp_is_later_than_all_existing_ones(existing: list[str], expected: str) -> None:
    """The time, or the next millisecond after the latest one; a name that is no time gets a letter."""
    assert stamp(NOW, existing) == expected
    assert all(expected > other for other in existing)
