"""Errors of the client: the classes that the service raises, by their status and line."""

import pytest

from n2k_fcgi import open_keyvalue
from n2k_fcgi.client import Client
from n2k_fcgi.client.answers import error_of
from n2k_fcgi.errors import (
    BadNamespace,
    BadRequest,
    BatchRefused,
    BodyTooLarge,
    ConditionFailed,
    N2KError,
    NamespaceClosed,
    NoSuchNamespace,
    NothingHere,
    TokenNeeded,
    TokenNotEnough,
    UnexpectedAnswer,
)
from n2k_fcgi.model.choices import Scope
from n2k_fcgi.store.keyvalue import Terms
from tests.client.conftest import Running
from tests.support.error_table import error_classes, example, fields
from tests.support.keyvalue import made_namespace, made_token
from tests.support.lossy_proxy import Canned, LossyProxy


def raised_by_a_server(kind: type[N2KError]) -> bool:
    """Whether a server of the key-value service may raise it, with words of its own. (A batch has a list of failures.)"""
    module = kind.__module__.rpartition(".")[2]
    return module in ("requests", "store", "installation", "keyvalue") and kind.template != "{why}" and kind is not BatchRefused


@pytest.mark.parametrize("kind", list(filter(raised_by_a_server, error_classes())), ids=lambda kind: kind.__name__)
def test_every_error_is_recognised(kind: type[N2KError]) -> None:
    """By what callers are told: the same class, text and codes."""
    error = example(kind, {name: "7" for name in fields(kind)})
    found = error_of(error.status, error.told)
    assert type(found) is kind
    assert (str(found), found.told, found.status, found.exit_code) == (error.told, error.told, error.status, error.exit_code)


def test_a_line_has_attributes() -> None:
    """Numbers are numbers; a missing entry has version 0."""
    found = error_of(412, str(ConditionFailed(version=1_795_730_201_152_000)))
    assert isinstance(found, ConditionFailed) and found.version == 1_795_730_201_152_000
    found = error_of(412, str(ConditionFailed(version=0)))
    assert isinstance(found, ConditionFailed) and found.version == 0


def test_other_lines_are_of_no_class() -> None:
    """Neither by their status alone nor by their text alone."""
    for status, line in ((412, "precondition failed"), (404, str(ConditionFailed(version=0))), (400, "x"), (500, "")):
        assert error_of(status, line) is None


def test_access(running: Running) -> None:
    """Without a token, with a bad one, one of another scope, one of another namespace, and with an open namespace."""
    data_dir, url = running.data_dir, f"http://{running.server.host}:{running.server.port}"
    name, other = running.fresh(), running.fresh()
    register, admin = made_token(data_dir, Scope.REGISTER), made_token(data_dir, Scope.ADMIN)
    token = made_token(data_dir, Scope.KEYVALUE, namespace=name)
    for text, namespace, error in (
        ("", None, TokenNeeded),
        ("", name, NamespaceClosed),
        ("", "unknown", NamespaceClosed),
        ("n2k_x", None, TokenNeeded),
        (register, name, TokenNotEnough),
        (token, other, TokenNotEnough),
        (admin, None, BadRequest),
        (admin, "unknown", NoSuchNamespace),
        (admin, "no name", BadNamespace),
    ):
        with Client(url, text, namespace) as kv, pytest.raises(error):
            kv.get("k")
    with Client(url, admin, name) as kv:
        kv.put("k", "1")
    made_namespace(data_dir, name, Terms(1000, 10, is_open=True))
    with open_keyvalue(data_dir, name) as embedded:
        assert embedded.get("k")
    with Client(url, token, name) as kv:
        assert kv.get("k")


def test_what_the_service_refuses_is_not_sent_again(kv: Client, proxy: LossyProxy) -> None:
    """A body above the limit of the server; a batch of one reports its failure."""
    with pytest.raises(BodyTooLarge):
        kv.put("k", b"x" * 200_000)
    with pytest.raises(BatchRefused) as refused, kv.batch() as batch:
        batch.delete("none")
    assert refused.value.status == 404 and len(refused.value.failures) == 1
    assert len(proxy.seen) == 2


def test_the_wrong_address(running: Running, proxy: LossyProxy) -> None:
    """Another folder of this service, other programs, redirects: the message says what came."""
    with Client(f"{proxy.url}elsewhere/") as kv, pytest.raises(NothingHere):
        kv.get("k")
    page = {"Content-Type": "text/html"}
    with Client(proxy.url.replace("//", "//you:secret@"), patience=0) as kv:
        for canned, message in (
            (Canned(200, b"<html>", page), f"unexpected answer 200 from {proxy.url}db: OK"),
            (Canned(404, b"<html>", page), f"unexpected answer 404 from {proxy.url}db: Not Found"),
            (
                Canned(301, b"", {"Location": "https://example.com/n2k/db"}),
                f"unexpected answer 301 from {proxy.url}db: it redirects to https://example.com/n2k/db",
            ),
            (Canned(401, b"", {"WWW-Authenticate": "Basic"}), "unexpected answer 401"),
            (Canned(503, b"no healthy upstream", {"Content-Type": "text/plain"}), "no healthy upstream"),
            (Canned(418, b'{"error": ', {"Content-Type": "application/json"}), "I'm a Teapot"),
            (Canned(200, b"x" * 99, {"Content-Type": "text/plain", "Content-Encoding": "gzip"}), "no answer from"),
        ):
            proxy.plan = [canned]
            with pytest.raises(N2KError) as raised:
                kv.get("secret")
            assert message in str(raised.value) and "secret" not in str(raised.value)
        for body in (b"[]", b"{}", b'{"keys": 1}', b"\xff"):
            proxy.plan = [Canned(200, body, {"Content-Type": "application/json"})]
            with pytest.raises(UnexpectedAnswer):
                kv.count()
