"""Every way to be started with standard input, output or error closed: nothing of ours gets the descriptor and what is written.

A web server or a supervisor may close them; FastCGI's specification permits it of output and error (2.2).
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from n2k_fcgi.errors import NoMemory
from tests.support.asking import over_http
from tests.support.coverage import measured
from tests.support.fastcgi_client import Address, Client, get, variables
from tests.support.foreground import free_port
from tests.support.golden import Golden, prepare
from tests.support.hosting import Account
from tests.support.memcached import Client as Memcached
from tests.support.processes import REPOSITORY, SECONDS, eventually, listening, running

OLD, NEW = (f"{digit * 8}-2222-4333-8444-000000000001" for digit in "12")
REGISTER = f"/touch/?name=New+One&key={NEW}"
NOWHERE = os.devnull


def closing(how: str, *command: object) -> list[str]:
    """*command* by a shell that closes streams before."""
    return ["sh", "-c", f"exec {shlex.join(map(str, command))} {how}"]


def streams(pid: int | str) -> list[str]:
    """What descriptors 0, 1 and 2 of a process are."""
    return [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)]


@pytest.fixture
def account(tmp_path: Path) -> Account:
    """A customer with a capture of before and both scripts, each in a folder of its own."""
    account = Account(tmp_path / "home")
    account.n2k("register", "Old Capture", OLD)
    for kind in ("cgi", "fcgid"):
        (account.site / kind).mkdir()
        account.n2k("deploy", "--as", kind, str(account.site / kind))
    return account


def by_cgi(account: Account, script: str, how: str, **more: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a script for one request, with streams closed."""
    return subprocess.run(
        closing(how, account.site / script),
        env={**measured(), **variables(more.pop("uri", REGISTER)), "HTTP_X_N2K_TOKEN": account.token, **more},
        input=f"name=New+One&key={NEW}".encode(),
        capture_output=True,
        timeout=SECONDS,
    )


@pytest.mark.parametrize("script", ["cgi/n2k.cgi", "fcgid/dispatch.fcgi"])
@pytest.mark.parametrize("how", ["<&- >&-", ">&-", "<&- >&- 2>&-", "2>&-", ">&- 2>&-", ">/dev/full", "1</dev/null 2>&-"])
def test_an_answer_of_cgi_goes_into_no_file_of_ours(account: Account, script: str, how: str) -> None:
    """The registration is stored beside the old one; no file has the answer; a lost answer is one line of the log."""
    done = by_cgi(account, script, how)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"Status: 200 OK") == (how == "2>&-")
    files = [path for path in account.data.rglob("*") if path.is_file()]
    assert [path.name for path in files if b"Status: " in path.read_bytes()] == []
    log = account.data / "log" / "n2k.log"
    assert (log.exists() and log.read_text().count("an answer could not be written")) == (how != "2>&-")
    assert account.n2k("lookup", "old.capture", "new.one").split("\t")[1::2][:2] == [OLD, NEW]
    account.n2k("check")


@pytest.mark.parametrize("how", ["<&-", "<&- 2>&-", "0>/dev/null"])
def test_a_body_that_cannot_be_read_is_answered_as_an_empty_one(account: Account, how: str) -> None:
    """A POST gets its answer, which says what is missing, and no traceback."""
    form = {"REQUEST_METHOD": "POST", "CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": "60"}
    done = by_cgi(account, "cgi/n2k.cgi", how, uri="/touch", **form)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"Status: 400 ")


def test_a_worker_without_output_and_error(account: Account, tmp_path: Path) -> None:
    """It registers, answers and ends as any other, and no file of ours has one of the three descriptors."""
    command = closing(">&- 2>&-", account.site / "fcgid" / "dispatch.fcgi")
    with listening(tmp_path) as bound, running(command, stdin=bound, stderr=None) as process:
        address = str(tmp_path / "socket")
        assert get(address, REGISTER, HTTP_X_N2K_TOKEN=account.token).status == "200 OK"
        assert get(address, "/?name=new.one").body == NEW.encode()
        assert streams(process.pid)[1:] == [NOWHERE, NOWHERE]
        process.terminate()
        assert process.wait(SECONDS) == 0


HOSTED = """
import json, os, sys
from n2k_fcgi.servers.hosted import HostedApplication
from tests.support.asking import wsgi

ask = wsgi(HostedApplication(data_dir=sys.argv[1]))
for fd in range(3):
    os.close(fd)
status = ask("GET", sys.argv[3], {"X-N2K-Token": sys.argv[4]}, b"").status
told = [status, *(os.readlink(f"/proc/self/fd/{fd}") for fd in range(3))]
with open(sys.argv[2], "w") as file:
    json.dump(told, file)
os._exit(0)
"""


def test_inside_a_server_that_closed_them(account: Account, tmp_path: Path) -> None:
    """Python has not noticed, since they were closed later; they are occupied before the first file is opened."""
    told = tmp_path / "told"
    command = [sys.executable, "-c", HOSTED, str(account.data), str(told), REGISTER, account.token]
    subprocess.run(command, cwd=REPOSITORY, env=measured(), capture_output=True, timeout=SECONDS, check=True)
    assert told.read_text() == f'[200, "{NOWHERE}", "{NOWHERE}", "{NOWHERE}"]'


NO_MEMORY = """
held = None

def main(path):
    global held
    held = open(path, "w")
    raise MemoryError
"""


@pytest.mark.parametrize("how", ["<&- >&-", ">&- 2>&-", "<&- >&- 2>&-", ">/dev/full 2>/dev/full"])
def test_a_start_without_memory_writes_into_no_file(tmp_path: Path, how: str) -> None:
    """What it says then is for the streams alone, and that they are closed or full does not change its exit code."""
    (tmp_path / "greedy.py").write_text(NO_MEMORY)
    opened = tmp_path / "opened"
    code = f"from n2k_fcgi.start import run; run('greedy', path={str(opened)!r})"
    path = os.pathsep.join((str(tmp_path), str(REPOSITORY)))
    done = subprocess.run(
        closing(how, sys.executable, "-c", code),
        env={**measured(), **variables("/"), "PYTHONPATH": path},
        capture_output=True,
        timeout=SECONDS,
    )
    assert (done.returncode, opened.read_bytes()) == (NoMemory.exit_code, b"")


@pytest.fixture
def golden(tmp_path: Path) -> Golden:
    """A data directory."""
    return prepare(tmp_path / "data")


@contextmanager
def begun(golden: Golden, *arguments: object) -> Iterator["subprocess.Popen[bytes]"]:
    """An ``n2k`` command as a supervisor begins it that has closed all three streams."""
    command = closing("<&- >&- 2>&-", sys.executable, "-m", "n2k_fcgi", "--dir", golden.data_dir, *arguments)
    with running(command, stdin=None, stderr=None) as process:
        yield process
        assert streams(process.pid) == [NOWHERE] * 3
        process.terminate()
        assert process.wait(SECONDS) == 0


def accepts(address: Address) -> bool:
    """Whether somebody listens there."""
    try:
        with Client(address):
            return True
    except OSError:
        return False


def test_the_command_fcgi(golden: Golden, tmp_path: Path) -> None:
    """It serves, and writes what is registered into the captures alone."""
    socket = tmp_path / "fcgi.sock"
    with begun(golden, "fcgi", "--socket", socket):
        token = golden.placeholders["{TOKEN}"]
        assert eventually(lambda: accepts(str(socket)))
        assert get(str(socket), REGISTER, HTTP_X_N2K_TOKEN=token).status == "200 OK"
        assert get(str(socket), "/?name=new.one").body == NEW.encode()


def test_the_command_memcached(golden: Golden, tmp_path: Path) -> None:
    """It serves a namespace."""
    socket = tmp_path / "memcached.sock"
    with begun(golden, "memcached", "--listen", f"unix:{socket}", "--namespace", "shop"):
        assert eventually(lambda: accepts(str(socket)))
        with Memcached(str(socket)) as client:
            assert client.ask(b"mn\r\n") == b"MN\r\n"


def test_the_command_serve(golden: Golden) -> None:
    """It serves although nobody reads the address that it prints: a supervisor has given the port."""
    port = free_port()
    with begun(golden, "serve", "--port", port):
        assert eventually(lambda: accepts(("127.0.0.1", port)))
        asked = over_http("127.0.0.1", port)("GET", REGISTER, {"X-N2K-Token": golden.placeholders["{TOKEN}"]}, b"")
        assert asked.status == 200
