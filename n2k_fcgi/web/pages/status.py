"""The status page of the owner, and its forms. Without a session every request is sent to the log-in, and nothing is done."""

from collections.abc import Callable

from n2k_fcgi import logs
from n2k_fcgi.errors import BadRequest
from n2k_fcgi.model.choices import Scope
from n2k_fcgi.model.keyvalue.entry import NO_DATASET
from n2k_fcgi.service.access.tokens import create_token, revoke_token
from n2k_fcgi.web import json_bodies
from n2k_fcgi.web.api.status import fields_of
from n2k_fcgi.web.owner import LoggedIn
from n2k_fcgi.web.pages import frame
from n2k_fcgi.web.pages.figures import figures
from n2k_fcgi.web.pages.languages import language_of, texts
from n2k_fcgi.web.pages.logging_in import to
from n2k_fcgi.web.requests import Request, number
from n2k_fcgi.web.responses import Answer
from n2k_fcgi.web.services import Services

SCOPES = (Scope.REGISTER, Scope.READ, Scope.CSV, Scope.FORGET, Scope.KEYVALUE, Scope.ADMIN)
"""In the order of the form: what most scripts need comes first."""

DONE = ("generation", "dataset", "revoked")
"""What the page says was done, by its field ``done``."""

MOST_TOKENS = 200
"""The newest in use, which the page lists; ``n2k token list`` has all, and the revoked ones."""

NOTE_CHARACTERS = 60


def page(request: Request, services: Services) -> Answer:
    """How the service is doing; with ``format=json`` the same as ``/api/v1/status``."""
    owner = services.owner().logged_in(request)
    if owner is None:
        frame.refuse_scripts(request)
        return to(request, "login")
    if request.query.get("format") == "json":
        return json_bodies.answer(fields_of(services.status().read()))._replace(private=True)
    return _page(request, services, owner)


def use_generation(request: Request, services: Services) -> Answer:
    """Make a generation live, as ``n2k generations use`` does."""

    def change(owner: LoggedIn, fields: dict[str, str]) -> Answer:
        name = _field(fields, "name")
        services.use_generation(name)
        logs.info(f"status page: generation {name} is live")
        return to(request, "status", done="generation")

    return _changed(request, services, change)


def use_dataset(request: Request, services: Services) -> Answer:
    """Show another dataset in a namespace, as ``n2k kv use`` does; later writes are kept."""

    def change(owner: LoggedIn, fields: dict[str, str]) -> Answer:
        namespace, dataset = _field(fields, "namespace"), _field(fields, "dataset")
        services.keyvalue(namespace).use(dataset)
        logs.info(f"status page: the namespace {namespace} shows {dataset}")
        return to(request, "status", done="dataset")

    return _changed(request, services, change)


def make_token(request: Request, services: Services) -> Answer:
    """Make a token, and show it on the page that answers: once, and in no address."""

    def change(owner: LoggedIn, fields: dict[str, str]) -> Answer:
        scope = _scope(fields)
        namespace = _field(fields, "namespace") if scope is Scope.KEYVALUE else None
        if namespace is not None:
            services.keyvalue(namespace)  # it must be there
        grid = fields.get("grid", "").strip()
        if grid and scope in (Scope.KEYVALUE, Scope.ADMIN):
            raise BadRequest(why=f"a token with the scope '{scope}' is made for no grid")
        rate = fields.get("rate", "").strip()
        new = create_token(
            services.tokens(),
            (scope,),
            services.grids.parse(grid) if grid else None,
            rate=number(rate, "rate", 1, 1_000_000) if rate else None,
            note=_note(fields),
            namespace=namespace,
            read_only=namespace is not None and "read_only" in fields,
        )
        logs.info(f"status page: token {new.token.id} made")
        return _page(request, services, owner, new.text)

    return _changed(request, services, change)


def revoke(request: Request, services: Services) -> Answer:
    """Revoke a token, from the next request on."""

    def change(owner: LoggedIn, fields: dict[str, str]) -> Answer:
        name = _field(fields, "token")
        revoke_token(services.tokens(), name)
        logs.info(f"status page: token {name} revoked")
        return to(request, "status", done="revoked")

    return _changed(request, services, change)


def _changed(request: Request, services: Services, change: Callable[[LoggedIn, dict[str, str]], Answer]) -> Answer:
    frame.refuse_scripts(request)
    found = services.owner().form(request)
    return change(*found) if found else to(request, "login")


def _page(request: Request, services: Services, owner: LoggedIn, new_token: str = "") -> Answer:
    status = services.status().read()
    in_use = sorted((token for token in status.tokens if not token.revoked), key=lambda token: token.created, reverse=True)
    values = {
        "here": "status",
        "form_token": owner.form_token,
        "own_token": owner.session.token_id,
        "ends": int(owner.session.end),
        "state": status,
        "figures": figures(status, texts(language_of(request).code).gettext),
        "tokens": in_use[:MOST_TOKENS],
        "more_tokens": len(in_use[MOST_TOKENS:]),
        "new_token": new_token,
        "done": request.query.get("done") if request.method == "GET" else None,
        "scopes": SCOPES,
        "none": NO_DATASET,
        "grids": services.grids.labels,
    }
    return frame.page(request, "status.html", values, json=("status", {"format": "json"}), private=True)


def _field(fields: dict[str, str], name: str) -> str:
    value = fields.get(name, "").strip()
    if not value:
        raise BadRequest(why=f"the field {name!r} is empty")
    return value


def _scope(fields: dict[str, str]) -> Scope:
    try:
        return Scope(fields.get("scope", ""))
    except ValueError:
        raise BadRequest(why=f"the field 'scope' is one of {', '.join(SCOPES)}") from None


def _note(fields: dict[str, str]) -> str:
    """The purpose in words, in one line."""
    note = "".join(c if c.isprintable() else " " for c in fields.get("note", "")).strip()
    if len(note) > NOTE_CHARACTERS:
        raise BadRequest(why=f"the note has more than {NOTE_CHARACTERS} characters")
    return note
