"""``n2k deploy --remove``: our files are removed, the owner's are kept, and the workers end."""

import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from n2k_fcgi.deploy import workers
from n2k_fcgi.deploy.replacing import LARGEST
from tests.support.apache import apache
from tests.support.hosting import Account
from tests.support.parallel import in_parallel
from tests.support.processes import SECONDS, eventually

REFUSED = 88


@pytest.fixture
def account(tmp_path: Path) -> Account:
    """A home with data and an empty folder for n2k in its site."""
    made = Account(tmp_path / "home")
    made.site /= "n2k"
    made.site.mkdir()
    return made


def removed(account: Account) -> str:
    """Remove it, expecting success; return what was printed."""
    return account.n2k("deploy", "--remove", str(account.site))


def test_nothing_is_left_of_a_deployment(account: Account) -> None:
    """Script and .htaccess are removed and named; the folder is empty, the data is complete."""
    account.n2k("deploy", str(account.site))
    assert removed(account).splitlines() == [f"removed: {account.htaccess}", f"removed: {account.script}"]
    assert list(account.site.iterdir()) == []
    assert account.n2k("lookup", "masakazu.kojima")


@pytest.mark.parametrize("before", [b"# mine\n", b"Deny from 192.0.2.1\r\n# caf\xe9\r\n", b"\n\nOptions -Indexes\n"])
def test_the_owners_lines_stay(account: Account, before: bytes) -> None:
    """Lines above the block, and later ones below it, keep every byte, and the file its mode."""
    account.htaccess.write_bytes(before)
    account.htaccess.chmod(0o640)
    account.n2k("deploy", str(account.site))
    below = b"# below, mine too\n"
    account.htaccess.write_bytes(account.htaccess.read_bytes() + below)
    assert f"block removed from: {account.htaccess}" in removed(account)
    assert account.htaccess.read_bytes() == before + below
    assert stat.S_IMODE(account.htaccess.stat().st_mode) == 0o640
    assert not account.script.exists()


def test_a_last_line_without_an_end_has_none_afterwards(account: Account) -> None:
    """Not after a second deployment, either; lines below the block begin on a line of their own."""
    account.htaccess.write_bytes(before := b"# mine\nOptions -Indexes")
    account.n2k("deploy", "--as", "fcgid", str(account.site))
    assert account.htaccess.read_bytes().startswith(before + b"\n# BEGIN n2k_fcgi\n")
    assert account.n2k("deploy", str(account.site)).count("unchanged: ") == 2
    account.n2k("deploy", "--as", "cgi", str(account.site))
    deployed = account.htaccess.read_bytes()
    removed(account)
    assert account.htaccess.read_bytes() == before
    account.htaccess.write_bytes(deployed + b"# below\n")
    removed(account)
    assert account.htaccess.read_bytes() == before + b"\n# below\n"


@pytest.mark.parametrize("end", [b"\\", b"\\\n", b"\\\r\n"])
def test_a_line_that_goes_on_is_not_continued_by_the_block(account: Account, end: bytes) -> None:
    """Apache would take the block's first line for a part of it: refused, nothing changes; --remove works nevertheless."""
    account.htaccess.write_bytes(before := b"# mine " + end)
    done = account.run("deploy", "--as", "fcgid", str(account.site))
    assert done.returncode == 82 and "above our block ends with a backslash" in done.stderr
    assert account.htaccess.read_bytes() == before and [each.name for each in account.site.iterdir()] == [".htaccess"]
    account.htaccess.write_bytes(before.removesuffix(b"\n") + b"\n# BEGIN n2k_fcgi\n# END n2k_fcgi\n")
    assert account.run("deploy", "--as", "fcgid", str(account.site)).returncode == 82
    removed(account)
    assert account.htaccess.read_bytes() == before.removesuffix(b"\n") + b"\n"


def test_rules_that_would_become_too_large_are_refused(account: Account) -> None:
    """Neither a later deployment nor --remove would read them: nothing is written."""
    account.htaccess.write_bytes(before := b"# mine\n" * (LARGEST // 7))
    done = account.run("deploy", "--as", "fcgid", str(account.site))
    assert done.returncode == 82 and f".htaccess would be larger than {LARGEST} bytes" in done.stderr
    assert account.htaccess.read_bytes() == before and [each.name for each in account.site.iterdir()] == [".htaccess"]


def test_a_block_of_an_unknown_kind_can_be_removed(account: Account) -> None:
    """A later version may have written it: deploy and the doctor say so, --remove takes it away."""
    account.htaccess.write_text("# mine\n# BEGIN n2k_fcgi\n# Kind: wsgi\n# END n2k_fcgi\n")
    for options in ((), ("--as", "cgi")):
        done = account.run("deploy", *options, str(account.site))
        assert done.returncode == 82 and "a kind that is unknown here, 'wsgi': use --remove" in done.stderr
    assert "a kind that is unknown here" in account.run("doctor", "--web-dir", str(account.site)).stdout
    removed(account)
    assert account.htaccess.read_text() == "# mine\n"


def test_other_files_stay(account: Account) -> None:
    """The dispatch.fcgi of another program, pages, an editor's backups of them."""
    mine = {"other.fcgi": "#!/bin/sh\necho mine\n", "index.html": "page", "notes": "# Written by 'n2k deploy', I read\n"}
    account.n2k("deploy", str(account.site))
    for name, text in mine.items():
        (account.site / name).write_text(text)
    removed(account)
    assert {file.name: file.read_text() for file in account.site.iterdir()} == mine


def test_every_script_of_ours_goes_whatever_its_name(account: Account) -> None:
    """One that the block does not name, such as a copy by hand, is removed, too."""
    account.n2k("deploy", str(account.site), "--name", "n2k.fcgi")
    shutil.copy(account.site / "n2k.fcgi", account.site / "copy")
    removed(account)
    assert list(account.site.iterdir()) == []


def test_a_second_time_there_is_nothing_to_do(account: Account) -> None:
    """It says so, and succeeds."""
    account.n2k("deploy", str(account.site))
    removed(account)
    assert removed(account) == f"nothing of 'n2k deploy' is in {account.site}\n"


@pytest.mark.parametrize("gone", ["data", "settings", "script"])
def test_it_needs_nothing_but_the_folder(account: Account, gone: str) -> None:
    """With the data deleted, the settings invalid or the script deleted by hand, the rest is removed all the same."""
    account.n2k("deploy", str(account.site))
    if gone == "data":
        shutil.rmtree(account.data)
    elif gone == "settings":
        account.settings("no_such_setting = 1")
    else:
        account.script.unlink()
    removed(account)
    assert list(account.site.iterdir()) == []


@pytest.mark.parametrize("marks", [b"# BEGIN n2k_fcgi\n", b"# END n2k_fcgi\n# BEGIN n2k_fcgi\n", b"# END n2k_fcgi\n"])
def test_broken_marks_are_left_to_their_owner(account: Account, marks: bytes) -> None:
    """The beginning and the end of the block are never guessed: nothing is changed, the script is kept."""
    account.n2k("deploy", str(account.site))
    account.htaccess.write_bytes(b"# mine\n" + marks + b"# mine\n")
    done = account.run("deploy", "--remove", str(account.site))
    assert done.returncode == REFUSED and "not removed: .htaccess must have" in done.stderr
    assert account.script.exists() and marks in account.htaccess.read_bytes()


@pytest.mark.measured
def test_a_missing_folder_is_said(account: Account) -> None:
    """A mistyped folder is not treated as an empty one."""
    done = account.run("deploy", "--remove", str(account.site / "nowhere"))
    assert done.returncode == REFUSED and "no such folder" in done.stderr


@pytest.mark.parametrize("option", [("--name", "x.fcgi"), ("--spread", "2"), ("--yes",), ("--as", "cgi"), ("--patient",)])
def test_options_of_the_other_way_round_are_refused(account: Account, option: tuple[str, ...]) -> None:
    """--remove finds our files by itself."""
    done = account.run("deploy", "--remove", *option, str(account.site))
    assert done.returncode == 2 and "--remove takes no other option" in done.stderr


@pytest.mark.measured
def test_the_site_is_as_before_and_the_workers_are_gone(account: Account) -> None:
    """Under a real Apache: both workers end at once, the pages of the folder are served again, and no worker is started."""
    (account.site / "page.html").write_text("page")
    account.n2k("deploy", str(account.site), "--yes")
    with apache(account.site.parent) as server:

        def two() -> bool:
            in_parallel(4, lambda _: server.get("/n2k/?name=masakazu.kojima"))
            return len(server.ready_workers(account.script)) == 2

        assert eventually(two)
        assert server.get("/n2k/page.html").status == 404
        pids = server.workers(account.script)
        printed = removed(account)
        assert all(str(pid) in printed.partition("stopped: workers ")[2] for pid in pids)
        assert server.workers(account.script) == []
        assert server.get("/n2k/page.html").body == b"page"
        assert server.get("/n2k/health").status == 404
        assert server.workers(account.script) == []


def test_a_script_deleted_by_hand_is_404_everywhere_until_the_rest_goes_too(account: Account) -> None:
    """The block rewrites to a missing script: the doctor says so, and --remove fixes it."""
    (account.site / "page.html").write_text("page")
    account.n2k("deploy", str(account.site), "--yes")
    with apache(account.site.parent) as server:
        assert server.get("/n2k/health").status == 200
        account.script.unlink()
        assert {server.get(f"/n2k/{name}").status for name in ("", "page.html", "health")} == {404}
        found = account.run("doctor", f"{server.url}/n2k/", "--web-dir", str(account.site)).stdout
        assert "problem  address: 404: there is no such page" in found
        assert f"problem  script: {account.script} is missing" in found and "--remove" in found
        assert "stopped: workers" in removed(account)
        assert server.get("/n2k/page.html").body == b"page"


def test_an_editor_with_the_script_open_is_no_worker(account: Account) -> None:
    """Only a process INTERPRETER -I SCRIPT is stopped; a worker of another folder is not."""
    account.n2k("deploy", str(account.site))
    other = account.site.parent / "other"
    other.mkdir()
    account.n2k("deploy", str(other))
    wait = "import time, sys; time.sleep(600)"
    started = [
        subprocess.Popen([sys.executable, "-c", wait, str(account.script)]),
        subprocess.Popen([sys.executable, "-I", "-c", wait, str(account.script)]),
        subprocess.Popen(["tail", "-f", str(account.script)], stdout=subprocess.DEVNULL),
    ]
    try:
        assert "stopped" not in removed(account)
        assert [process.poll() for process in started] == [None] * 3
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_workers_are_known_by_where_their_script_lies(account: Account, tmp_path: Path) -> None:
    """Also if it was started through a link to the folder, or by a relative name."""
    account.script.write_text("import signal\nprint(flush=True)\nsignal.pause()\n")
    (tmp_path / "link").symlink_to(account.site)
    for name, place in ((f"{tmp_path}/link/dispatch.fcgi", "/"), ("dispatch.fcgi", str(account.site))):
        with subprocess.Popen([sys.executable, "-I", name], cwd=place, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None and process.stdout.readline()
            assert workers.stop(workers.workers_of([account.script])) == ([process.pid], [])
            assert process.wait(SECONDS) == -signal.SIGTERM


def test_a_worker_that_does_not_end_is_said(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while it is reported as still running."""
    monkeypatch.setattr(workers, "PATIENCE", 0.2)
    account.script.write_text("import signal\nsignal.signal(15, signal.SIG_IGN)\nprint(flush=True)\nsignal.pause()\n")
    with subprocess.Popen([sys.executable, "-I", account.script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline()
        assert workers.stop(workers.workers_of([account.script])) == ([], [process.pid])
        os.kill(process.pid, signal.SIGKILL)


BODY = b"name=In+Flight&key=11111111-2222-4333-8444-0000000000ff"


@pytest.mark.parametrize("command", [("--as", "fcgid"), (), ("--remove",)], ids=["kind", "upgrade", "remove"])
def test_a_request_by_cgi_is_answered_whatever_is_deployed_meanwhile(account: Account, command: tuple[str, ...]) -> None:
    """Half of a registration has been sent: the process is not ended, and answers the whole."""
    account.n2k("deploy", "--as", "cgi", str(account.site))
    script = account.site / "n2k.cgi"
    variables = {
        **{"REQUEST_METHOD": "POST", "SCRIPT_NAME": "/n2k", "PATH_INFO": "/touch", "QUERY_STRING": ""},
        **{"REMOTE_ADDR": "192.0.2.1", "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "example.com", "SERVER_PORT": "80"},
        **{"CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": str(len(BODY))},
        "HTTP_X_N2K_TOKEN": account.token,
    }
    with subprocess.Popen([script], env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(BODY[:10])
        process.stdin.flush()
        pipe = process.stdin.fileno()
        assert eventually(lambda: not any(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))))  # the half has been read
        if not command:
            script.write_text(script.read_text() + "# as an older version wrote it\n")
        assert "stopped" not in account.n2k("deploy", *command, str(account.site))
        answer = process.communicate(BODY[10:])[0]
    assert process.returncode == 0 and answer.startswith(b"Status: 20"), answer


def test_a_process_that_got_the_number_of_a_worker_is_let_be() -> None:
    """Between the look and the signal the worker has ended, and another program has its number."""
    with subprocess.Popen(["sleep", "600"]) as other:
        found = workers.Worker(other.pid, Path("/nowhere/dispatch.fcgi"), begun=b"1")
        assert workers.stop([found]) == ([other.pid], [])
        assert other.poll() is None
        other.kill()
