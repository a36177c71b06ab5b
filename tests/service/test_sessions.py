"""Sessions and codes: what begins one, what ends it, and what is stored of them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from n2k_fcgi.errors import TokenNeeded, TokenNotEnough
from n2k_fcgi.model.choices import Scope
from n2k_fcgi.service.access.sessions import CODE_SECONDS, Sessions, form_token, is_form_token
from n2k_fcgi.service.access.tokens import create_token, revoke_token
from n2k_fcgi.store.datadir import VOLATILE
from tests.support.sandbox import Sandbox
from tests.support.with_clock import NOON

HOUR = 3600


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        """Unix seconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """It says noon."""
    return Clock()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Sandbox]:
    """An empty data directory."""
    made = Sandbox(tmp_path / "data")
    yield made
    made.close()


@pytest.fixture
def sessions(box: Sandbox, clock: Clock) -> Sessions:
    """They last an hour."""
    return Sessions(box.store.sessions, box.store.tokens, seconds=HOUR, clock=clock)


def test_a_session_of_a_token_ends_when_it_is_revoked(box: Sandbox, sessions: Sessions) -> None:
    """At once; it has the token's id. Another token's session goes on."""
    one, other = (create_token(box.store.tokens, (Scope.ADMIN,)) for _ in range(2))
    mine, others = sessions.begin(one.text), sessions.begin(other.text)
    assert mine.id != others.id and sessions.find(mine.id) == mine.session
    assert mine.session.token_id == one.token.id
    revoke_token(box.store.tokens, one.token.id)
    assert sessions.find(mine.id) is None and sessions.find(others.id) == others.session
    with pytest.raises(TokenNeeded):
        sessions.begin(one.text)


def test_only_tokens_of_the_owner_begin_one(box: Sandbox, sessions: Sessions) -> None:
    """Neither other scopes nor one grid; and nothing that is no token."""
    for scopes, grid in (((Scope.REGISTER, Scope.READ), None), ((Scope.ADMIN,), "Production")):
        with pytest.raises(TokenNotEnough):
            sessions.begin(create_token(box.store.tokens, scopes, grid).text)
    for text in ("", "n2k_0123456789ab_" + "0" * 64, "nonsense \ud800", "x" * 5000):
        with pytest.raises(TokenNeeded):
            sessions.begin(text)


def test_a_session_ends_by_the_clock(sessions: Sessions, clock: Clock) -> None:
    """To the moment; and a clock that is set far back makes it no longer."""
    new = sessions.begin_by_code(sessions.make_code())
    clock.now += HOUR - 0.01
    assert sessions.find(new.id)
    clock.now += 0.01
    assert sessions.find(new.id) is None
    clock.now = NOON - HOUR - 1
    assert sessions.find(new.id) is None
    clock.now = NOON - 60
    assert sessions.find(new.id), "a clock that is corrected a little ends nothing"


def test_log_out_ends_this_session_alone(sessions: Sessions) -> None:
    """Twice is no error, nor is nonsense."""
    one, other = (sessions.begin_by_code(sessions.make_code()) for _ in range(2))
    for id in (one.id, one.id, "", "x", "\ud800" * 64):
        sessions.end(id)
        assert sessions.find(id) is None
    assert sessions.find(other.id)
    assert sessions.end_all() == 1 and sessions.find(other.id) is None


def test_a_code_is_typed_as_people_type(sessions: Sessions) -> None:
    """In small letters, with other gaps or none."""
    for change in (str.lower, lambda code: code.replace("-", ""), lambda code: f" {code.replace('-', ' ')}\n"):
        assert sessions.begin_by_code(change(sessions.make_code())).session.token_id == ""


def test_a_code_works_once_and_not_for_long(sessions: Sessions, clock: Clock) -> None:
    """Neither twice, nor later, nor almost; all codes differ."""
    code = sessions.make_code()
    assert re.fullmatch(r"([A-Z2-9]{4}-){3}[A-Z2-9]{4}", code)
    for wrong in (code[:-1], code + "A", "", code[::-1]):
        with pytest.raises(TokenNeeded):
            sessions.begin_by_code(wrong)
    sessions.begin_by_code(code)
    with pytest.raises(TokenNeeded):
        sessions.begin_by_code(code)
    late = sessions.make_code()
    clock.now += CODE_SECONDS
    with pytest.raises(TokenNeeded):
        sessions.begin_by_code(late)
    assert len({sessions.make_code() for _ in range(20)}) == 20


def test_no_secret_is_stored(box: Sandbox, sessions: Sessions) -> None:
    """Of a token, a session and a code neither the text nor its bytes are in the file."""
    token = create_token(box.store.tokens, (Scope.ADMIN,)).text
    new, code = sessions.begin(token), sessions.make_code()
    stored = (box.data_dir / VOLATILE).read_bytes()
    assert new.session.token_id.encode() in stored
    for secret in (token, token.rpartition("_")[2], new.id, form_token(new.id), code, code.replace("-", "")):
        assert secret.encode() not in stored
    assert bytes.fromhex(new.id) not in stored


def test_a_form_token_is_of_one_session(sessions: Sessions) -> None:
    """Neither empty, nor another's, nor the id itself."""
    one, other = (sessions.begin_by_code(sessions.make_code()).id for _ in range(2))
    assert is_form_token(one, form_token(one))
    for given in ("", form_token(other), one, form_token(one)[:-1], "\ud800"):
        assert not is_form_token(one, given)


def test_a_purge_ends_all(box: Sandbox, sessions: Sessions) -> None:
    """It empties the volatile file: the owner logs in again, and nothing else happens."""
    new = sessions.begin_by_code(sessions.make_code())
    box.store.volatile.renew()
    assert sessions.find(new.id) is None
    assert sessions.find(sessions.begin_by_code(sessions.make_code()).id)


def test_a_clock_that_is_set_back_makes_no_code_longer(sessions: Sessions, clock: Clock) -> None:
    """Before the time at which it was made it is worth nothing, and it is used up by the try."""
    code = sessions.make_code()
    for now in (NOON - 1, NOON + 1):
        clock.now = now
        with pytest.raises(TokenNeeded):
            sessions.begin_by_code(code)


def test_a_clock_that_is_set_back_lets_the_owner_in(box: Sandbox, sessions: Sessions, clock: Clock) -> None:
    """Of too many sessions, or codes, the new one stays, also if all others end later."""
    token = create_token(box.store.tokens, (Scope.ADMIN,)).text
    for _ in range(64):
        sessions.begin(token)
    for _ in range(16):
        sessions.make_code()
    clock.now -= HOUR
    assert sessions.find(sessions.begin(token).id)
    assert sessions.find(sessions.begin_by_code(sessions.make_code()).id)
