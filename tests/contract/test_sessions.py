"""The contract of ``SessionStore``."""

import signal

import pytest

from n2k_fcgi.model.sessions import Session
from n2k_fcgi.store.base import Store
from tests.contract.engines import SECONDS, Place, done

NOW = 1_764_000_000.25
SESSION = Session("0123456789ab", NOW, NOW + 60)
ID, OTHER, CODE = (bytes([n]) * 32 for n in (1, 2, 3))


def test_an_empty_store(store: Store) -> None:
    """Nothing is there, and asking is no error."""
    assert store.sessions.find(ID) is None and not store.sessions.end(ID) and store.sessions.end_all(NOW) == 0
    assert not store.sessions.use_code(CODE, ID, SESSION, 6e9)
    assert store.sessions.find(ID) is None


@pytest.mark.parametrize("session", [SESSION, Session("", 0.0, 2.0**33), SESSION._replace(token_id="x" * 200)])
def test_every_field_comes_back(store: Store, session: Session) -> None:
    """Also no token; of another digest there is nothing."""
    store.sessions.add(ID, session)
    assert store.sessions.find(ID) == session
    assert store.sessions.find(OTHER) is None and store.sessions.find(ID[:-1]) is None


def test_ending(store: Store) -> None:
    """One session; then all, of which those that had ended are not counted; codes are worthless too."""
    store.sessions.add(ID, SESSION)
    store.sessions.add(OTHER, SESSION)
    assert store.sessions.end(ID) and not store.sessions.end(ID)
    assert store.sessions.find(ID) is None and store.sessions.find(OTHER) == SESSION
    store.sessions.add(ID, SESSION._replace(end=NOW + 5))
    store.sessions.add_code(CODE, NOW, NOW + 60)
    assert store.sessions.end_all(NOW + 5) == 1
    assert store.sessions.find(OTHER) is None and not store.sessions.use_code(CODE, ID, SESSION, 6e9)


def test_a_code_begins_one_session(store: Store) -> None:
    """The second use finds none, whoever comes; other codes are not affected."""
    other = bytes([4]) * 32
    store.sessions.add_code(CODE, NOW, NOW + 60)
    store.sessions.add_code(other, NOW, NOW + 60)
    assert store.sessions.use_code(CODE, ID, SESSION, 6e9) and store.sessions.find(ID) == SESSION
    assert not store.sessions.use_code(CODE, OTHER, SESSION, 6e9) and store.sessions.find(OTHER) is None
    assert store.sessions.use_code(other, OTHER, SESSION, 6e9)


def test_a_code_ends(store: Store) -> None:
    """At its end, to the moment; then it is gone also for a clock that is set back."""
    store.sessions.add_code(CODE, NOW, NOW + 60)
    assert not store.sessions.use_code(CODE, ID, SESSION._replace(begun=NOW + 60), 6e9)
    assert not store.sessions.use_code(CODE, ID, SESSION, 6e9) and store.sessions.find(ID) is None


def test_the_lists_are_bounded(store: Store) -> None:
    """A new session removes what has ended, and those that end first; a new code does the same."""
    ids = [n.to_bytes(32, "big") for n in range(100)]
    for n, digest in enumerate(ids):
        store.sessions.add(digest, Session("", NOW, NOW + 1000 + n))
    kept = [digest for digest in ids if store.sessions.find(digest)]
    assert 10 < len(kept) < 100 and kept == ids[-len(kept) :]
    store.sessions.add(OTHER, Session("", NOW + 5000, NOW + 6000))
    assert not any(map(store.sessions.find, ids)) and store.sessions.find(OTHER)
    for n, code in enumerate(ids):
        store.sessions.add_code(code, NOW, NOW + 1000 + n)
    assert not store.sessions.use_code(ids[0], ID, SESSION, 6e9) and store.sessions.use_code(ids[-1], ID, SESSION, 6e9)


def test_two_processes_share_them(place: Place, store: Store) -> None:
    """Begun here and found there, ended there and gone here."""
    with place.peer() as peer:
        store.sessions.add(ID, SESSION)
        assert peer("store.sessions.find(id)", id=ID) == SESSION
        assert peer("store.sessions.end(id)", id=ID) and store.sessions.find(ID) is None


RACE = """
from n2k_fcgi.model.sessions import Session
print(store.sessions.find(bytes(32)), flush=True)
sys.stdin.readline()
codes = [n.to_bytes(32, "big") for n in range(10)]
me = int(sys.argv[3])
print(sum(store.sessions.use_code(code, bytes([me]) + code[1:], Session("", 5.0, 6e9), 6e9) for code in codes))
"""


def test_a_code_is_used_once_by_several_processes(place: Place, store: Store) -> None:
    """Four processes at once use ten codes: ten sessions."""
    for n in range(10):
        store.sessions.add_code(n.to_bytes(32, "big"), 1.0, 6e9)
    children = [place.running(RACE, number) for number in range(1, 5)]
    for child in children:
        assert child.stdout is not None and child.stdout.readline() == "None\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    assert sum(map(int, done(*children))) == 10


KILLED = """
store.sessions.add_code(b"c" * 32, 1.0, 6e9)
print("made", flush=True)
sys.stdin.readline()
"""


def test_a_code_outlives_the_process_that_made_it(place: Place, store: Store) -> None:
    """It was killed between making and use; what killed one next used is used."""
    with place.running(KILLED) as child:
        assert child.stdout is not None and child.stdout.readline() == "made\n"
        child.kill()
        assert child.wait(SECONDS) == -signal.SIGKILL
    with place.running(
        "from n2k_fcgi.model.sessions import Session\n"
        'print(store.sessions.use_code(b"c" * 32, b"i" * 32, Session("", 2.0, 6e9), 6e9), flush=True)\nsys.stdin.readline()'
    ) as child:
        assert child.stdout is not None and child.stdout.readline() == "True\n"
        child.kill()
        child.wait(SECONDS)
    assert store.sessions.find(b"i" * 32) == Session("", 2.0, 6e9)
    assert not store.sessions.use_code(b"c" * 32, b"j" * 32, Session("", 2.0, 6e9), 6e9)
