"""The unit files of docs/deploy.md: systemd accepts them, and their commands work."""

import shlex
import shutil
import subprocess

import pytest

from tests.support.fastcgi_client import Client, request
from tests.support.machine import Machine
from tests.support.processes import SECONDS, listening, running
from tests.support.snippets import parsed, snippets, units

LISTENING, *ACTIVATED = units()
"""The service that listens itself, and the pair for which systemd listens."""

MASAKAZU = b"a27b84f0-2757-4176-9579-43a181d4a5a0"
ADDRESS = "/run/n2k/fcgi.sock"


@pytest.mark.parametrize("files", [[LISTENING], ACTIVATED], ids=["listening", "activated"])
def test_systemd_finds_nothing_wrong(machine: Machine, files: list[tuple[str, str]]) -> None:
    """Every setting is known, every program exists: no output from systemd-analyze."""
    assert shutil.which("systemd-analyze"), "these tests need systemd-analyze: apt-get install systemd"
    machine.account.n2k("deploy", str(machine.account.site))
    for name, text in files:
        (machine.run / name).write_text(machine.own(text))
    command = ["systemd-analyze", "verify", "--man=no", *(str(machine.run / name) for name, _ in files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_units_and_web_servers_name_one_socket() -> None:
    """All units and snippets for web servers have the same path of the socket."""
    socket, service = (parsed(text) for _, text in ACTIVATED)
    assert [name for name, _ in (LISTENING, *ACTIVATED)] == ["n2k.service", "n2k.socket", "n2k.service"]
    assert parsed(LISTENING[1])["Service"]["ExecStart"].endswith(f" fcgi --socket {ADDRESS}")
    assert (socket["Socket"]["ListenStream"], socket["Socket"]["Accept"]) == (ADDRESS, "no")
    assert service["Service"]["StandardInput"] == "socket"
    for snippet in (snippets("nginx")[0], snippets("lighttpd")[0], snippets("apache")[0]):
        assert ADDRESS in snippet


def test_the_activated_service_answers_whoever_woke_it(machine: Machine) -> None:
    """With the listening socket as descriptor 0 it answers the waiting client; after a stop and a start, again."""
    machine.account.n2k("deploy", str(machine.account.site))
    command = shlex.split(machine.own(parsed(dict(ACTIVATED)["n2k.service"])["Service"]["ExecStart"]))
    with listening(machine.run) as held:
        for _ in range(2):
            with Client(held.getsockname()) as client:
                client.send(request("/?name=masakazu.kojima"))
                with running(command, stdin=held, stderr=subprocess.DEVNULL) as process:
                    assert client.answer().body == MASAKAZU
                    process.terminate()
                    assert process.wait(SECONDS) == 0
