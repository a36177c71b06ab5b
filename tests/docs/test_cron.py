"""The crontab lines of the documentation, run as by cron, with our own web server."""

import bz2
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.commands import N2K, PEOPLE, Commands, Done
from tests.support.processes import REPOSITORY
from tests.support.sandbox import GOVERNOR, csv
from tests.support.web_server import Answer, file, sent, web_server

LINES = [
    line.split(maxsplit=5)
    for page in ("docs/cron.md", "README.md")
    for block in re.findall(r"```crontab\n(.*?)```", (REPOSITORY / page).read_text("utf-8"), re.DOTALL)
    for line in block.splitlines()
]
"""Five fields of time and the command, each."""

DUMP = bz2.compress(PEOPLE)
TODAY = bz2.compress(PEOPLE + csv(("11111111-1111-4111-8111-111111111111", "New Comer")).encode())
DUMP_PATH = "/name2key.csv.bz2"


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """Serve *answer* at the address of the dump; yield the root address."""
    with web_server() as web:
        web.paths[DUMP_PATH] = answer
        yield web.url("")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Commands]:
    """A home with the command at the path of the line, and yesterday's data; one retry per night; checked afterwards."""
    (tmp_path / "n2k" / "bin").mkdir(parents=True)
    (tmp_path / "n2k" / "bin" / "n2k").symlink_to(N2K)
    commands = Commands(tmp_path / "n2k-data")
    commands.has_people()
    (commands.data_dir / "n2k.ini").write_text("[n2k]\nupdate_tries = 1\n")
    yield commands
    assert commands("check").code == 0


def _as_cron(home: Commands, command: str, url: str) -> Done:
    """Run *command* in cron's environment, from the home, with *url* in place of the example's host."""
    line = command.replace("https://example.org", url)
    assert line != command and "%" not in line
    bare = ["env", "-i", f"HOME={home.data_dir.parent}", "PATH=/usr/bin:/bin", "/bin/sh", "-c", line]
    done = subprocess.run(bare, cwd=home.data_dir.parent, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    return Done(done.returncode, done.stdout, done.stderr)


every_line = pytest.mark.parametrize("line", LINES, ids=[f"{i}" for i in range(len(LINES))])


def test_lines_are_there() -> None:
    """The page has the update, a streamed one, and an import from a pipe, README has one; each at a time of night."""
    assert len(LINES) == 4
    assert all(re.fullmatch(r"[1-5]?[0-9] [0-7] \* \* \*", " ".join(line[:5])) for line in LINES)


@every_line
def test_a_good_night(home: Commands, line: list[str]) -> None:
    """The new dump is live, and there is no output: cron mails nothing."""
    before = home.live()
    with serving(file(TODAY)) as url:
        done = _as_cron(home, line[5], url)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert home.live() > before
    assert home("lookup", "new.comer", GOVERNOR).code == 0


REFUSALS = {
    "not found": (sent(b"no such file\n", 404), {64, 70}),
    "cut": (sent(DUMP[:-10], length=len(DUMP)), {61, 70}),
    "cut, and nobody says so": (sent(DUMP[:-10]), {61}),
    "a web page": (sent(b"<html><body>Please log in</body></html>"), {62, 71}),
    "nothing": (sent(b""), {64}),
    "half the world": (sent(bz2.compress(PEOPLE[: PEOPLE.index(b"\n") + 1])), {69}),
}


def _data(home: Commands) -> dict[str, str]:
    """The data directory without the lock file, which is empty and kept."""
    return {name: content for name, content in home.contents().items() if name != "update.lock"}


@every_line
@pytest.mark.parametrize(("answer", "codes"), REFUSALS.values(), ids=REFUSALS)
def test_a_bad_night(home: Commands, line: list[str], answer: Answer, codes: set[int]) -> None:
    """For an incomplete dump: a message and an exit code, and every file of the data is as before."""
    before = _data(home)
    with serving(answer) as url:
        done = _as_cron(home, line[5], url)
    assert done.code in codes and done.out == "", done
    assert _data(home) == before
    messages = done.err.splitlines()
    assert re.match(r"curl: \(\d+\) |n2k: .*othing was imported", messages[-1])
    assert len(messages) == 1 or "|" in line[5]  # through a pipe both ends complain


def test_no_server(home: Commands) -> None:
    """When the host is down the update says so in one line."""
    with socket.socket() as silent:  # it has the port, so that nobody else can listen there, and does not listen either
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = _as_cron(home, LINES[0][5], url)
    assert done.code == 70 and done.err == f"n2k: cannot fetch {url}{DUMP_PATH}: Connection refused; nothing was imported\n"


def test_the_same_dump_twice(home: Commands) -> None:
    """The update keeps the web server's time, and does not fetch an unchanged dump again."""
    with serving(file(TODAY)) as url:
        _as_cron(home, LINES[0][5], url)
        before = home.contents()
        done = _as_cron(home, LINES[0][5], url)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert home.contents() == before
    assert "as of: 2026-05-28T20:26:40Z\n" in home("stats").out
