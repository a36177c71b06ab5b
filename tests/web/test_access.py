"""Authorization of writes: where a token may be sent, which of two counts, and the setting ``register``."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from n2k_fcgi.model.keys import parse_key
from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.web.decoding import Environ
from n2k_fcgi.web.responses import StartResponse
from tests.support.asking import wsgi
from tests.support.golden import Reply
from tests.support.sandbox import GOVERNOR, MASAKAZU, Sandbox, csv
from tests.support.with_clock import limits_by

NEW = "99999999-2222-3333-4444-555555555555"
REGISTER = f"/?name=New+One&key={NEW}"
FORGET = ("POST", "/api/v1/forgotten", f'{{"key": "{MASAKAZU}"}}'.encode())

WRITES = {
    "register": ("POST", REGISTER, b""),
    "register, by JSON": ("POST", "/api/v1/avatars", f'{{"name": "New One", "key": "{NEW}"}}'.encode()),
    "the resolver's list": ("GET", "/api/v1/pending", b""),
    "the resolver's word": ("POST", "/api/v1/pending/unknown", f'{{"keys": ["{NEW}"]}}'.encode()),
    "forget": FORGET,
    "undo": ("DELETE", f"/api/v1/forgotten/{GOVERNOR}", b""),
    "conflicts": ("GET", "/api/v1/conflicts", b""),
}
"""Every request that needs a token: method, target, body."""


class Service:
    """An application, called in this process, and two tokens."""

    def __init__(self, application: LiveApplication, admin: str, register: str) -> None:
        self._application = application
        self.admin = admin
        self.register = register

    def ask(self, method: str, target: str, headers: dict[str, str], body: bytes = b"", peer: str = "192.0.2.1") -> Reply:
        """One request from the address *peer*."""

        def from_there(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            return self._application({**environ, "REMOTE_ADDR": peer}, start_response)

        return wsgi(from_there)(method, target, headers, body)

    def status(self, method: str, target: str, body: bytes = b"", **headers: str) -> int:
        """The status of one request."""
        return self.ask(method, target, {name.replace("_", "-"): text for name, text in headers.items()}, body).status

    def is_registered(self) -> bool:
        """Whether the avatar that the tests register is known."""
        return self.ask("GET", "/?name=new.one", {}).body == NEW.encode()


@contextlib.contextmanager
def service(data_dir: Path, **flags: str) -> Iterator[Service]:
    """Masakazu is known, the Governor is forgotten."""
    box = Sandbox(data_dir)
    box.import_text(csv((MASAKAZU, "Masakazu Kojima")))
    box.store.forgotten.forget([parse_key(GOVERNOR)], [], 1)
    admin, register = (create_token(box.store.tokens, (scope,)).text for scope in ("admin", "register"))
    box.close()
    with limits_by():
        application = LiveApplication({"data_dir": str(data_dir), **flags})
    try:
        yield Service(application, admin, register)
    finally:
        application.close()


@pytest.mark.parametrize("what", WRITES)
def test_a_token_in_the_url_is_refused(tmp_path: Path, what: str) -> None:
    """For any request, right or wrong: 400, nothing is done, and the answer does not contain the token."""
    method, target, body = WRITES[what]
    with service(tmp_path / "data") as one:
        for token in (one.admin, "abc", ""):
            reply = one.ask(
                method, target + ("&" if "?" in target else "?") + "token=" + token, {"X-N2K-Token": one.admin}, body
            )
            assert reply.status == 400 and b"ends up in logs" in reply.body
            assert not token or token.encode() not in reply.body
        assert not one.is_registered()
        assert one.ask("GET", "/?name=masakazu.kojima", {}).body == MASAKAZU.encode()
        assert one.status(method, target, body, X_N2K_Token=one.admin) == 200


@pytest.mark.parametrize(("setting", "right"), [("open", 200), ("off", 403)])
def test_a_token_in_the_url_is_refused_where_none_is_needed_too(tmp_path: Path, setting: str, right: int) -> None:
    """It is in a log already, whatever the setting ``register`` is."""
    with service(tmp_path / "data", register=setting) as one:
        assert one.status("POST", f"{REGISTER}&token={one.register}") == 400
        assert not one.is_registered()
        assert one.status("POST", REGISTER) == right


def test_off_is_off_for_every_token(tmp_path: Path) -> None:
    """No registrations, by form or by JSON, not even by an admin; the other scopes of a token still work."""
    with service(tmp_path / "data", register="off") as one:
        for token in (one.admin, one.register, ""):
            for method, target, body in (WRITES["register"], WRITES["register, by JSON"]):
                reply = one.ask(method, target, {"X-N2K-Token": token}, body)
                assert reply.status == 403 and b"registration is switched off on this server" in reply.body
        assert not one.is_registered()
        assert one.status(*FORGET, X_N2K_Token=one.admin) == 200


def test_open_asks_for_no_token_and_minds_no_wrong_one(tmp_path: Path) -> None:
    """For registrations only: forgetting still needs a token."""
    with service(tmp_path / "data", register="open") as one:
        assert one.status("POST", REGISTER, X_N2K_Token="abc") == 200 and one.is_registered()
        assert one.status(*FORGET) == 401


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER   "])
def test_a_bearer_token_in_any_case(tmp_path: Path, scheme: str) -> None:
    """The scheme of Authorization has no case (RFC 9110, 11.1)."""
    with service(tmp_path / "data") as one:
        assert one.status("POST", REGISTER, Authorization=scheme + one.register) == 200


@pytest.mark.parametrize("scheme", ["Basic ", "Token ", ""])
def test_another_scheme_carries_no_token(tmp_path: Path, scheme: str) -> None:
    """A password for another service is not treated as a token."""
    with service(tmp_path / "data") as one:
        assert one.status("POST", REGISTER, Authorization=scheme + one.register) == 401


def test_our_own_header_comes_first(tmp_path: Path) -> None:
    """Authorization may be a proxy's; X-N2K-Token can only be for us, right or wrong. The form comes last."""
    with service(tmp_path / "data") as one:
        right, wrong = one.register, "n2k_" + "0" * 12 + "_" + "0" * 64
        form = b"token=" + right.encode()
        assert one.status("POST", REGISTER, X_N2K_Token=wrong, Authorization=f"Bearer {right}") == 401
        assert one.status("POST", REGISTER, form, X_N2K_Token=wrong) == 401
        assert one.status("POST", REGISTER, form, Authorization=f"Bearer {wrong}") == 401
        assert one.status("POST", REGISTER, X_N2K_Token=right, Authorization=f"Bearer {wrong}") == 200
        assert one.status("POST", REGISTER, b"token=" + wrong.encode(), X_N2K_Token=right) == 200
        assert one.status("POST", REGISTER, form) == 200


def test_json_bodies_carry_no_token(tmp_path: Path) -> None:
    """Below /api/v1 a body is JSON: a token in a form is ignored, and the answer is 401 before the body is read."""
    with service(tmp_path / "data") as one:
        assert one.status("POST", "/api/v1/avatars", b"token=" + one.register.encode()) == 401


def test_wrong_tokens_of_one_id_are_counted_from_everywhere(tmp_path: Path) -> None:
    """Guesses at one token from many addresses are limited; other ids and the valid token are not."""
    with service(tmp_path / "data", failure_limit="3") as one:
        guess = one.register[:-1] + ("0" if one.register[-1] != "0" else "1")

        def tried(token: str, n: int) -> int:
            return one.ask("POST", REGISTER, {"X-N2K-Token": token}, peer=f"192.0.2.{n}").status

        assert [tried(guess, n) for n in range(1, 6)] == [401, 401, 401, 429, 429]
        assert tried("n2k_" + "0" * 12 + "_" + "0" * 64, 7) == 401
        assert tried(one.register, 1) == 200
