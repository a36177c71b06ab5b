"""Nightly dumps of some hundred avatars, as files and as commands."""

import subprocess
import sys
from pathlib import Path

from tests.support.sandbox import Sandbox, csv

ROWS = 600


def name_of(number: int, night: int) -> str:
    """The name of an avatar in a night: every hundredth is renamed each night, another one every time."""
    renamed = next((past for past in range(night, 0, -1) if number % 100 == past % 100), 0)
    return f"Avatar{number:05} Night{renamed}" if renamed else f"Avatar{number:05} Resident"


def key_of(number: int) -> str:
    """The key of an avatar."""
    return f"{number:08x}-0000-4000-8000-00000000000a"


def lines(night: int, rows: int = ROWS) -> str:
    """The dump of a night, sorted; every two hundredth avatar, none of those renamed, is not in it."""
    return csv(*((key_of(n), name_of(n, night)) for n in range(1, rows + 1) if night == 0 or n % 200 != (night + 50) % 200))


def as_of(night: int) -> int:
    """The time of a night, unix seconds."""
    return 1_700_000_000 + night * 86_400


def play(box: Sandbox, *nights: int) -> list[str]:
    """Import nights; return the generations' names."""
    return [box.import_text(lines(night), as_of=as_of(night)).manifest.name for night in nights]


def command(box: Sandbox, dump: Path, night: int, *options: str) -> list[str]:
    """The command that imports a night's dump, which is written to *dump*."""
    dump.write_text(lines(night))
    n2k = [sys.executable, "-m", "n2k_fcgi", "-q", "--dir", str(box.data_dir)]
    return [*n2k, "import", "--jobs", "1", "--as-of", str(as_of(night)), *options, str(dump)]


def killed_at(call: str, number: int, words: list[str]) -> int:
    """Run a command that SIGKILL ends at the *number*th system call of a kind; return its code, 0 if it has fewer."""
    inject = ["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"]
    done = subprocess.run(["strace", "-qq", "-o", "/dev/null", *inject, *words], capture_output=True, check=False, timeout=60)
    return done.returncode
