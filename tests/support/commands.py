"""The ``n2k`` command as a user runs it: the installed script, in a process and an environment of its own."""

import codecs
import fcntl
import hashlib
import os
import pty
import select
import shutil
import subprocess
import sys
import termios
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, ClassVar

from n2k_fcgi.files import PRIVATE
from tests.support.coverage import measured
from tests.support.processes import SECONDS, eventually
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, csv
from tests.support.warm import USUAL, Warm

N2K = Path(sys.executable).with_name("n2k")
PEOPLE = csv((GOVERNOR, "Governor Linden"), (MASAKAZU, "Masakazu Kojima"), (USERNAME, "Username Resident")).encode()
"""A small dump."""


class Done:
    """What a command left: exit code, standard output and error as text."""

    def __init__(self, code: int, out: bytes, err: bytes) -> None:
        self.code = code
        self.raw = out
        self.out = out.decode("utf-8", "replace")
        self.err = err.decode("utf-8", "replace")

    def __repr__(self) -> str:
        return f"<{self.code} out={self.out!r} err={self.err!r}>"


class Commands:
    """Runs ``n2k --dir DIR ...``; *data_dir* need not be there yet."""

    warm: ClassVar[Warm | None] = None
    """Starts most commands; None: each is started anew."""

    def __init__(self, data_dir: Path, people: Path | None = None) -> None:
        self.data_dir = data_dir
        self._people = people
        """A data directory into which the command imported PEOPLE, to be copied instead of doing so again."""
        self.variables: dict[str, str] = {}
        """Variables of each command's environment."""
        self.damaged = False
        """Set by a test that breaks the data on purpose: it is not checked then."""

    def __call__(self, *arguments: object, stdin: bytes = b"", **variables: str) -> Done:
        """Run one command to its end."""
        return self.bare("--dir", self.data_dir, *arguments, stdin=stdin, **variables)

    def bare(self, *arguments: object, stdin: bytes = b"", **variables: str) -> Done:
        """Run ``n2k`` without ``--dir``."""
        command, environment = [str(N2K), *map(str, arguments)], self.environment(**variables)
        told = warm.run(command, environment, stdin, SECONDS) if (warm := Commands.warm) else None
        if told:
            return Done(*told)
        done = subprocess.run(command, env=environment, input=stdin, capture_output=True, timeout=SECONDS)
        return Done(done.returncode, done.stdout, done.stderr)

    def environment(self, **variables: str) -> dict[str, str]:
        """No settings; any warning of Python ends a command."""
        usual = {"PATH": os.environ["PATH"], "HOME": str(self.data_dir.parent), **USUAL}
        return {**measured(), **usual, **self.variables, **variables}

    def command(self, *arguments: object) -> list[str]:
        """The words to start it by other means."""
        return [str(N2K), "--dir", str(self.data_dir), *map(str, arguments)]

    def put(self, name: str, content: str | bytes) -> None:
        """Write a file of the data directory, with the mode of those that are the owner's."""
        path = self.data_dir / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(PRIVATE.file)

    def begin_with(self, data_dir: Path) -> None:
        """Copy a data directory that no process has open."""
        shutil.copytree(data_dir, self.data_dir, ignore=shutil.ignore_patterns("*-lock"))

    def has_people(self) -> None:
        """Import PEOPLE."""
        if self._people and not self.data_dir.exists():
            self.begin_with(self._people)
            return
        done = self("import", "--as-of", "2026-01-02", "-", stdin=PEOPLE)
        assert done.code == 0, done

    def live(self) -> str:
        """The live generation; '' when there is none."""
        pointer = self.data_dir / "CURRENT"
        return pointer.read_text().strip() if pointer.exists() else ""

    def contents(self) -> dict[str, str]:
        """Every file below the data directory with a hash of what is in it; not the log, not LMDB's reader tables."""
        files = (path for path in sorted(self.data_dir.rglob("*")) if path.is_file())
        names = {str(path.relative_to(self.data_dir)): path for path in files}
        kept = {name: path for name, path in names.items() if not name.startswith("log/") and not name.endswith("-lock")}
        return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in kept.items()}


class Terminal:
    """The other end of a pseudo-terminal on which a command runs."""

    def __init__(self, fd: int, process: "subprocess.Popen[bytes]") -> None:
        self._fd = fd
        self.process = process
        self.seen = ""
        self._waited = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a read may end within a letter

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._fd, text.encode())

    def wait_for(self, text: str) -> str:
        """Read until *text* is shown after what was waited for before; everything up to and with it."""
        start = self._waited
        while text not in self.seen[start:]:
            assert self._read(), f"{text!r} was not shown, but {self.seen[start:]!r}"
        self._waited = self.seen.index(text, start) + len(text)
        return self.seen[start : self._waited]

    def interrupt(self) -> None:
        """Press Ctrl-C once the command waits for a key: before that readline notices it with the next key only."""
        stat = Path(f"/proc/{self.process.pid}/stat")
        assert eventually(lambda: stat.read_text().rpartition(")")[2].split()[0] == "S")
        self.type("\x03")

    def rest(self) -> str:
        """Everything until the command ends."""
        while self._read():
            pass
        assert self.process.wait(SECONDS) is not None
        return self.seen

    def _read(self) -> bool:
        if not select.select([self._fd], [], [], SECONDS)[0]:
            return False
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # how Linux says that the other end is closed
            return False
        self.seen += self._decoder.decode(data)
        return bool(data)


@contextmanager
def on_terminal(command: Sequence[str], environment: dict[str, str], stdin: IO[bytes] | None = None) -> Iterator[Terminal]:
    """Run *command* on a terminal, or its output only when *stdin* is given; killed at the end if it still runs."""
    ours, theirs = pty.openpty()

    def take_terminal() -> None:
        fcntl.ioctl(2, termios.TIOCSCTTY, 0)

    try:
        process = subprocess.Popen(
            command,
            env={**environment, "TERM": "xterm", "COLUMNS": "120"},
            stdin=theirs if stdin is None else stdin,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=take_terminal,
        )
        os.close(theirs)
        try:
            yield Terminal(ours, process)
        finally:
            process.kill()
            process.wait()
    finally:
        os.close(ours)
