"""The one table of endpoints: an endpoint is the module below ``views`` and the function in it."""

from collections.abc import Callable
from importlib import import_module

from werkzeug.routing import Map, Rule

from n2k_fcgi.web.responses import Answer

ROUTES = Map(
    [
        Rule("/", endpoint="root.root", methods=["GET", "POST"]),
        Rule("/touch/", endpoint="root.root", methods=["GET", "POST"]),
        Rule("/touch", endpoint="root.root", methods=["GET", "POST"]),
        Rule("/name2key", endpoint="what.name2key", methods=["GET", "POST"]),
        Rule("/name2key/", endpoint="what.name2key", methods=["GET", "POST"]),
        Rule("/name2key/<path:name>", endpoint="what.name2key_path", methods=["GET"]),
        Rule("/key2name/<path:key>", endpoint="what.key2name_path", methods=["GET"]),
        Rule("/name2key.csv", endpoint="name_list.name_list", methods=["GET"]),
        Rule("/health", endpoint="status.health", methods=["GET"]),
        Rule("/ready", endpoint="status.ready", methods=["GET"]),
        Rule("/api/v1/openapi.json", endpoint="api.about.openapi", methods=["GET"]),
        Rule("/api/v1/avatars", endpoint="api.avatars.named", methods=["GET"]),
        Rule("/api/v1/avatars", endpoint="api.avatars.register", methods=["POST"]),
        Rule("/api/v1/avatars/<key>", endpoint="api.avatars.with_key", methods=["GET"]),
        Rule("/api/v1/avatars/<key>/history", endpoint="api.avatars.history", methods=["GET"]),
        Rule("/api/v1/lookup", endpoint="api.bulk.lookup", methods=["POST"]),
        Rule("/api/v1/search", endpoint="api.bulk.search_names", methods=["GET"]),
        Rule("/api/v1/forgotten", endpoint="api.forgotten.forget", methods=["POST"]),
        Rule("/api/v1/forgotten/<key>", endpoint="api.forgotten.undo", methods=["DELETE"]),
        Rule("/api/v1/pending", endpoint="api.pending.waiting", methods=["GET"]),
        Rule("/api/v1/pending", endpoint="api.pending.ask", methods=["POST"]),
        Rule("/api/v1/pending/unknown", endpoint="api.pending.nobody", methods=["POST"]),
        Rule("/api/v1/conflicts", endpoint="api.about.conflicts", methods=["GET"]),
        Rule("/api/v1/statistics", endpoint="api.about.statistics", methods=["GET"]),
        Rule("/api/v1/generations", endpoint="api.about.generations", methods=["GET"]),
    ],
    strict_slashes=False,
    merge_slashes=False,
    redirect_defaults=False,
)


def view_of(endpoint: str) -> Callable[..., Answer]:
    """(request, services, what the path held) -> answer. Its module is imported when somebody asks for it first."""
    module, _, function = endpoint.rpartition(".")
    view: Callable[..., Answer] = getattr(import_module(f"n2k_fcgi.web.views.{module}"), function)
    return view
