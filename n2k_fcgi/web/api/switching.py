"""Swapping what is answered as a whole: the live generation of the directory, or the dataset of a namespace."""

from n2k_fcgi.errors import BadRequest, TokenNotEnough
from n2k_fcgi.model.choices import Scope
from n2k_fcgi.web import json_bodies
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import Answer
from n2k_fcgi.web.services import Services


def switch(request: Request, services: Services) -> Answer:
    """Make a generation live, or with ``namespace`` a dataset: Beano's address and form, but a name, never a path."""
    token = services.access().may(request, Scope.ADMIN)
    if token.grid is not None:
        raise TokenNotEnough(why="it is for one grid")
    fields = request.form
    name, namespace = fields.get("filename"), fields.get("namespace")
    unknown = sorted(fields.keys() - {"filename", "namespace"})
    if unknown:
        raise BadRequest(why=f"unknown form field {unknown[0]!r}: there are 'filename' and 'namespace'")
    if not name:
        raise BadRequest(why="name the dataset or generation in the form field 'filename'")
    if namespace is None:
        services.access().count(request, token)
        services.use_generation(name)
        return json_bodies.answer({"generation": name}, name)
    space = services.keyvalue(namespace)
    services.access().count(request, token)
    return json_bodies.answer({"namespace": namespace, "dataset": name, "version": str(space.use(name))})
