"""One function an endpoint: (request, services, what the path held) -> answer. Named in ``web.routes``."""
