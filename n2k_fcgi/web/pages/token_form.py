"""The form of the status page that makes a token: what is wrong in it, said at the form in the language of the page."""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors import BadGrid, TokenExists
from n2k_fcgi.model.choices import Choice, Scope
from n2k_fcgi.service.access.tokens import create_token

if TYPE_CHECKING:
    from n2k_fcgi.service.access.tokens import NewToken
    from n2k_fcgi.web.services import Services

SCOPES = (Scope.REGISTER, Scope.READ, Scope.CSV, Scope.FORGET, Scope.KEYVALUE, Scope.METRICS, Scope.ADMIN)
"""In the order of the form: what most scripts need comes first."""

NOTE_CHARACTERS = 60
MOST_WRITES = 1_000_000
"""A minute."""


class Wrong(Choice):
    """Why a form makes no token. The template has a text for each."""

    AGAIN = "again"
    """The same form came before: a page that was loaded anew, or a second click."""
    SCOPE = "scope"
    NAMESPACE = "namespace"
    """None is chosen."""
    GRID = "grid"
    """There is none of this name."""
    ALL_GRIDS = "all-grids"
    """One is chosen, and the scope has none."""
    RATE = "rate"
    NOTE = "note"

    @property
    def field(self) -> str:
        """The field of the form that it is about."""
        return {Wrong.AGAIN: "scope", Wrong.ALL_GRIDS: "grid"}.get(self, str(self))

    @property
    def status(self) -> int:
        """The HTTP status of the page that says so."""
        return 409 if self is Wrong.AGAIN else 400


def made_by(fields: dict[str, str], services: Services) -> NewToken | Wrong:
    """Make the token that the form asks for. Raises BadNamespace, NoSuchNamespace, and what writing a token raises.

    The form has the id that its token gets, so that it makes one token at most.
    """
    found = {name: value.strip() for name, value in fields.items()}
    try:
        scope = Scope(found.get("scope", ""))
    except ValueError:
        return Wrong.SCOPE
    grid, rate = found.get("grid", ""), found.get("rate", "")
    note = "".join(c if c.isprintable() else " " for c in found.get("note", "")).strip()
    namespace = found.get("namespace", "") if scope is Scope.KEYVALUE else None
    for wrong, is_so in (
        (Wrong.NAMESPACE, namespace == ""),
        (Wrong.ALL_GRIDS, bool(grid) and scope in (Scope.KEYVALUE, Scope.METRICS, Scope.ADMIN)),
        (Wrong.RATE, bool(rate) and not _is_rate(rate)),
        (Wrong.NOTE, len(note) > NOTE_CHARACTERS),
    ):
        if is_so:
            return wrong
    if namespace is not None:
        services.keyvalue(namespace)  # it must be there
    try:
        return create_token(
            services.tokens(),
            (scope,),
            services.grids.parse(grid) if grid else None,
            rate=int(rate) if rate else None,
            note=note,
            namespace=namespace,
            read_only=namespace is not None and "read_only" in found,
            name=found.get("id", ""),
        )
    except BadGrid:
        return Wrong.GRID
    except TokenExists:
        return Wrong.AGAIN


def _is_rate(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= len(str(MOST_WRITES)) and 1 <= int(text) <= MOST_WRITES
