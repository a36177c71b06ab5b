"""docs/reliability.md names existing tests."""

import re

from tests.support.processes import REPOSITORY

PAGE = (REPOSITORY / "docs" / "reliability.md").read_text("utf-8")


def test_every_test_that_the_page_names_is_there() -> None:
    """Files by their path, or by their name; functions by theirs."""
    code = {path: path.read_text("utf-8") for path in (REPOSITORY / "tests").rglob("test_*.py")}
    files = re.findall(r"`(?:tests/[a-z/]+/)?(test_[a-z_]+\.py)`", PAGE)
    functions = re.findall(r"`(test_[a-z_]+)`", PAGE)
    assert len(files) > 20 and len(functions) > 5
    assert set(files) <= {path.name for path in code}
    assert all((REPOSITORY / path).is_file() for path in re.findall(r"`(tests/[a-z_/]+\.py)`", PAGE))
    assert all(any(f"def {name}(" in text for text in code.values()) for name in functions)
