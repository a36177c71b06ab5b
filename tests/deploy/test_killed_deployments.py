"""``n2k deploy``, killed or refused at any point: the next run finds all that was written, and nothing stays after --remove."""

import contextlib
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from n2k_fcgi.cli import group
from n2k_fcgi.deploy import notes
from tests.support.hosting import REPOSITORY, Account
from tests.support.passenger import app_of
from tests.support.processes import eventually

MINE = b"# mine\r\nOptions -Indexes\n"
KINDS = ("fcgid", "cgi", "passenger")
REFUSED = 82

CALLS = ("mkdir", "rmdir", "unlink", "rename", "openat", "write", "chmod", "fchmod", "utimensat")
"""The system calls by which Python changes the disk."""

FEWEST = {"--remove": 4, "--as": 12}
"""Of calls that change the disk in one run: fewer would mean that they are not seen."""


@pytest.fixture
def account(tmp_path: Path) -> Account:
    """A home with data, and lines of the owner's in the folder for n2k."""
    made = Account(tmp_path / "home")
    made.site /= "n2k"
    made.site.mkdir()
    made.htaccess.write_bytes(MINE)
    return made


def written(account: Account) -> list[Path]:
    """The folders that a deployment writes to."""
    return [account.site, app_of(account), account.home / "app"]


def tree(account: Account) -> dict[str, bytes | None]:
    """All that is in them."""
    places = [path for folder in written(account) if folder.exists() for path in (folder, *folder.rglob("*"))]
    return {str(path.relative_to(account.home)): path.read_bytes() if path.is_file() else None for path in places}


def put_back(account: Account, kept: Path) -> None:
    """Make them what they were when they were copied to *kept*."""
    for folder in written(account):
        shutil.rmtree(folder, ignore_errors=True)
        if (kept / folder.name).exists():
            shutil.copytree(kept / folder.name, folder)


def keep(account: Account, kept: Path) -> Path:
    """Copy them to *kept*."""
    for folder in written(account):
        if folder.exists():
            shutil.copytree(folder, kept / folder.name)
    return kept


def tried(account: Account, *arguments: str) -> Result:
    """``n2k deploy`` in this process, which has found out once what takes long."""
    return CliRunner().invoke(group, ["--dir", str(account.data), "deploy", *arguments, str(account.site)])


def run(account: Account, *arguments: str) -> None:
    """The same, which must succeed."""
    done = tried(account, *arguments)
    assert done.exception is None, done.exception


def traced(account: Account, options: list[str], arguments: tuple[str, ...]) -> int:
    """``n2k deploy`` in a process of its own, under strace; its exit code."""
    command = [account.python, "-m", "n2k_fcgi", "--dir", str(account.data), "deploy", *arguments, str(account.site)]
    env = {"PYTHONDONTWRITEBYTECODE": "1"}  # each run has the same calls
    return subprocess.run(
        ["strace", "-qq", *options, *command], cwd=REPOSITORY, env=env, capture_output=True, check=False
    ).returncode


def changes(account: Account, log: Path, arguments: tuple[str, ...]) -> list[tuple[str, int]]:
    """(system call, which one of its name) of every call that changes one of those folders."""
    assert traced(account, ["-y", "-o", str(log), "-e", f"trace={','.join(CALLS)}"], arguments) == 0
    seen, found = dict.fromkeys(CALLS, 0), []
    ours = re.compile("|".join(map(re.escape, map(str, written(account)))))
    for line in log.read_text(errors="replace").splitlines():
        call = line.partition("(")[0]
        if call not in seen:
            continue
        seen[call] += 1
        if ours.search(line) and (call != "openat" or "O_CREAT" in line) and not re.match(r"write\([12]<", line):
            found.append((call, seen[call]))
    assert len(found) >= FEWEST[arguments[0]], found
    return found


@pytest.mark.parametrize(
    ("first", "second"),
    [
        *((None, ("--as", kind)) for kind in KINDS),
        *((("--as", kind), ("--remove",)) for kind in KINDS),
        (("--as", "passenger"), ("--as", "cgi", "--name", "n2k.new")),
        (("--as", "fcgid", "--spread", "3"), ("--as", "passenger", "--app", "APP")),
    ],
    ids=lambda value: "-".join(value) if value else "new",
)
def test_a_kill_at_any_change_of_the_disk_leaves_nothing_that_is_lost(
    account: Account, tmp_path: Path, first: tuple[str, ...] | None, second: tuple[str, ...]
) -> None:
    """Then the same command works, and does what it always does; and --remove leaves the owner's lines, byte for byte."""
    second = tuple(str(account.home / "app") if word == "APP" else word for word in second)
    empty = tree(account)
    if first:
        run(account, *first)
    before = keep(account, tmp_path / "before")
    points = changes(account, tmp_path / "log", second)
    done = tree(account)
    for number, (call, which) in enumerate(points):
        put_back(account, before)
        inject = ["-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={which}"]
        assert traced(account, inject, second) == -signal.SIGKILL, f"{call} {which}"
        killed = keep(account, tmp_path / f"killed-{number}")
        run(account, *second)
        assert tree(account) == done, f"{call} {which}"
        put_back(account, killed)
        run(account, "--remove")
        assert tree(account) == empty, f"{call} {which}"


@pytest.mark.parametrize("odd", ["tmp", "tmp/restart.txt"])
def test_a_refused_deployment_leaves_no_application(account: Account, odd: str) -> None:
    """A file in the place of Passenger's folder, a folder in the place of its file: all is as it was, nothing answers."""
    app = app_of(account)
    if odd == "tmp":
        app.mkdir()
        (app / odd).write_text("mine")
    else:
        (app / odd).mkdir(parents=True)
    before = tree(account)
    done = account.run("deploy", "--as", "passenger", str(account.site))
    assert done.returncode == REFUSED and str(app / "tmp") in done.stderr
    assert tree(account) == before


def test_an_application_without_its_block_is_found(account: Account) -> None:
    """The owner has deleted .htaccess by hand: --remove takes the application in the usual folder, never another folder's."""
    run(account, "--as", "passenger")
    other = account.site.with_name("other")
    other.mkdir()
    account.htaccess.unlink()
    account.n2k("deploy", "--remove", str(other))
    assert (app_of(account) / "passenger_wsgi.py").exists()
    run(account, "--remove")
    assert not app_of(account).exists()


def test_folders_of_the_owners_stay(account: Account) -> None:
    """Empty ones, too, which were there before the deployment."""
    (app_of(account) / "tmp").mkdir(parents=True)
    before = tree(account)
    run(account, "--as", "passenger")
    run(account)  # a second time it is not taken for one of ours
    run(account, "--remove")
    assert tree(account) == before


def test_notes_are_believed_as_far_as_the_application_says_the_same(account: Account) -> None:
    """Moved here from another folder, by whoever may write to both, they take nothing from that one."""
    run(account, "--as", "passenger")
    other = account.site.with_name("other")
    other.mkdir()
    app = app_of(account)
    with notes.noting(account.site) as held:
        held.add([app / "passenger_wsgi.py", app, app / "tmp"])
        shutil.copy(account.site / notes.FILE, other / notes.FILE)
    account.n2k("deploy", "--remove", str(other))
    assert (app / "passenger_wsgi.py").exists() and list(other.iterdir()) == []


@pytest.mark.parametrize("command", [("--as", "cgi"), ("--remove",)])
@pytest.mark.parametrize("way", ["open", "link", "folder"])
def test_notes_that_others_may_have_written_are_not_read(account: Account, command: tuple[str, ...], way: str) -> None:
    """It is refused, with the path, and nothing changes."""
    path = account.site / notes.FILE
    if way == "open":
        path.touch()
        path.chmod(0o666)
    elif way == "link":
        (account.home / "list").touch()
        path.symlink_to(account.home / "list")
    else:
        path.mkdir()
    before = tree(account)
    done = account.run("deploy", *command, str(account.site))
    assert done.returncode in {REFUSED, 88} and str(path) in done.stderr
    assert tree(account) == before


def test_two_runs_in_one_folder_are_one_after_the_other(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits for the first; after a while it is refused."""
    command = [account.python, "-m", "n2k_fcgi", "--dir", account.data, "deploy", "--as", "cgi", account.site]
    path = account.site / notes.FILE
    with contextlib.ExitStack() as ends:
        first = ends.enter_context(contextlib.ExitStack())
        first.enter_context(notes.noting(account.site))
        second = ends.enter_context(subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE))
        ends.callback(second.kill)
        descriptors = Path(f"/proc/{second.pid}/fd")
        assert eventually(lambda: any(each.exists() and each.samefile(path) for each in descriptors.iterdir()))
        assert sorted(each.name for each in account.site.iterdir()) == [".htaccess", notes.FILE]
        monkeypatch.setattr(notes, "PATIENCE", 0.1)
        assert "another 'n2k deploy' is at work in this folder" in str(tried(account, "--as", "fcgid").exception)
        first.close()
        assert second.wait(60) == 0
    assert sorted(each.name for each in account.site.iterdir()) == [".htaccess", "n2k.cgi"]
