"""An area: a part of the web layer with its own addresses, its own error form and its own way of finding a token.

To add one (``db``, say), make a folder beside ``classic`` and ``api`` and add one line to ``areas.AREAS``:

* ``db/__init__.py`` holds ``AREA``, a value of the class below, and imports no view: every worker imports it at start.
* The views are functions in modules of that folder: ``(request, services, **values from the path) -> Answer``. A module
  is imported at the first request that a route sends to it.
* ``error`` makes the body of every error below its ``prefixes``: one line of text, one JSON object, a page. An area whose form
  depends on the request looks at it, as ``db`` would at ``format=json``.
* ``token`` finds the caller's token: in a header always, in a form only where bodies are forms, in a cookie for pages. An
  area whose bodies are values passes ``access.token_in_headers``, and its views read ``request.query`` and ``request.data``
  instead of ``request.fields()``, which takes a body for a form.

``docs/http.md`` lists every address, and ``tests/golden/cases.jsonl`` holds what each returns.
"""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.model.choices import Kind
from n2k_fcgi.named import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from n2k_fcgi.web.requests import Request
    from n2k_fcgi.web.responses import Answer, Headers


class Route(NamedTuple):
    """One address."""

    path: str
    """As Werkzeug's ``Rule`` has it: ``/api/v1/avatars/<key>``."""
    view: str
    """Module and function in the area's folder: ``avatars.with_key``."""
    methods: tuple[str, ...] = ("GET",)
    """HEAD comes with GET, OPTIONS with all."""
    kind: Kind = Kind.OTHER
    """What its requests are counted as."""


class Area(NamedTuple):
    """A part of the web layer."""

    folder: str
    """The package of its views, below ``n2k_fcgi.web``."""
    prefixes: tuple[bytes, ...]
    """Its addresses are these paths and all below them; b'': all that no other area has."""
    routes: tuple[Route, ...]
    error: Callable[[Request, int, str, Headers], Answer]
    """(request, status, one line, headers) -> the error in this area's form."""
    token: Callable[[Request], str]
    """The text that a request gives as its token; '' for none. Never looks at the URL. Raises BadRequest."""
    refuse: Callable[[Request], None] | None = None
    """Called before each of its views; raises what the request is refused for."""
    hint: str = ""
    """What the answer to an unknown address says to do instead; '': the usual advice."""

    def owns(self, path: bytes) -> bool:
        """Whether the area answers requests for *path*, below the mount."""
        return any(path.startswith(own) and path[len(own) : len(own) + 1] in (b"", b"/") for own in self.prefixes)
