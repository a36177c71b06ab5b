"""``n2k doctor``: each possible problem is made for real, and found."""

import os
import py_compile
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from n2k_fcgi import files
from n2k_fcgi.cli.examinations import installation, website
from n2k_fcgi.config import load
from n2k_fcgi.examinations import data
from n2k_fcgi.model.findings import Verdict
from tests.support.hosting import REPOSITORY, Account

FOUND = 83


@pytest.fixture
def account(tmp_path: Path) -> Account:
    """A home with data and no problem."""
    return Account(tmp_path / "home")


def diagnosis(account: Account, *arguments: str, env: dict[str, str] | None = None) -> tuple[int, dict[str, str]]:
    """(exit code, subject -> line) of ``n2k doctor``."""
    done = account.run("doctor", *arguments, env=env)
    lines = done.stdout.splitlines()
    return done.returncode, {line[9:].partition(":")[0]: line for line in lines}


def assert_found(account: Account, subject: str, word: str, *, env: dict[str, str] | None = None) -> None:
    """The doctor ends with code 83, and its line about *subject* has *word* and what to do."""
    code, lines = diagnosis(account, env=env)
    assert code == FOUND
    assert lines[subject].startswith("problem") and word in lines[subject]
    assert lines[subject].count(": ") >= 2


def test_finds_nothing_where_nothing_is_wrong(account: Account) -> None:
    """Exit code 0, a line for each check, and no problem."""
    code, lines = diagnosis(account)
    assert code == 0, lines
    assert not [line for line in lines.values() if line.startswith("problem")]
    expected = {
        "interpreter",
        "modules",
        "packages",
        "place",
        "compiled code",
        "settings",
        "data directory",
        "web root",
        "token file",
    }
    expected |= {"file system", "disk", "log", "captures", "generation", "address space", "open files", "processes", "modules"}
    expected |= {"key-value", "values", "namespace board", "namespace shop"}
    expected |= {"statistics", "host limits", "first import", "a night"}
    of_this_machine = {"memory", "disk traffic", "host processes", "quota"}
    assert expected <= set(lines) <= expected | of_this_machine


def test_changes_nothing(account: Account) -> None:
    """No file of the data directory changes, except LMDB's lock file."""

    def content() -> dict[str, bytes]:
        files = (file for file in account.data.rglob("*") if file.is_file() and not file.name.endswith("-lock"))
        return {str(file): file.read_bytes() for file in files}

    (account.data / "captures.writer").touch()
    before = content()
    diagnosis(account)
    assert content() == before


def test_missing_data_directory(account: Account) -> None:
    """The line has the command that creates one."""
    shutil.rmtree(account.data)
    assert_found(account, "data directory", "init")


@pytest.mark.parametrize("mode", [0o755, 0o701, 0o777])
def test_data_directory_open_to_others(account: Account, mode: int) -> None:
    """Others must not even have execute permission."""
    account.data.chmod(mode)
    assert_found(account, "data directory", "chmod 700")


def test_data_directory_open_to_the_group(account: Account) -> None:
    """A warning, unless the setting shares it with the group."""
    account.data.chmod(0o770)
    assert diagnosis(account)[1]["data directory"].startswith("warning")
    account.settings("share_with_group = yes")
    assert diagnosis(account)[1]["data directory"].startswith("ok")


def test_data_below_a_web_root(account: Account) -> None:
    """A parent folder with a usual name of a web root is a problem."""
    moved = account.home / "public_html" / "data"
    moved.parent.mkdir()
    account.data.rename(moved)
    account.data = moved
    assert_found(account, "web root", "public_html")


@pytest.mark.measured
def test_token_that_others_can_read(account: Account) -> None:
    """The line has the mode and the command that fixes it."""
    (account.data / "token").chmod(0o644)
    assert_found(account, "token file", "chmod 600")


@pytest.mark.parametrize("text", ["no_such_setting = 1", "log_level = LOUD", "default_grid = Nowhere"])
def test_broken_settings(account: Account, text: str) -> None:
    """The wrong setting is named; the other checks are not run."""
    account.settings(text)
    assert_found(account, "settings", text.split()[0])


def test_no_generation(account: Account) -> None:
    """The line says to import."""
    (account.data / "CURRENT").unlink()
    assert_found(account, "generation", "n2k import")


def test_truncated_generation(account: Account) -> None:
    """A file shorter than in its manifest is found before it is read."""
    live = account.data / "generations" / (account.data / "CURRENT").read_text().strip() / "data.mdb"
    os.truncate(live, 4096)
    assert_found(account, "generation", "damaged")


def test_truncated_captures(account: Account) -> None:
    """The line says that registrations cannot be written."""
    os.truncate(account.data / "captures.mdb", 8192)
    assert_found(account, "captures", "damaged")


@pytest.mark.measured
def test_missing_captures(account: Account) -> None:
    """The line has the command that creates the file again."""
    (account.data / "captures.mdb").unlink()
    assert_found(account, "captures", "init")


@pytest.mark.measured
def test_unwritable_log(account: Account) -> None:
    """A warning, because lookups work without it."""
    (account.data / "log" / "n2k.log").mkdir(parents=True)
    code, lines = diagnosis(account)
    assert code == 0 and lines["log"].startswith("warning")


def test_too_little_address_space(account: Account) -> None:
    """A limit on virtual memory below the size of the maps is a problem; the line has both numbers."""
    command = [sys.executable, "-m", "n2k_fcgi", "--dir", str(account.data), "doctor"]
    limited = f"ulimit -v 75000; exec {shlex.join(command)}"
    done = subprocess.run(["sh", "-c", limited], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == FOUND, done.stderr
    assert "problem  address space: limited to 73 MiB" in done.stdout


def test_few_open_files(account: Account) -> None:
    """A limit of 32 descriptors is a warning."""
    command = [sys.executable, "-m", "n2k_fcgi", "--dir", str(account.data), "doctor"]
    limited = f"ulimit -n 32; exec {shlex.join(command)}"
    done = subprocess.run(["sh", "-c", limited], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert "warning  open files: limited to 32" in done.stdout


@pytest.mark.measured
def test_missing_pyc_files(account: Account, tmp_path: Path) -> None:
    """Modules without a compiled file are counted."""
    env = {"PYTHONPYCACHEPREFIX": str(tmp_path / "empty"), "PYTHONDONTWRITEBYTECODE": "1"}
    line = diagnosis(account, env=env)[1]["compiled code"]
    assert line.startswith("warning") and "have no .pyc file" in line


def test_a_pyc_file_of_another_source_is_none(tmp_path: Path) -> None:
    """After an edit, and one of another Python: what Python itself would not use."""
    source = tmp_path / "module.py"
    source.write_text("x = 1\n")
    assert not installation.is_compiled(source)
    compiled = Path(py_compile.compile(str(source), doraise=True) or "")
    assert installation.is_compiled(source)
    os.utime(source, (0, source.stat().st_mtime + 2))
    assert not installation.is_compiled(source)
    py_compile.compile(str(source), doraise=True)
    compiled.write_bytes(b"\0\0\r\n" + compiled.read_bytes()[4:])
    assert not installation.is_compiled(source)
    compiled.write_bytes(b"cut")
    assert not installation.is_compiled(source)
    py_compile.compile(str(source), doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    os.utime(source, (0, 0))
    assert installation.is_compiled(source)


def test_code_that_anybody_can_write(account: Account) -> None:
    """The doctor reports what deploy refuses."""
    folder = account.home / "open"
    shutil.copytree(REPOSITORY / "n2k_fcgi", folder / "n2k_fcgi")
    folder.chmod(0o777)
    command = [sys.executable, "-m", "n2k_fcgi", "--dir", str(account.data), "doctor"]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder)}
    done = subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == FOUND and "problem  place: anybody can change" in done.stdout


def test_network_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the mount of the directory; NFS is a problem."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        f"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:50 / {tmp_path} rw,relatime shared:7 - nfs4 server:/home rw\n"
    )
    monkeypatch.setattr(files, "MOUNTS", mounts)
    assert data.file_system_below(tmp_path / "data").verdict is Verdict.PROBLEM
    assert data.file_system_below(Path("/")).verdict is Verdict.OK


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Less free space than the next import needs is a warning, less than logs need is a problem."""
    assert data.free_space(tmp_path, live=1 << 60).verdict is Verdict.WARNING
    monkeypatch.setattr(data, "LITTLE_SPACE", 1 << 60)
    assert data.free_space(tmp_path, live=0).verdict is Verdict.PROBLEM


def test_a_log_on_standard_error_is_fine(tmp_path: Path) -> None:
    """'-' needs no file."""
    settings = load(environment={}, flags={"data_dir": str(tmp_path), "log_file": "-"}).settings
    assert data.log(settings).verdict is Verdict.OK


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "ftp://localhost/", "not a url", "http://[/"])
def test_an_address_where_nobody_answers(url: str) -> None:
    """One problem with the reason, and no further request."""
    findings = list(website.examine(url, website.Known()))
    assert [finding.verdict for finding in findings] == [Verdict.PROBLEM]
    assert "Errno" not in findings[0].text


@pytest.mark.parametrize(
    ("base", "private"),
    [
        ("https://example.com", True),
        ("http://127.0.0.1:8000", True),
        ("http://[::1]/x", True),
        ("http://localhost", True),
        ("http://example.com", False),
        ("http://192.0.2.1", False),
    ],
)
def test_the_token_is_not_sent_where_others_can_read_it(base: str, private: bool) -> None:
    """The token is sent only by https or to this machine, and only to our own service."""
    assert website.is_private(base) is private
    known = website.Known(token="n2k_secret")
    if not private:
        assert "unencrypted" in website.authorization(base, known, is_ours=True).text
    assert "another server" in website.authorization(base, known, is_ours=False).text


@pytest.mark.parametrize("url", ["127.0.0.1:18765/n2k/", "example.com/n2k/", "ftp://example.com/n2k/"])
def test_an_address_without_its_scheme(account: Account, url: str) -> None:
    """No request is sent; the line names the missing scheme."""
    done = account.run("doctor", url)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"the address needs http:// or https:// in front: {url!r}" in done.stderr


def test_statistics_that_nobody_merges(account: Account) -> None:
    """What was counted is told, and who may read /metrics; a megabyte of lines is a warning."""
    account.settings("metrics = token")
    code, lines = diagnosis(account)
    assert code == 0 and lines["statistics"].startswith("ok") and lines["metrics"].startswith("ok")
    (account.data / "statistics.lines").write_bytes(b"\n" * (1024 * 1024 + 1))
    (account.data / "statistics.lines").chmod(0o600)
    code, lines = diagnosis(account)
    assert code == 0 and lines["statistics"].startswith("warning")
