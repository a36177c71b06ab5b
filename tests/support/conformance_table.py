"""The table "Conformance" in docs/memcached.md, written from what was found: ``python -m tests.support.conformance_table``."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.conformance import Conformance, Finding

HEAD = """\
| What | How | Result |
|---|---|---|
"""


def conformance_table(findings: Sequence[Finding]) -> str:
    """Markdown, a row for each."""
    return HEAD + "".join(f"| {found.what} | {found.how} | {found.result} |\n" for found in findings)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write(conformance_table(Conformance(Path(folder)).findings))
