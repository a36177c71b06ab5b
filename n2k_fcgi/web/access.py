"""Access: tokens, scopes and rate limits of requests that write. No token comes in a URL, which servers and proxies log."""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors import BadRequest, TokenNeeded, WritingIsOff
from n2k_fcgi.model.choices import Permission, Scope
from n2k_fcgi.service.access.tokens import token_id, verify_token
from n2k_fcgi.web.addresses import client_address
from n2k_fcgi.web.areas import area_of

if TYPE_CHECKING:
    from n2k_fcgi.model.tokens import Token
    from n2k_fcgi.service.access.limits import Limits
    from n2k_fcgi.service.directory.pending import PendingKeys
    from n2k_fcgi.store.base import TokenStore
    from n2k_fcgi.web.requests import Request


class Access:
    """Decides by the setting ``register``, the tokens of the store, and the rate limits."""

    def __init__(self, tokens: TokenStore, limits: Limits, register: Permission, trusted_proxies: tuple[str, ...]) -> None:
        self._tokens = tokens
        self._limits = limits
        self._register = register
        self._trusted_proxies = trusted_proxies

    def may_register(self, request: Request) -> Token | None:
        """Return the token that permits it, or None if none is needed. The caller still checks its grid.

        Raises WritingIsOff, TokenNeeded, TokenNotEnough, BadRequest (a token in the URL), TooManyRequests.
        """
        _refuse_token_in_url(request)
        if self._register is Permission.OFF:
            raise WritingIsOff
        return None if self._register is Permission.OPEN else self.may(request, Scope.REGISTER)

    def may(self, request: Request, scope: Scope, *others: Scope) -> Token:
        """Return the token that permits *scope* or one of *others*. Raises what ``may_register`` does."""
        request.wants_token = True
        _refuse_token_in_url(request)
        text = area_of(request).token(request)
        try:
            return verify_token(self._tokens, text, scope, *others)
        except TokenNeeded:
            self._limits.failure(self._address(request), token_id(text))
            raise

    def count(self, request: Request, token: Token | None, writes: int = 1) -> None:
        """Count writes before they are done. Raises TooManyRequests, with nothing counted."""
        self._limits.write(self._address(request), token, writes)

    def queue(self, request: Request, pending: PendingKeys, keys: list[bytes], grid: str) -> int:
        """Queue unknown keys, which needs no token; return how many are new. Raises TooManyRequests, with nothing queued."""
        self.count(request, None)
        address = self._address(request)
        return pending.add(keys, grid, address, lambda count: self._limits.keys(address, count))

    def _address(self, request: Request) -> str:
        return client_address(request.environ, self._trusted_proxies)


def _refuse_token_in_url(request: Request) -> None:
    if "token" in request.query:
        raise BadRequest(why="a token in a URL ends up in logs: send it as the header X-N2K-Token, and make a new one")
