"""The contract of ``TokenStore``."""

import pytest

from n2k_fcgi.errors import TokenExists
from n2k_fcgi.model.tokens import Token
from n2k_fcgi.store.base import Store
from tests.contract.engines import SECONDS, Place, done
from tests.contract.values import HERE, MOMENTS

ID, OTHER_ID = "0123456789ab", "ba9876543210"
TOKEN = Token(ID, bytes(range(32)), ("register", "forget"), HERE, 5, False, 7, "für den Laden {} \U0001f600")


def test_an_empty_store(store: Store) -> None:
    """No token is there, and asking is no error."""
    assert store.tokens.find(ID) is None and store.tokens.tokens() == [] and store.tokens.revoke(ID) is None
    assert store.tokens.tokens() == []


@pytest.mark.parametrize("now", MOMENTS)
@pytest.mark.parametrize("token", [TOKEN, Token(ID, b"\xff" * 32, (), None, 0, True), TOKEN._replace(note="x" * 5000, rate=0)])
def test_every_field_comes_back(store: Store, token: Token, now: int) -> None:
    """Also what is empty, None or long."""
    store.tokens.add(token._replace(created=now))
    assert store.tokens.find(ID) == token._replace(created=now) and store.tokens.tokens() == [token._replace(created=now)]
    assert store.tokens.find(OTHER_ID) is None and store.tokens.find("") is None and store.tokens.find(ID[:-1]) is None


def test_a_token_with_the_same_id_is_refused(store: Store) -> None:
    """The earlier one stays, in all its fields: revoked, too."""
    store.tokens.add(TOKEN)
    store.tokens.revoke(ID)
    with pytest.raises(TokenExists):
        store.tokens.add(Token(ID, bytes(32), ("csv",), None, 9, False))
    assert store.tokens.tokens() == [TOKEN._replace(revoked=True)]


def test_all_tokens_the_oldest_first(store: Store) -> None:
    """Revoked ones too; those of one instant in the order of their ids, those of one second in the order of their making."""
    ids = [f"{n * 7919 % 1000:012x}" for n in range(50)]
    for n, token_id in enumerate(ids):
        store.tokens.add(TOKEN._replace(id=token_id, created=100 - n // 5 / 4, revoked=n % 3 == 0))
    found = store.tokens.tokens()
    assert len(found) == 50 and found == sorted(found, key=lambda token: (token.created, token.id))
    assert len({token.created for token in found}) == 10 and found[-1].created == 100


def test_revoking(store: Store) -> None:
    """The token is returned as it was, and is there as revoked; a second time changes nothing; others are not affected."""
    other = TOKEN._replace(id=OTHER_ID)
    store.tokens.add(TOKEN)
    store.tokens.add(other)
    assert store.tokens.revoke(ID) == TOKEN
    assert store.tokens.revoke(ID) == store.tokens.find(ID) == TOKEN._replace(revoked=True)
    assert store.tokens.find(OTHER_ID) == other


def test_another_process_sees_a_write_at_once(place: Place, store: Store) -> None:
    """A new token is valid, and a revoked one is not, with the next request."""
    with place.peer() as peer:
        assert peer("store.tokens.find(id)", id=ID) is None
        store.tokens.add(TOKEN)
        assert peer("store.tokens.find(id)", id=ID) == TOKEN
        store.tokens.revoke(ID)
        assert peer("store.tokens.find(id).revoked", id=ID)
        peer("store.tokens.add(token)", token=TOKEN._replace(id=OTHER_ID))
        assert [token.id for token in store.tokens.tokens()] == [ID, OTHER_ID]


def test_all_is_there_after_opening_again(place: Place) -> None:
    """Two tokens, one of them revoked."""
    with place.opened() as store:
        store.tokens.add(TOKEN)
        store.tokens.add(TOKEN._replace(id=OTHER_ID))
        store.tokens.revoke(OTHER_ID)
        before = store.tokens.tokens()
    with place.opened() as store:
        assert store.tokens.tokens() == before and len(before) == 2


WRITER = """
from n2k_fcgi.model.tokens import Token
first, count = int(sys.argv[3]), int(sys.argv[4])
for n in range(first, first + count):
    store.tokens.add(Token(f"{n:012x}", bytes(32), ("register",), None, n, False))
    print(n, flush=True)
"""


def test_two_processes_write_at_once(place: Place, store: Store) -> None:
    """Every token of both is stored."""
    done(*(place.running(WRITER, first, 50) for first in (0, 50)))
    assert [token.created for token in store.tokens.tokens()] == list(range(100))


def test_a_killed_writer_loses_nothing_that_was_acknowledged(place: Place) -> None:
    """Killed in the middle of its writes."""
    with place.running(WRITER, 0, 100_000) as child:
        assert child.stdout is not None
        for n in range(10):
            assert child.stdout.readline() == f"{n}\n"
        child.kill()
        acknowledged = 10 + child.stdout.read().count("\n")
        child.wait(SECONDS)
    with place.opened() as store:
        found = [token.created for token in store.tokens.tokens()]
        assert found == list(range(len(found))) and acknowledged <= len(found) <= acknowledged + 1
