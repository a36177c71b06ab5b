"""Workers that are stopped outside of Apache, and Apache's own graceful restart: requests get the right answer."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.apache import Apache, apache
from tests.support.hosting import Account
from tests.support.parallel import in_parallel
from tests.support.processes import eventually

RIGHT = (200, b"a27b84f0-2757-4176-9579-43a181d4a5a0")
ROUNDS = 3
PROCESSES = 2
"""FcgidMaxProcessesPerClass of the tests' Apache, and the number of clients here: more would wait in mod_fcgid's own queue."""

Answers = list[tuple[int, bytes]]


class Site:
    """A deployed site with all its workers running, its clients, and the possible disturbances."""

    def __init__(self, account: Account, server: Apache) -> None:
        self.account = account
        self.server = server
        assert eventually(lambda: set(self.lookups()) == {RIGHT} and len(server.ready_workers(account.script)) == PROCESSES)

    def workers(self) -> list[int]:
        """The process ids of the workers, oldest first."""
        return self.server.workers(self.account.script)

    def ends(self, pids: list[int]) -> bool:
        """Whether none of *pids* serves, now or soon: a worker sends its last answer and then ends."""
        return eventually(lambda: not set(pids) & set(self.workers()))

    def lookup(self) -> tuple[int, bytes]:
        """Look up a name over a new connection; 0 if Apache closed it without an answer."""
        try:
            reply = self.server.get("/?name=masakazu.kojima")
        except ConnectionError:
            return 0, b""
        return reply.status, reply.body

    def lookups(self) -> Answers:
        """Send more requests at once than there are processes, which makes mod_fcgid start another one."""
        return in_parallel(2 * PROCESSES, lambda _: self.lookup())

    def restarts(self) -> int:
        """How many times Apache has started."""
        return self.server.error_log.count("resuming normal operations")

    def restart(self, condition: Callable[[], bool] = lambda: False) -> None:
        """Restart Apache gracefully; return when it is up again, or *condition* holds."""
        before = self.restarts()
        self.server.process.send_signal(signal.SIGUSR1)
        assert eventually(lambda: self.restarts() > before or condition())

    def under_load(self, disturb: Callable[[], None]) -> Answers:
        """All answers to clients that send requests without a pause, while *disturb* is called ROUNDS times in between."""
        answers: Answers = []
        done: list[bool] = []

        def client(number: int) -> None:
            while number < PROCESSES and not done:
                answers.append(self.lookup())

        def disturber() -> None:
            try:
                for action in [*[disturb] * ROUNDS, lambda: None]:
                    enough = len(answers) + 100
                    assert eventually(lambda: len(answers) >= enough), self.server.error_log  # noqa: B023 - called at once
                    action()
            finally:
                done.append(True)

        in_parallel(PROCESSES + 1, lambda number: client(number) if number < PROCESSES else disturber())
        return answers

    def in_flight(self, disturb: Callable[[list[int]], None]) -> Answers:
        """The answers to one request per worker: the workers are paused while *disturb* is called."""
        workers = self.workers()

        def disturber() -> tuple[int, bytes]:
            try:
                assert eventually(lambda: self._waiting() == len(workers))
                disturb(workers)
            finally:
                _signal(workers, signal.SIGCONT)
            return RIGHT

        _signal(workers, signal.SIGSTOP)
        return in_parallel(len(workers) + 1, lambda number: self.lookup() if number < len(workers) else disturber())

    def _waiting(self) -> int:
        """Connections in the backlog of workers: the lines of /proc/net/unix with our path and state 2."""
        lines = Path("/proc/net/unix").read_text().splitlines()
        return sum(f" {self.server.run}/sock/" in line and line.split()[5] == "02" for line in lines)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A served site. A restart may leave workers that Apache does not know any more; they end here."""
    account = Account(tmp_path / "home")
    account.n2k("deploy", str(account.site))
    try:
        with apache(account.site) as server:
            yield Site(account, server)
    finally:
        _signal(_processes(account.script), signal.SIGKILL)


def _processes(script: Path) -> list[int]:
    """All processes that run *script*, whatever their parent is."""
    commands = (path for path in Path("/proc").glob("[0-9]*/cmdline"))
    return [int(path.parent.name) for path in commands if os.fsencode(script) in _bytes(path)]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
            os.kill(pid, number)


def _is_told_to_stop(pid: int) -> bool:
    """Whether SIGTERM is pending for a paused process (proc(5): ShdPnd is a mask in hexadecimal)."""
    fields = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    return bool(int(fields["ShdPnd"], 16) >> (signal.SIGTERM - 1) & 1)


def test_workers_told_to_stop_answer_what_they_have(site: Site) -> None:
    """Requests that wait in workers when SIGTERM comes are answered; then other workers serve."""
    before = site.workers()

    def stop(workers: list[int]) -> None:
        _signal(workers, signal.SIGTERM)
        assert all(map(_is_told_to_stop, workers))

    assert site.in_flight(stop) == [RIGHT] * (PROCESSES + 1)
    assert site.lookup() == RIGHT
    assert site.ends(before)


def test_workers_stopped_under_load_lose_nothing(site: Site) -> None:
    """All answers are right: a request to a worker that ends is sent to another one."""
    stopped: list[int] = []

    def stop_the_oldest() -> None:
        assert eventually(lambda: bool(set(site.workers()) - set(stopped)))
        stopped.append(next(pid for pid in site.workers() if pid not in stopped))  # one that was told may still be ending
        _signal(stopped[-1:], signal.SIGTERM)

    assert set(site.under_load(stop_the_oldest)) == {RIGHT}, site.server.error_log
    assert len(stopped) == ROUNDS
    assert site.ends(stopped)


def test_a_graceful_restart_loses_nothing_in_flight(site: Site) -> None:
    """Requests that wait in workers when Apache restarts are answered; then other workers serve."""
    before = site.workers()
    answers = site.in_flight(lambda workers: site.restart(lambda: any(map(_is_told_to_stop, workers))))
    assert answers == [RIGHT] * (PROCESSES + 1)
    assert site.lookup() == RIGHT
    assert site.ends(before)


def test_graceful_restarts_under_load_lose_nothing(site: Site) -> None:
    """With no more clients than processes every answer is right while Apache is restarted several times."""
    assert set(site.under_load(site.restart)) == {RIGHT}, site.server.error_log
    assert site.restarts() == ROUNDS + 1
