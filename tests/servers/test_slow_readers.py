"""A reader that is slow, or stops, delays no other, takes no memory, and is cut off in the end."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.apps import pattern
from tests.support.fastcgi_client import KEEP, SECONDS, Client, get, request, variables
from tests.support.processes import REPOSITORY, Child, eventually, serving

IMPATIENT = ("--set", "rate=100000", "--set", "period=0.5")
"""A reader that takes less than 50 KB in half a second is too slow."""

PERIOD = 1.0
PATIENT = ("--set", "rate=100000", "--set", f"period={PERIOD}")
"""For readers that are not to be cut off, as long as the machine lets them read: see ``undisturbed``."""

STREAMS = 20


def counters(child: Child) -> dict[str, int]:
    """What the loop and the application have done so far."""
    return dict(json.loads(get(child.address, "/counters").body))


@contextlib.contextmanager
def asked(child: Child, uri: str, times: int = 1, flags: int = 0) -> Iterator[list[Client]]:
    """Clients that asked for *uri* and do not read."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Client(child.address)).send(request(uri, flags=flags)) for _ in range(times)]


def sipped(client: Client) -> bytes:
    """What arrives up to the end of the connection, when a thousand bytes are read now and then."""
    got = b""
    while True:
        try:
            data = client.socket.recv(1000)
        except ConnectionResetError:
            return got
        if not data:
            return got
        got += data
        time.sleep(0.02)


def undisturbed(read: Callable[[Callable[[], None]], bool]) -> bool:
    """What *read* gives; again, if its answer was cut off and it was kept from reading for so long that this was right.

    *read* may call its argument when an answer begins.
    """
    begun = 0.0

    def begin() -> None:
        nonlocal begun
        begun = time.monotonic()

    for _ in range(20):
        begin()
        with contextlib.suppress(EOFError, ConnectionResetError, BrokenPipeError):
            return read(begin)
        assert time.monotonic() - begun >= PERIOD, "cut off too early"
    return False


def test_one_block_a_turn(tmp_path: Path) -> None:
    """Beside twenty answers that are read, a request waits for one block, not for one block of each of them."""
    with serving(tmp_path) as child:
        get(child.address, "/hello")
        with contextlib.ExitStack() as stack:
            with child.paused():
                streams = stack.enter_context(asked(child, "/drops", STREAMS))
                (other,) = stack.enter_context(asked(child, "/counters"))
            made = json.loads(other.answer().body)["blocks"]
            # Each has its first block when it is accepted, and of all of them one more is made in each of those turns.
            assert STREAMS <= made <= 2 * STREAMS + 2
            assert {stream.answer().body for stream in streams} == {b"a drop\n" * 1000}


def test_every_answer_gets_its_turn(tmp_path: Path) -> None:
    """On one connection, too: several lists in parallel arrive whole, and so does a short answer asked for behind them."""
    with serving(tmp_path) as child, Client(child.address) as client:
        ids = [1, 2, 3]
        client.send(b"".join(request("/drops", request_id=i, flags=KEEP) for i in ids) + request("/hello", request_id=4))
        answers = client.answers([*ids, 4])
        assert {answers[i].body for i in ids} == {b"a drop\n" * 1000} and answers[4].body == b"hello"


def test_unread_answers_do_not_wake_the_server(tmp_path: Path) -> None:
    """With twenty unread answers the process sleeps."""
    with serving(tmp_path) as child, asked(child, "/endless", STREAMS):
        assert get(child.address, "/hello").body == b"hello"
        assert child.rests(0.5)


@pytest.mark.parametrize("flags", [0, KEEP])
@pytest.mark.parametrize("uri", ["/endless", "/pieces?5000000", "/big?5000000"])
def test_an_answer_that_is_read_too_slowly_is_cut_off(tmp_path: Path, uri: str, flags: int) -> None:
    """Unread, and read in sips that never stop: the connection ends without an end of the answer; others are answered.

    The application's part is closed when the web server has closed: mod_fcgid keeps the process for its reader until then.
    """
    with serving(tmp_path, *IMPATIENT) as child:
        get(child.address, "/boom")
        before = child.descriptors()
        with asked(child, uri, 3, flags) as (one, two, sipping):
            got = sipped(sipping)
            assert 0 < len(got) < 5_000_000 and get(child.address, "/hello").body == b"hello"
            for unread in (one, two):
                with pytest.raises((EOFError, ConnectionResetError)):
                    unread.answer()
            assert counters(child)["closed"] == 0
        assert eventually(lambda: child.descriptors() == before)
        assert counters(child)["closed"] == (0 if "big" in uri else 3)


@pytest.mark.parametrize("held", [0.5, 600])
def test_a_web_server_that_holds_on_is_not_waited_for_for_ever(tmp_path: Path, held: float) -> None:
    """After a cut the connection is closed in the end, whatever the web server does; at once when this process stops."""
    with serving(tmp_path, *IMPATIENT, "--set", f"held_after_cut={held}") as child, asked(child, "/endless") as (client,):
        assert sipped(client)
        assert held > 1 or eventually(lambda: counters(child)["closed"] == 1)
        child.process.terminate()
        assert child.exit_code() == 0


def test_a_reader_gets_all_of_it(tmp_path: Path) -> None:
    """A reader that waits for the application is not slow, however little arrives; nor is one that takes much."""
    with serving(tmp_path, *PATIENT) as child:
        assert get(child.address, "/thinking").body == b"a thought\n" * 10
        for uri, size in (("/pieces", 20_000_000), ("/big", 3_000_000)):
            assert undisturbed(lambda _: get(child.address, f"{uri}?{size}").body == pattern(size))  # noqa: B023 - called at once


def test_the_pace_is_measured_for_each_answer(tmp_path: Path) -> None:
    """A kept connection that rests between two answers has the full time for the next."""

    def thrice(begin: Callable[[], None]) -> bool:
        with Client(child.address) as client:
            for rest in (0.0, 1.2, 1.2):
                time.sleep(rest)
                begin()
                assert client.send(request("/pieces?300000", flags=KEEP)).answer().body == pattern(300_000)
        return True

    with serving(tmp_path, *PATIENT) as child:
        assert undisturbed(thrice)


def test_what_waits_is_bounded_over_all_connections(tmp_path: Path) -> None:
    """Above the limit the answers read least are cut off; one that reads gets all of its answer, even above the limit."""
    with serving(tmp_path, "--set", "max_queued=3000000") as child:
        get(child.address, "/boom")
        before = child.descriptors()
        with asked(child, "/big?1000000", 12) as unread:
            for _ in range(3):
                assert get(child.address, "/big?1000000").body == pattern(1_000_000)
            assert get(child.address, "/big?4000000").body == pattern(4_000_000)
            assert child.descriptors() - before <= 3
            cut = 0
            for client in unread:
                try:
                    client.answer()
                except (EOFError, ConnectionResetError):
                    cut += 1
            assert cut >= 9
        assert "cut off an unread answer" in child.stderr


CGI = (
    "from n2k_fcgi.servers.cgi import answer; from n2k_fcgi.servers.limits import DEFAULT; from tests.support import apps;"
    "answer(apps.Dispatch(), DEFAULT._replace(rate=100000, period=%s));"
    "import sys; sys.stderr.write(str(apps.CLOSED['count']))"
)


@pytest.mark.parametrize("sips", [False, True])
def test_a_cgi_process_does_not_wait_for_ever(sips: bool) -> None:
    """Unread or read slowly, it ends by itself, with the answer closed."""
    with subprocess.Popen(
        [sys.executable, "-c", CGI % 0.5],
        cwd=REPOSITORY,
        env=variables("/endless"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        got = 0
        while sips and (data := process.stdout.read(1000)):
            got += len(data)
            time.sleep(0.02)
        assert process.wait(SECONDS) == 0
        assert got < 5_000_000 and process.stderr.read().endswith(b"1")


@pytest.mark.parametrize(("uri", "body"), [("/pieces?5000000", pattern(5_000_000)), ("/thinking", b"a thought\n" * 10)])
def test_a_cgi_answer_that_is_read_is_whole(uri: str, body: bytes) -> None:
    """A long answer, and one whose application takes its time, which fits the pipe: of that one no byte waits."""
    command = [sys.executable, "-c", CGI % (30 if "/pieces" in uri else 0.5)]
    done = subprocess.run(command, cwd=REPOSITORY, env=variables(uri), capture_output=True, timeout=SECONDS, check=True)
    assert done.stdout.partition(b"\r\n\r\n")[2] == body
