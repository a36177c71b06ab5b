"""Who may write. A token comes in a header, or in a POST body; never in a URL, which every server on the way logs."""

from n2k_fcgi.errors import BadRequest, TokenNeeded, WritingIsOff
from n2k_fcgi.service.tokens import refuse_other_grid, verify_token
from n2k_fcgi.store.base import TokenStore
from n2k_fcgi.web.requests import Request

OPEN, OFF = "open", "off"


class Access:
    """Decides by the setting ``register`` (token, open, off) and the tokens of the store."""

    def __init__(self, tokens: TokenStore, register: str) -> None:
        self._tokens = tokens
        self._register = register

    def may_register(self, request: Request, grid: str) -> None:
        """Return, or raise WritingIsOff, TokenNeeded, TokenNotEnough, BadRequest (a token in the URL)."""
        if "token" in request.query:
            raise BadRequest(why="a token in a URL ends up in logs: send it as the header X-N2K-Token, and make a new one")
        if self._register == OFF:
            raise WritingIsOff
        if self._register == OPEN:
            return
        token = verify_token(self._tokens, self._text(request), "register")
        refuse_other_grid(token, grid)

    def _text(self, request: Request) -> str:
        text = request.header("X_N2K_TOKEN")
        scheme, _, credentials = request.header("AUTHORIZATION").partition(" ")
        if not text and scheme.lower() == "bearer":
            text = credentials.strip()
        text = text or request.body.get("token", "")
        if not text:
            raise TokenNeeded
        return text
