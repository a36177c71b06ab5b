"""A process holds the lock of writers and stops: a worker waits for it once, and after that no lookup waits."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.fastcgi_client import Answer, Client, request
from tests.support.golden import prepare
from tests.support.sandbox import MASAKAZU
from tests.support.worker import FIND, worker

WRITES = 4


@contextmanager
def stuck(data_dir: Path, name: str) -> Iterator[None]:
    """Another process holds the lock of writers of a file."""
    code = (
        "import sys, time; from pathlib import Path; from n2k_fcgi.files import hold\n"
        "from n2k_fcgi.files import PRIVATE\n"
        "with hold(Path(sys.argv[1]), PRIVATE, 5) as held: print(held, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(data_dir / f"{name}.writer")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "True\n"
        try:
            yield
        finally:
            holder.communicate("")


@pytest.mark.parametrize("name", ["captures", "volatile"])
def test_a_worker_waits_once(tmp_path: Path, name: str) -> None:
    """Of four writes that wait before a lookup one tries for two seconds, three once; 503 with Retry-After; then all is well.

    What is only counted (``volatile``) is not, and the writes are done.
    """
    golden = prepare(tmp_path / "data")
    token = golden.placeholders["{TOKEN}"]
    key = "66666666-0000-4000-8000-00000000000{}"
    trace = tmp_path / "trace"
    through = ["strace", "-D", "-f", "-qq", "-e", "trace=flock", "-o", str(trace)]  # -D: the worker itself is our child
    with worker(golden.data_dir, through=through) as child:
        assert child.ask(FIND)[0] == 200
        with stuck(golden.data_dir, name):
            trace.write_text("")
            clients = [Client(child.address) for _ in range(WRITES)]
            for number, client in enumerate(clients):
                uri = f"/?name=New+Name{number}&key={key.format(number)}"
                client.send(request(uri, HTTP_X_N2K_TOKEN=token))
            assert child.ask(FIND) == (200, MASAKAZU)
            answers = [client.answer() for client in clients]
            for client in clients:
                client.socket.close()
        statuses = {answer.status[:3] for answer in answers}
        assert statuses == ({"503"} if name == "captures" else {"200"})
        assert all(answer.headers.get("Retry-After") == "10" for answer in answers if answer.status[:3] == "503")
        # A try each two milliseconds for two seconds, less on a busy machine; then one for each write.
        tries = re.findall(r"LOCK_EX\|LOCK_NB\) += -1 EAGAIN", trace.read_text())
        assert WRITES <= len(tries) <= 2 / 0.002 + WRITES
        assert child.register(golden, "New Name9", key.format(9))[0] == 200


def test_a_worker_waits_once_for_a_namespace(tmp_path: Path) -> None:
    """Writes to it are 503 with Retry-After, the first after two seconds; reads, and writes to another one, go on."""
    golden = prepare(tmp_path / "data")
    shop, board = ({"HTTP_X_N2K_TOKEN": golden.placeholders[f"{{{name}_TOKEN}}"]} for name in ("SHOP", "BOARD"))
    put = {"method": "PUT", "body": b"hello", "CONTENT_TYPE": "text/plain"}
    trace = tmp_path / "trace"
    through = ["strace", "-D", "-f", "-qq", "-e", "trace=flock", "-o", str(trace)]
    with worker(golden.data_dir, through=through) as child:

        def ask(target: str, **more: Any) -> Answer:
            with Client(child.address) as client:
                return client.send(request(target, **more)).answer()

        assert ask("/db/a", **put, **shop).status[:3] == "201"
        with stuck(golden.data_dir, "keyvalue/shop/data"):
            trace.write_text("")
            refused = [ask("/db/a?format=json", **put, **shop) for _ in range(WRITES)]
            assert ask("/db/a", **shop).body == b"hello"
            assert ask("/db/a", **put, **board).status[:3] == "201"
        for answer in refused:
            assert answer.status[:3] == "503" and answer.headers["Retry-After"] == "10"
            assert answer.body.startswith(b'{"error":"')
        tries = re.findall(r"LOCK_EX\|LOCK_NB\) += -1 EAGAIN", trace.read_text())
        assert WRITES <= len(tries) <= 2 / 0.002 + WRITES
        assert ask("/db/a", **put, **shop).status[:3] == "200"
