"""The status page of the owner, and its forms. Without a session every request is sent to the log-in, and nothing is done."""

import os
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from n2k_fcgi import logs
from n2k_fcgi.errors import BadRequest, N2KError
from n2k_fcgi.model.choices import Scope
from n2k_fcgi.model.keyvalue.entry import NO_DATASET
from n2k_fcgi.service.access.tokens import ID_BYTES, is_token_id, revoke_token
from n2k_fcgi.web import json_bodies
from n2k_fcgi.web.api.status import fields_of
from n2k_fcgi.web.owner import LoggedIn
from n2k_fcgi.web.pages import frame
from n2k_fcgi.web.pages.figures import figures
from n2k_fcgi.web.pages.languages import language_of, texts
from n2k_fcgi.web.pages.logging_in import to
from n2k_fcgi.web.pages.token_form import SCOPES, Wrong, made_by
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import Answer
from n2k_fcgi.web.services import Services


class Told(NamedTuple):
    """What the page says first."""

    new_token: str = ""
    """Its text."""
    wrong: Wrong | None = None
    """Why the form made no token."""
    problem: str = ""
    """Why another form did nothing, in English."""
    given: Mapping[str, str] = MappingProxyType({})
    """The fields that came, which the form has again."""
    done: str = ""
    """What was done, to *name*."""
    name: str = ""


MOST_TOKENS = 200
"""The newest in use, which the page lists; ``n2k token list`` has all, and the revoked ones."""


def page(request: Request, services: Services) -> Answer:
    """How the service is doing; with ``format=json`` the same as ``/api/v1/status``."""
    owner = services.owner().logged_in(request)
    if owner is None:
        frame.refuse_scripts(request)
        return to(request, "login")
    if request.query.get("format") == "json":
        return json_bodies.answer(fields_of(services.status().read()))._replace(private=True)
    query = request.query
    return _page(request, services, owner, Told(done=query.get("done", ""), name=query.get("name", "")))


def back(request: Request, services: Services) -> Answer:
    """Send whoever opens the address of a form to the page that has it: its answer was loaded anew, or in another language."""
    services.owner().refuse_plain(request)
    return to(request, "status")


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
        return to(request, "status", done="dataset", name=namespace)

    return _changed(request, services, change)


def make_token(request: Request, services: Services) -> Answer:
    """Make a token, and show it on the page that answers: once, and in no address."""

    def change(owner: LoggedIn, fields: dict[str, str]) -> Answer:
        if fields.get("id") and not is_token_id(fields["id"]):
            raise BadRequest(why="the field 'id' is no id of a token")
        made = made_by(fields, services)
        if isinstance(made, Wrong):
            return _page(request, services, owner, Told(wrong=made, given=fields), status=made.status)
        logs.info(f"status page: token {made.token.id} made")
        return _page(request, services, owner, Told(new_token=made.text))

    return _changed(request, services, change)


def revoke(request: Request, services: Services) -> Answer:
    """Revoke a token, from the next request on."""

    def change(owner: LoggedIn, fields: dict[str, str]) -> Answer:
        name = _field(fields, "token")
        revoke_token(services.tokens(), name)
        logs.info(f"status page: token {name} revoked")
        return to(request, "status", done="revoked", name=name)

    return _changed(request, services, change)


def _changed(request: Request, services: Services, change: Callable[[LoggedIn, dict[str, str]], Answer]) -> Answer:
    """Return what *change* answers; the page with what is wrong, if the caller is to blame."""
    frame.refuse_scripts(request)
    found = services.owner().form(request)
    if found is None:
        return to(request, "login")
    try:
        return change(*found)
    except N2KError as problem:
        if problem.status >= 500:
            raise
        return _page(request, services, found[0], Told(problem=problem.told, given=found[1]), status=problem.status)


def _page(request: Request, services: Services, owner: LoggedIn, told: Told, *, status: int = 200) -> Answer:
    read = services.status().read()
    in_use = sorted((token for token in read.tokens if not token.revoked), key=lambda token: token.created, reverse=True)
    values = {
        "here": "status",
        "form_token": owner.form_token,
        "own_token": owner.session.token_id,
        "ends": int(owner.session.end),
        "state": read,
        "figures": figures(read, texts(language_of(request).code)),
        "told": told,
        "scopes": [scope for scope in SCOPES if scope is not Scope.KEYVALUE or read.namespaces],
        "next_id": os.urandom(ID_BYTES).hex(),
        "no_dataset": NO_DATASET,
        "tokens": in_use[:MOST_TOKENS],
        "more_tokens": len(in_use[MOST_TOKENS:]),
        "grids": services.grids.labels,
    }
    return frame.page(request, "status.html", values, status=status, json=("status", {"format": "json"}), private=True)


def _field(fields: dict[str, str], name: str) -> str:
    value = fields.get(name, "").strip()
    if not value:
        raise BadRequest(why=f"the field {name!r} is empty")
    return value
