"""kill -9 of writers: every acknowledged write is there, and no version or number is given twice."""

import json
import os
import subprocess
import sys
from pathlib import Path

KILLS = int(os.environ.get("KILLS", "30"))
"""Rounds of two writers and a compaction; ``make test-long`` sets more."""


def test_killed_writers_lose_nothing(tmp_path: Path) -> None:
    """Whenever it hits them. The counters, the log and the rows say the same afterwards."""
    command = [sys.executable, "-m", "tests.support.killed_writers", str(tmp_path), str(KILLS)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=30 + 5 * KILLS)
    result = json.loads(done.stdout)
    assert result["problems"] == []
    assert result["rounds"] == KILLS and result["acknowledged"] >= 2 * KILLS


def test_killed_swaps_and_builds_lose_nothing(tmp_path: Path) -> None:
    """What was acknowledged is there: each write with the dataset that was live then, each dataset whole, the last swap."""
    command = [sys.executable, "-m", "tests.support.killed_swaps", str(tmp_path), str(KILLS)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=30 + 5 * KILLS)
    result = json.loads(done.stdout)
    assert result["problems"] == []
    assert result["rounds"] == KILLS and all(count >= KILLS for count in result["acknowledged"].values())
