"""Other people's tests and clients at our server, and the table in docs/memcached.md that tells of them."""

import pytest

from tests.support.conformance import Conformance
from tests.support.conformance_table import HEAD, conformance_table
from tests.support.memcached_clients import IS_MISSING
from tests.support.processes import REPOSITORY

PAGE = (REPOSITORY / "docs" / "memcached.md").read_text("utf-8")


@pytest.fixture(scope="module")
def conformance(tmp_path_factory: pytest.TempPathFactory) -> Conformance:
    """Each run is made once for all tests."""
    return Conformance(tmp_path_factory.mktemp("conformance"))


def test_memccapable(conformance: Conformance) -> None:
    """libmemcached's own test of servers, whole."""
    assert conformance.memccapable.failed == ()


def test_pymemcache_s_own_tests(conformance: Conformance) -> None:
    """All that its wheel ships."""
    assert conformance.pymemcache_tests.failed == ()


def test_clients_in_python(conformance: Conformance) -> None:
    """pymemcache and pylibmc, each with a round of its methods, whose answers are checked there."""
    assert [found.what for found in conformance.python_clients] == [
        name for name in ("pymemcache", "pylibmc") if name not in IS_MISSING
    ]


def test_php(conformance: Conformance) -> None:
    """Its extension, sessions included; each answer is checked there."""
    assert conformance.php.failed == ()


def test_the_page_shows_what_was_found(conformance: Conformance) -> None:
    """Row by row: refresh it with python -m tests.support.conformance_table."""
    rows = PAGE.partition("\n## Conformance\n")[2].partition(HEAD)[2].splitlines(keepends=True)
    shown = [row for row in rows if row.split(" | ")[0].removeprefix("| ") not in IS_MISSING]
    assert HEAD + "".join(shown) == conformance_table(conformance.findings)
