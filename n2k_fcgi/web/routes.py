"""The one table of endpoints. A view is looked up by the endpoint's name in ``views.VIEWS``."""

from werkzeug.routing import Map, Rule

ROUTES = Map(
    [
        Rule("/", endpoint="root", methods=["GET", "POST"]),
        Rule("/touch/", endpoint="root", methods=["GET", "POST"]),
        Rule("/touch", endpoint="root", methods=["GET", "POST"]),
        Rule("/name2key", endpoint="name2key", methods=["GET", "POST"]),
        Rule("/name2key/", endpoint="name2key", methods=["GET", "POST"]),
        Rule("/name2key/<path:name>", endpoint="name2key_path", methods=["GET"]),
        Rule("/key2name/<path:key>", endpoint="key2name_path", methods=["GET"]),
        Rule("/health", endpoint="health", methods=["GET"]),
        Rule("/ready", endpoint="ready", methods=["GET"]),
    ],
    strict_slashes=False,
    merge_slashes=False,
    redirect_defaults=False,
)
