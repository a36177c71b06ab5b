"""Rate limits: as many as per minute at once, then as the allowance refills; all workers count in the same file."""

import subprocess
import sys
from pathlib import Path

import pytest

from n2k_fcgi.errors import TooManyRequests
from n2k_fcgi.model.charges import Charge
from n2k_fcgi.model.tokens import Token
from n2k_fcgi.service.access.limits import Limits
from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.store.lmdb.meters import SWEEP_EVERY
from tests.support.sandbox import Sandbox


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that does not advance by itself."""
    return Clock()


def limits(box: Sandbox, clock: Clock) -> Limits:
    """Six writes per minute per address, four per token, two failures."""
    return Limits(box.store.meters, writes=6, per_token=4, failures=2, clock=clock)


def token(box: Sandbox, rate: int | None = None) -> Token:
    """A new token."""
    return create_token(box.store.tokens, ("register",), rate=rate).token


def test_a_minutes_worth_then_as_it_refills(sandbox: Sandbox, clock: Clock) -> None:
    """Six at once; the seventh must wait ten seconds, and the refusal says so."""
    counted = limits(sandbox, clock)
    for _ in range(6):
        counted.write("192.0.2.1", None)
    with pytest.raises(TooManyRequests, match="try again in 10 s") as refusal:
        counted.write("192.0.2.1", None)
    assert refusal.value.retry_after == 10
    counted.write("192.0.2.2", None)
    clock.now += 10
    counted.write("192.0.2.1", None)
    with pytest.raises(TooManyRequests):
        counted.write("192.0.2.1", None)


def test_quiet_minutes_are_not_saved_up(sandbox: Sandbox, clock: Clock) -> None:
    """The limit per minute is also the most that is admitted at once."""
    counted = limits(sandbox, clock)
    counted.write("192.0.2.1", None)
    clock.now += SWEEP_EVERY - 1  # a second later the address would be forgotten anyway
    for _ in range(6):
        counted.write("192.0.2.1", None)
    with pytest.raises(TooManyRequests):
        counted.write("192.0.2.1", None)


@pytest.mark.parametrize("a_minute", [9, 11, 600, 601, 997])
def test_the_last_of_a_minutes_worth_is_admitted(sandbox: Sandbox, a_minute: int) -> None:
    """Whatever the rounding of times: exactly as many as the limit."""
    now = 1_764_000_000.123
    taken = [sandbox.store.meters.take([Charge(b"x", a_minute)], now) for _ in range(a_minute + 1)]
    assert taken[:-1] == [0.0] * a_minute and taken[-1] > 0


def test_a_refusal_counts_nothing(sandbox: Sandbox, clock: Clock) -> None:
    """A caller that retries while refused is admitted as soon as one that waited."""
    counted = limits(sandbox, clock)
    for _ in range(6):
        counted.write("192.0.2.1", None)
    for _ in range(50):
        with pytest.raises(TooManyRequests):
            counted.write("192.0.2.1", None)
    clock.now += 10
    counted.write("192.0.2.1", None)


def test_a_token_is_counted_wherever_it_comes_from(sandbox: Sandbox, clock: Clock) -> None:
    """Four writes from two addresses use up its limit; another token at the same address is not affected."""
    counted, used = limits(sandbox, clock), token(sandbox)
    for n in range(4):
        counted.write(f"192.0.2.{n % 2}", used)
    with pytest.raises(TooManyRequests):
        counted.write("192.0.2.9", used)
    counted.write("192.0.2.0", token(sandbox))


def test_a_token_with_a_rate_of_its_own(sandbox: Sandbox, clock: Clock) -> None:
    """One per minute, whatever the setting."""
    counted, slow = limits(sandbox, clock), token(sandbox, rate=1)
    counted.write("192.0.2.1", slow)
    with pytest.raises(TooManyRequests, match="in 60 s"):
        counted.write("192.0.2.1", slow)


@pytest.mark.parametrize(("rate", "rows", "minutes"), [(1, 50, 50), (4, 50, 12.5), (10, 25, 2.5), (1, 1000, 60)])
def test_a_list_larger_than_the_rate_is_spread_over_minutes(
    sandbox: Sandbox, clock: Clock, rate: int, rows: int, minutes: float
) -> None:
    """It is admitted after a quiet minute, since it could never be otherwise; then nothing for as many minutes as it takes."""
    counted = Limits(sandbox.store.meters, writes=10_000, per_token=4, failures=2, clock=clock)
    slow = token(sandbox, rate=rate)
    counted.write("192.0.2.1", slow, rows)
    for count in (1, rows):
        with pytest.raises(TooManyRequests):
            counted.write("192.0.2.1", slow, count)
    clock.now += (minutes - 1) * 60 - 1
    with pytest.raises(TooManyRequests):
        counted.write("192.0.2.1", slow, rows)
    clock.now += 61
    counted.write("192.0.2.1", slow, rows)


def test_a_list_is_refused_in_a_minute_that_is_not_quiet(sandbox: Sandbox, clock: Clock) -> None:
    """After one write it must wait until that one has expired."""
    counted, slow = limits(sandbox, clock), token(sandbox, rate=2)
    counted.write("192.0.2.1", slow)
    with pytest.raises(TooManyRequests, match="in 30 s"):
        counted.write("192.0.2.1", slow, 5)
    clock.now += 30
    counted.write("192.0.2.1", slow, 5)


def test_anonymous_writes_use_up_nothing_of_a_token(sandbox: Sandbox, clock: Clock) -> None:
    """From one address: refused without a token, admitted with one, and vice versa."""
    counted, right = limits(sandbox, clock), token(sandbox, rate=100)
    for _ in range(6):
        counted.write("192.0.2.1", None)
    with pytest.raises(TooManyRequests):
        counted.write("192.0.2.1", None)
    for _ in range(6):
        counted.write("192.0.2.1", right)
    with pytest.raises(TooManyRequests):
        counted.write("192.0.2.1", right)
    clock.now += 10
    counted.write("192.0.2.1", None)


def test_failures_are_counted_by_address_and_by_what_the_token_said(sandbox: Sandbox, clock: Clock) -> None:
    """The third from an address is refused, and so is the third for one token id from any address."""
    counted = limits(sandbox, clock)
    for _ in range(2):
        counted.failure("192.0.2.1", "0123456789ab")
    for address, name in (("192.0.2.1", ""), ("192.0.2.7", "0123456789ab")):
        with pytest.raises(TooManyRequests, match="failed authentications"):
            counted.failure(address, name)
    counted.failure("192.0.2.7", "")


def test_a_clock_that_was_set_back_locks_nobody_out(sandbox: Sandbox, clock: Clock) -> None:
    """Counts of a time that is now in the future are dropped, also those of a long list."""
    counted = limits(sandbox, clock)
    counted.write("192.0.2.1", None, 300)
    clock.now -= 600
    for _ in range(6):
        counted.write("192.0.2.1", None)
    with pytest.raises(TooManyRequests):
        counted.write("192.0.2.1", None)


def test_a_sweep_forgets_nobody_who_was_busy(sandbox: Sandbox, clock: Clock) -> None:
    """Counts of the last minute are kept."""
    counted = limits(sandbox, clock)
    counted.write("192.0.2.9", None)
    clock.now += SWEEP_EVERY - 1
    for _ in range(6):
        counted.write("192.0.2.1", None)
    clock.now += 1
    counted.write("192.0.2.9", None)  # sweeps
    with pytest.raises(TooManyRequests):
        counted.write("192.0.2.1", None)


def test_workers_count_together(sandbox: Sandbox, clock: Clock) -> None:
    """Eight processes, twenty tries each, a limit of forty: forty are admitted in all."""
    code = (
        "import sys; from pathlib import Path; from tests.support.sandbox import Sandbox\n"
        "from n2k_fcgi.store.base import Charge; from tests.contract.engines import be_patient; be_patient()\n"
        "box = Sandbox(Path(sys.argv[1]))\n"
        "print(sum(box.store.meters.take([Charge(b'together', 40)], 1e6) == 0 for _ in range(20)))"
    )
    command = [sys.executable, "-c", code, str(sandbox.data_dir)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    admitted = [int(child.communicate()[0]) for child in children]
    assert [child.returncode for child in children] == [0] * 8
    assert sum(admitted) == 40


def test_who_may_write_is_not_refused_because_counting_fails(sandbox: Sandbox, clock: Clock, tmp_path: Path) -> None:
    """The file of the counts cannot be opened: logged, and admitted."""
    (sandbox.data_dir / "volatile.mdb").mkdir()
    counted = limits(sandbox, clock)
    for _ in range(20):
        counted.write("192.0.2.1", None)
    (sandbox.data_dir / "volatile.mdb").rmdir()
