"""One function an endpoint: (request, services, what the path held) -> answer. Named in ``web.routes``."""

from collections.abc import Callable

from n2k_fcgi.web.responses import Answer
from n2k_fcgi.web.views import root, status, what

VIEWS: dict[str, Callable[..., Answer]] = {
    "root": root.root,
    "name2key": what.name2key,
    "name2key_path": what.name2key_path,
    "key2name_path": what.key2name_path,
    "health": status.health,
    "ready": status.ready,
}
