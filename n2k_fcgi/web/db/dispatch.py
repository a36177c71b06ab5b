"""The one view of the area: method, key and ``op=`` choose the function that answers."""

from collections.abc import Callable, Iterable
from importlib import import_module

from n2k_fcgi.errors import BadRequest
from n2k_fcgi.web.db import entries
from n2k_fcgi.web.db.access import reading
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import Answer
from n2k_fcgi.web.services import Services

_OF_A_KEY: dict[tuple[str, str], Callable[[Request, Services, str], Answer]] = {
    ("GET", ""): entries.read,
    ("PUT", ""): entries.put,
    ("POST", ""): entries.put,
    ("POST", "append"): entries.append,
    ("POST", "id"): entries.assign_id,
    ("POST", "incr"): entries.increment,
    ("POST", "prepend"): entries.prepend,
    ("POST", "touch"): entries.touch,
    ("DELETE", ""): entries.delete,
}
"""(method, ``op``) -> (request, services, key) -> answer. HEAD is GET."""

_OF_A_METHOD = {"GET": "get", "PUT": "put", "POST": "put", "DELETE": "delete"}
"""What is counted where no ``op`` says more."""

_OF_THE_NAMESPACE: dict[tuple[str, str], str] = {
    ("GET", ""): "listing.listed",
    ("GET", "changes"): "listing.changes",
    ("GET", "space"): "whole.space",
    ("POST", "batch"): "batch.batch",
    ("POST", "cas"): "batch.compare_and_set",
    ("POST", "get"): "listing.named",
    ("POST", "flush"): "whole.flush",
    ("POST", "sequence"): "whole.sequence",
}
"""(method, ``op``) -> module and function in this folder, (request, services) -> answer; imported at first use.

``op`` of a GET is '' for a list of keys, and ``changes`` with ``since=``.
"""


def answer(request: Request, services: Services, key: str = "") -> Answer:
    """Answer every request of the area. *key*: what follows ``/db/`` in the path, decoded; '' for nothing.

    ``/db/KEY`` and ``/db?key=KEY`` are equal: web servers fold ``//``, ``.`` and ``..`` in paths, and some refuse ``%2F``.
    """
    found = _answer(request, services, key)
    if not request.wants_token:  # what was read may be from after a close
        reading(request, services)
    return found


def _answer(request: Request, services: Services, key: str) -> Answer:
    fields = request.query
    named = fields.get("key")
    if key and named not in (None, key):
        raise BadRequest(why="the path and key= name different keys")
    method = "GET" if request.method == "HEAD" else request.method
    op = fields.get("op", "")
    if key or named is not None:
        view = _OF_A_KEY.get((method, op))
        if view is None:
            raise BadRequest(why=_unknown_op(method, op, _OF_A_KEY, "for a key"))
        services.counts.add(f"values.{op or _OF_A_METHOD[method]}")
        return view(request, services, key or named or "")
    if method == "GET" and "since" in fields and not op:
        op = "changes"
    found = _OF_THE_NAMESPACE.get((method, op))
    if found is None:
        if not op:
            raise BadRequest(why="name the key: /db/KEY or key=KEY")
        raise BadRequest(why=_unknown_op(method, op, _OF_THE_NAMESPACE, "without a key"))
    services.counts.add(f"values.{op or 'list'}")
    module, _, function = found.partition(".")
    whole: Callable[[Request, Services], Answer] = getattr(import_module(f"{__package__}.{module}"), function)
    return whole(request, services)


def _unknown_op(method: str, op: str, known: Iterable[tuple[str, str]], where: str) -> str:
    ops = ", ".join(sorted(name for of, name in known if of == method and name))
    return f"{method} has no op={op[:20]!r} {where}" + (f": {ops}" if ops else "")
