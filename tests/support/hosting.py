"""A customer's account on a shared host: a home with data outside the web, a folder for the site, the ``n2k`` command."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.coverage import measured
from tests.support.golden import Golden, prepare

REPOSITORY = Path(__file__).parents[2]


class Account:
    """``home/n2k-data`` and ``home/example.com``, with the golden avatars imported and ``n2k init`` done."""

    def __init__(self, home: Path, python: str = sys.executable) -> None:
        self.home = home
        self.python = python
        """What runs its commands."""
        self.data = home / "n2k-data"
        self.site = home / "example.com"
        self.site.mkdir(parents=True)
        self.golden: Golden = prepare(self.data)
        self.data.chmod(0o700)
        (self.data / "token").write_text(self.golden.placeholders["{TOKEN}"] + "\n")
        (self.data / "token").chmod(0o600)

    @property
    def token(self) -> str:
        """A token that may register."""
        return self.golden.placeholders["{TOKEN}"]

    @property
    def script(self) -> Path:
        """What ``deploy`` writes into the site's folder."""
        return self.site / "dispatch.fcgi"

    @property
    def htaccess(self) -> Path:
        """The site's rules."""
        return self.site / ".htaccess"

    def run(self, *arguments: str, env: Mapping[str, str] | None = None, text: str = "") -> "subprocess.CompletedProcess[str]":
        """Run ``n2k`` on this account's data, whatever comes of it."""
        return subprocess.run(
            [self.python, "-m", "n2k_fcgi", "--dir", str(self.data), *arguments],
            cwd=REPOSITORY,
            env={"PATH": os.environ["PATH"], **measured(), **(env or {})},
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def n2k(self, *arguments: str, text: str = "") -> str:
        """Run ``n2k`` and expect success; what it prints."""
        done = self.run(*arguments, text=text)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def settings(self, text: str) -> None:
        """Write the data directory's settings file."""
        (self.data / "n2k.ini").write_text(f"[n2k]\n{text}\n")
