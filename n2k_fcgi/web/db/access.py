"""Whose namespace a request is about, and whether it may read or write there."""

from collections.abc import Sequence

from n2k_fcgi.errors import BadRequest, NamespaceClosed, NoSuchNamespace, ReadOnly, TokenNeeded, TokenNotEnough
from n2k_fcgi.model.choices import Scope
from n2k_fcgi.model.keyvalue.operations import Operation
from n2k_fcgi.model.tokens import Token
from n2k_fcgi.service.keyvalue.space import KeyValueSpace
from n2k_fcgi.store.keyvalue import Applied
from n2k_fcgi.web.requests import Request, token_in_headers
from n2k_fcgi.web.services import Services

MOST_ID = 100
"""Characters of a request id."""


def reading(request: Request, services: Services) -> KeyValueSpace:
    """Return the namespace that the request may read.

    It is the token's, or that of ``ns=`` with the scope ``admin``, or without a token if the owner opened it. Raises
    BadRequest, NamespaceClosed, NoSuchNamespace, TokenNeeded, TokenNotEnough, TooManyRequests.
    """
    named = request.query.get("ns")
    if named is not None and not token_in_headers(request) and "token" not in request.query:
        return _opened(request, services, named)
    return services.keyvalue(_name(services.access().may(request, Scope.KEYVALUE), named))


def writing(request: Request, services: Services) -> "Writer":
    """Return the namespace that the request may write. Raises ReadOnly, and what ``reading`` does but NamespaceClosed."""
    token = services.access().may(request, Scope.KEYVALUE)
    if token.read_only:
        raise ReadOnly(what="token")
    space = services.keyvalue(_name(token, request.query.get("ns")))
    return Writer(request, services, space, token)


class Writer:
    """A namespace that a request may write."""

    def __init__(self, request: Request, services: Services, space: KeyValueSpace, token: Token) -> None:
        self._request = request
        self._services = services
        self._token = token
        self.space = space

    def count(self, writes: int = 1) -> None:
        """Count writes before they are done. Raises TooManyRequests."""
        self._services.access().count(self._request, self._token, writes)

    @property
    def request_id(self) -> str:
        """What identifies a repeat of this request; '' if the caller sent no id. Raises BadRequest.

        An id is the token's own: two callers may choose the same.
        """
        header = self._request.environ.get("HTTP_X_KV_REQUEST_ID")
        text = self._request.query.get("request_id", header)
        if text is None:
            return ""
        if header not in (None, text):
            raise BadRequest(why="X-KV-Request-Id and request_id= differ")
        if not (text.isascii() and text.isprintable() and 1 <= len(text) <= MOST_ID):
            raise BadRequest(why=f"a request id is 1 to {MOST_ID} printable characters of ASCII")
        return f"{self._token.id} {text}"

    def apply(self, operation: Operation) -> Applied:
        """Count and do one operation, or return the first answer to this request. Raises what ``KeyValueSpace.apply`` does."""
        request_id = self.request_id
        self.count()
        return self.space.apply(operation, request=request_id)

    def apply_all(self, operations: Sequence[Operation]) -> Applied:
        """Count and do all *operations*, or return the first answer. Raises what ``KeyValueSpace.batch`` does."""
        request_id = self.request_id
        self.count(len(operations))
        return self.space.batch(operations, request=request_id)


def _name(token: Token, named: str | None) -> str:
    """Return the name of the namespace; *named*: ``ns=``."""
    if Scope.ADMIN in token.scopes:
        name = token.namespace if named is None else named
        if name is None:
            raise BadRequest(why="name the namespace: ns=NAME")
        return name
    if token.namespace is None:
        raise TokenNotEnough(why="it has no namespace")
    if named not in (None, token.namespace):
        raise TokenNotEnough(why=f"it is for the namespace {token.namespace!r} only")
    return token.namespace


def _opened(request: Request, services: Services, name: str) -> KeyValueSpace:
    """Return a namespace that anyone may read. A refusal counts as a failed authentication."""
    try:
        space = services.keyvalue(name)
        if space.terms().is_open:
            return space
    except NoSuchNamespace:
        pass
    try:
        services.access().may(request, Scope.KEYVALUE)
    except TokenNeeded:
        raise NamespaceClosed(namespace=name) from None
    raise AssertionError("a request without a token has none")
