"""What is no file in place of ``n2k.ini``: a service that reads it under its lock answers all the same."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from n2k_fcgi.config.ini import LARGEST
from n2k_fcgi.errors import ConfigUnreadable
from tests.support.coverage import measured
from tests.support.fastcgi_client import variables
from tests.support.golden import prepare
from tests.support.processes import REPOSITORY, SECONDS, eventually
from tests.support.worker import FIND, worker

REJECTED = "settings rejected; keeping the previous ones"
CGI = "import sys; from n2k_fcgi.start import run; run('n2k_fcgi.servers.cgi', data_dir=sys.argv[1])"


def a_socket(path: Path) -> None:
    """Of a server that is gone."""
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


ODD = {
    "a pipe": os.mkfifo,
    "a device without an end": lambda path: path.symlink_to("/dev/zero"),
    "a folder": Path.mkdir,
    "a socket": a_socket,
    "too large": lambda path: path.write_bytes(b"#" * LARGEST + b"\n"),
}


@pytest.mark.measured
@pytest.mark.parametrize("what", ODD)
def test_a_worker_goes_on_with_the_settings_it_has(tmp_path: Path, what: str) -> None:
    """It logs that once, answers lookups meanwhile, and takes the file that comes in its place."""
    golden = prepare(tmp_path / "data")
    file, log = golden.data_dir / "n2k.ini", golden.data_dir / "log" / "n2k.log"
    file.unlink(missing_ok=True)
    with worker(golden.data_dir) as served:
        assert served.finds()
        ODD[what](file)
        assert eventually(lambda: served.finds() and log.exists() and REJECTED in log.read_text())
        assert log.read_text().count(REJECTED) == 1
        os.replace(file, tmp_path / "old")
        file.write_text("[n2k]\nregister = off\n")
        assert eventually(lambda: served.register(golden, "Some One", "11111111-1111-4111-8111-111111111111")[0] == 403)


@pytest.mark.parametrize("what", ODD)
def test_a_start_says_what_is_wrong(tmp_path: Path, what: str) -> None:
    """One process of CGI: a 503 of one line. The command ``n2k config``: its exit code, and the reason."""
    golden = prepare(tmp_path / "data")
    file = golden.data_dir / "n2k.ini"
    file.unlink(missing_ok=True)
    ODD[what](file)
    command = [sys.executable, "-c", CGI, str(golden.data_dir)]
    asked = {**measured(), **variables(FIND)}
    done = subprocess.run(command, cwd=REPOSITORY, env=asked, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS)
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    assert head.startswith(b"Status: 503 ") and body == f"{ConfigUnreadable.public}\n".encode()
    command = [sys.executable, "-m", "n2k_fcgi", "--dir", str(golden.data_dir), "config"]
    told = subprocess.run(command, cwd=REPOSITORY, env=measured(), capture_output=True, text=True, timeout=SECONDS)
    assert told.returncode == ConfigUnreadable.exit_code
    assert told.stderr.startswith(f"n2k: cannot read the settings file {file}: ") and told.stderr.count("\n") == 1


def test_no_settings_may_be_said_by_the_empty_device(tmp_path: Path) -> None:
    """``N2K_CONFIG=/dev/null``: as before."""
    environment = {**measured(), "N2K_CONFIG": os.devnull, "N2K_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "n2k_fcgi", "config"]
    subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, timeout=SECONDS, check=True)
