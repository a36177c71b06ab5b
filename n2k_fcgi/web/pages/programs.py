"""The API: our OpenAPI file as a page, with examples that run against this very server."""

import json
import shlex
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from n2k_fcgi.model.choices import Permission
from n2k_fcgi.web.api.overview import OPENAPI
from n2k_fcgi.web.pages import frame
from n2k_fcgi.web.pages.own_address import own_address
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import Answer
from n2k_fcgi.web.services import Services

METHODS = ("get", "put", "post", "delete")

Node = dict[str, Any]
"""An object of the OpenAPI file."""


class Operation(NamedTuple):
    """One thing that can be asked."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    parameters: list[Node]
    body: str
    """An example of the body; '' without one."""
    body_type: str
    answers: list[tuple[str, str]]
    """Status and its meaning."""
    needs_token: bool
    """Usually: the owner of a namespace, or of the service, may let anyone do it."""
    target: str
    """The address of the example, below the root, without its first slash."""

    @property
    def is_link(self) -> bool:
        """Whether a browser may follow the example: it reads, and without a token."""
        return self.method == "GET" and not self.needs_token

    def curl(self, root: str) -> str:
        """Return a command that asks the server at *root*."""
        words = ["curl"]
        if self.needs_token:
            words += ["-H", "@token.header"]
        if self.method != "GET" and not (self.method == "POST" and self.body):
            words += ["-X", self.method]
        if self.body:
            words += ["-H", f"Content-Type: {self.body_type}", "-d", self.body]
        return shlex.join([*words, root + self.target])


class Group(NamedTuple):
    """Operations that belong together."""

    name: str
    description: str
    operations: list[Operation]


def programs(request: Request, services: Services) -> Answer:
    """All that programs can ask; the same as ``/api/v1/openapi.json``."""
    description = _description()
    values = {
        "here": "programs",
        "about": description["info"]["description"],
        "groups": _groups(),
        "root": own_address(request, services),
        "closed": () if services.search is Permission.OPEN else ("search",),
    }
    return frame.page(request, "programs.html", values, json=("api/v1/openapi.json", {}))


@cache
def _description() -> Node:
    found: Node = json.loads(OPENAPI.read_bytes())
    return found


@cache
def _groups() -> list[Group]:
    """The operations by their tag, in the order of the file."""
    found = {tag["name"]: Group(tag["name"], tag.get("description", ""), []) for tag in _description()["tags"]}
    for path, operations in _description()["paths"].items():
        for method in METHODS:
            if method in operations:
                found[operations[method]["tags"][0]].operations.append(_operation(path, method, operations[method]))
    return list(found.values())


def _operation(path: str, method: str, node: Node) -> Operation:
    parameters = [_resolved(parameter) for parameter in node.get("parameters", ())]
    body, body_type = _body(_resolved(node.get("requestBody", {})))
    return Operation(
        id=node["operationId"],
        method=method.upper(),
        path=path,
        summary=node["summary"],
        description=node.get("description", ""),
        parameters=parameters,
        body=body,
        body_type=body_type,
        answers=[(status, _resolved(answer)["description"]) for status, answer in node["responses"].items()],
        needs_token=node.get("security", [{}])[0] != {},
        target=_target(path, parameters, node.get("x-example", {})),
    )


def _resolved(node: Node) -> Node:
    """Return what a reference in the file means."""
    while "$ref" in node:
        found = _description()
        for name in node["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        node = found
    return node


def _body(node: Node) -> tuple[str, str]:
    """Return the example of a body, and its type."""
    for content_type, content in node.get("content", {}).items():
        if "example" in content:
            example = content["example"]
            if isinstance(example, str):
                return example, content_type
            as_form = content_type == "application/x-www-form-urlencoded"
            return urlencode(example) if as_form else json.dumps(example), content_type
    return "", ""


def _target(path: str, parameters: list[Node], more: dict[str, str]) -> str:
    """Return an address with the examples of the parameters in the path, of those that must be in the query, and *more*."""
    for parameter in parameters:
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", quote(str(parameter["example"])))
    needed = {each["name"]: each["example"] for each in parameters if each["in"] == "query" and each.get("required")}
    query = {**needed, **more}
    return path.removeprefix("/") + (f"?{urlencode(query)}" if query else "")
