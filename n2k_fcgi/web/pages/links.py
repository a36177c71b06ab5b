"""Links of a page: relative, so that they work below any mount and behind a proxy that removes a folder from the path."""

from urllib.parse import quote, urlencode

from n2k_fcgi.errors import BadRequest
from n2k_fcgi.web.pages.languages import Language
from n2k_fcgi.web.requests import Request

KNOWN = ("q", "name", "key", "grid", "names", "page", "lang")
"""The fields of a query that pages read and that another language's page has, too. What else callers send is not repeated."""


class Links:
    """Makes the links of the page that answers *request*; each carries a chosen language on."""

    def __init__(self, request: Request, language: Language) -> None:
        self._request = request
        self._root = request.way_to_root or "./"  # an empty link would keep the query
        self._language = language.code if language.is_chosen else None

    def __call__(self, path: str = "", **query: str | None) -> str:
        """Return the link to *path*, below the root and not escaped, with the fields of *query* that are not None."""
        return self._link(quote(path), {**query, "lang": self._language})

    def file(self, path: str = "", **query: str | None) -> str:
        """Return the link to an address that has no language: a file, or JSON."""
        return self._link(quote(path), query)

    def here(self, **query: str | None) -> str:
        """Return the link to this page, with the fields of *query* in place of those of its own that are KNOWN."""
        try:
            own = self._request.query
        except BadRequest:
            own = {}
        fields = {name: value for name, value in own.items() if name in KNOWN}
        return self._link(self._request.raw_path[1:].decode("latin-1"), {**fields, **query})

    def _link(self, path: str, query: dict[str, str | None]) -> str:
        fields = {name: value for name, value in query.items() if value is not None}
        return f"{self._root}{path}{'?' if fields else ''}{urlencode(fields)}"
