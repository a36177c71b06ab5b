"""The real worker among peers that send half a request or nonsense, and beside workers that are killed or stopped."""

import contextlib
import itertools
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lmdb
import pytest

from n2k_fcgi.model.keys import NULL_KEY
from n2k_fcgi.store.datadir import CAPTURES
from tests.support.fastcgi_client import PARAMS, Client, begin, pairs, record, request, stream, variables
from tests.support.golden import Golden
from tests.support.processes import SECONDS, eventually, listening
from tests.support.worker import FIND, FOUND, everybodys_data, worker, worker_on

LOOKUP = request(FIND)
HALF_OPEN = [b"", LOOKUP[:1], begin(), begin() + stream(PARAMS, 1, pairs(variables(FIND))), LOOKUP[:-3]]


@pytest.fixture
def golden() -> Iterator[Golden]:
    """A data directory with the avatars of the golden cases."""
    with everybodys_data() as made:
        yield made


# --- peers --------------------------------------------------------------------------------------------------------------


def test_half_open_connections_delay_no_request(golden: Golden) -> None:
    """Two hundred peers that sent nothing or half a request: lookups are answered before them, and they may still go on."""
    with worker(golden.data_dir) as child:
        assert child.finds()
        before = child.descriptors()
        with contextlib.ExitStack() as stack:
            halves = [stack.enter_context(Client(child.address)).send(HALF_OPEN[n % 5]) for n in range(200)]
            assert eventually(lambda: child.descriptors() == before + 200), "they are not all open"
            assert all(child.finds() for _ in range(20))
            assert child.threads() == 1
            rest = [LOOKUP[len(sent) :] for sent in HALF_OPEN]
            assert {half.send(rest[n % 5]).answer().body.decode() for n, half in enumerate(halves)} == {FOUND[1]}
        assert eventually(lambda: child.descriptors() == before)


def malformed() -> Iterator[bytes]:
    """Every type of record, wrong in every way, and a lookup cut anywhere."""
    for kind in (*range(13), 255):
        for content in (b"", b"\xff" * 8, bytes(60_000)):
            yield record(kind, 1, content, version=2)
            yield record(kind, 0, content)
            yield record(kind, 1, content)
            yield begin() + record(kind, 1, content) * 2
            yield begin() + record(kind, 1, content, padding=9)[:-5]
    yield from (LOOKUP[:end] for end in range(1, len(LOOKUP), 5))
    yield from (LOOKUP[:at] + b"\xff" + LOOKUP[at + 1 :] for at in range(0, len(LOOKUP), 5))


def test_malformed_records_disturb_no_lookup(golden: Golden) -> None:
    """Each on a connection of its own that is kept open during the next lookup: all are answered, nothing is left open."""
    with worker(golden.data_dir) as child:
        assert child.finds() and child.ask("/health")[0] == 200
        before = child.descriptors()
        for nonsense in malformed():
            with Client(child.address) as client, contextlib.suppress(BrokenPipeError, ConnectionResetError):
                client.send(nonsense)
                assert child.ask(FIND) == FOUND
        assert child.finds()
        assert eventually(lambda: child.descriptors() == before)
        assert child.process.poll() is None
        assert child.stderr == ""


@pytest.mark.parametrize("opened", [True, False], ids=["store open", "first request"])
def test_few_descriptors(golden: Golden, opened: bool) -> None:
    """Two hundred at once where 64 descriptors are granted: all are answered, and the store gets its descriptors."""
    with worker(golden.data_dir, "--nofile=64") as child, contextlib.ExitStack() as stack:
        if opened:
            assert child.finds()
        clients = [stack.enter_context(Client(child.address)).send(LOOKUP[:-3]) for _ in range(200)]
        assert eventually(lambda: child.sockets() == 1 + 32 and child.sleeping())  # it has taken all that it may, and waits
        for client in clients:
            client.send(LOOKUP[-3:])
        assert {client.answer().body.decode() for client in clients} == {FOUND[1]}
        child.process.terminate()
        assert child.exit_code() == 0
    assert "cannot accept now" in (golden.data_dir / "log" / "n2k.log").read_text(), "all were accepted at once"


# --- other workers ------------------------------------------------------------------------------------------------------


class Load:
    """Requests of some threads, each without a pause, until it is over or the connection breaks."""

    def __init__(self, ask: Callable[[int], tuple[int, str]], threads: int) -> None:
        self._ask = ask
        self._threads = threads
        self._numbers = itertools.count()
        self._is_over = threading.Event()
        self.is_broken = threading.Event()
        self.answers: dict[int, tuple[int, str] | None] = {}
        """To each request by its number; None: its connection broke."""

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Under this load; at the end of the block it is over."""
        with ThreadPoolExecutor(self._threads) as pool:
            loads = [pool.submit(self._go_on) for _ in range(self._threads)]
            try:
                yield
            finally:
                self._is_over.set()
        for load in loads:
            load.result()

    def _go_on(self) -> None:
        while not self._is_over.is_set():
            number = next(self._numbers)
            try:
                self.answers[number] = self._ask(number)
            except (OSError, EOFError) as problem:
                assert not isinstance(problem, TimeoutError)
                self.answers[number] = None
                self.is_broken.set()
                return


def readers(golden: Golden) -> set[int]:
    """The processes in the table of readers of the captures, dead ones too."""
    with lmdb.open(str(golden.data_dir / CAPTURES), subdir=False, readonly=True) as env:
        return {int(line.split()[0]) for line in env.readers().splitlines()[1:]}


def test_a_worker_killed_in_its_lookups(golden: Golden) -> None:
    """The other goes on. A new worker removes dead ones from the table of readers, and so does a registration."""
    killed = []
    with worker(golden.data_dir) as other:
        assert other.finds()  # opens the captures: whoever opens them alone empties the table
        for _ in range(4):
            with worker(golden.data_dir) as victim:
                load = Load(lambda _: victim.ask(FIND), 4)
                with load.running():
                    assert eventually(lambda: len(load.answers) > 50)  # noqa: B023 - called at once
                    victim.process.kill()
                    victim.exit_code()
                    killed.append(victim.process.pid)
                    assert other.finds()
                    assert load.is_broken.wait(SECONDS)
            assert set(load.answers.values()) == {FOUND, None}
        assert readers(golden) & set(killed) == {killed[-1]}, "the last one's place is left behind, and no other"
        assert other.register(golden, "Lucky Seven", "77777777-2222-3333-4444-555555555555")[0] == 200
        assert readers(golden) == {other.process.pid}
        assert other.finds()


def test_a_worker_killed_in_its_registrations(golden: Golden) -> None:
    """What it acknowledged is stored, by name and by key; the other worker is not locked out."""
    unlimited = {"N2K_TOKEN_LIMIT": "1000000", "N2K_WRITE_LIMIT": "1000000"}

    def whom(n: int) -> tuple[str, str]:
        return f"Killed{n} Resident", f"{n + 1:08x}-2222-3333-4444-555555555555"

    def found(name: str, key: str) -> bool:
        by_name, by_key = other.ask("/?name=" + name.replace(" ", "+")), other.ask("/?key=" + key)
        assert (by_name, by_key) in (((200, key), (200, name)), ((200, NULL_KEY), (200, ""))), "half an avatar"
        return by_name == (200, key)

    with worker(golden.data_dir, **unlimited) as other:
        with worker(golden.data_dir, **unlimited) as victim:
            load = Load(lambda n: victim.register(golden, *whom(n)), 4)
            with load.running():
                assert eventually(lambda: len(load.answers) > 30)
                victim.process.kill()
                assert load.is_broken.wait(SECONDS)
        assert {answer and answer[0] for answer in load.answers.values()} == {200, None}
        assert all(found(*whom(n)) or answer is None for n, answer in load.answers.items())
        assert {other.register(golden, *whom(n))[0] for n in load.answers} == {200}


def test_a_stop_under_load_loses_no_request(golden: Golden) -> None:
    """Two workers share a socket, as with some web servers; one is stopped: every request gets its answer."""
    with (
        tempfile.TemporaryDirectory() as folder,
        listening(Path(folder)) as bound,
        worker_on(bound, golden.data_dir) as staying,
        worker_on(bound, golden.data_dir) as leaving,
    ):
        load = Load(lambda _: staying.ask(FIND), 6)
        with load.running():
            assert eventually(lambda: leaving.has_mapped(CAPTURES) and staying.has_mapped(CAPTURES)), "one had nothing to do"
            leaving.signal(signal.SIGTERM)
            assert leaving.exit_code() == 0
        assert set(load.answers.values()) == {FOUND}
        assert staying.finds()


def test_the_backlog_is_answered_before_the_end(golden: Golden) -> None:
    """Lookups and registrations that wait to be accepted, and one that is half received, when the stop comes."""

    def register(n: int) -> bytes:
        uri = f"/?name=Late{n}+Comer&key={n + 1:08x}-2222-3333-4444-555555555555"
        return request(uri, HTTP_X_N2K_TOKEN=golden.placeholders["{TOKEN}"])

    with worker(golden.data_dir) as child, contextlib.ExitStack() as stack:
        assert child.finds()
        half = stack.enter_context(Client(child.address)).send(LOOKUP[:30])
        assert child.finds()  # so that the half has been received
        with child.paused():
            waiting = [stack.enter_context(Client(child.address)) for _ in range(60)]
            for n, client in enumerate(waiting):
                client.send(register(n) if n % 2 else LOOKUP)
            child.signal(signal.SIGTERM)
            half.send(LOOKUP[30:])  # its grace is half a second, which may be short for us
        assert half.answer().body.decode() == FOUND[1]
        assert {client.answer().status for client in waiting} == {"200 OK"}
        assert child.exit_code() == 0
    with worker(golden.data_dir) as later:
        assert all(later.ask(f"/?name=Late{n}+Comer")[1] != NULL_KEY for n in range(1, 60, 2))
