"""What is kept, why and how long: the facts of docs/privacy.md with the settings of this server."""

from n2k_fcgi.web import json_bodies
from n2k_fcgi.web.pages import frame
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import Answer
from n2k_fcgi.web.services import Services


def privacy(request: Request, services: Services) -> Answer:
    """The page; as JSON the settings alone."""
    settings = {
        "keep_days": services.keep_days,
        "keep_places": services.keep_places,
        "register": services.register,
        "search": services.search,
        "csv": services.csv,
        "url": services.url,
        "contact": services.contact,
    }
    if request.query.get("format") == "json":
        return json_bodies.revalidated(request, json_bodies.encoded({"settings": settings}), "")
    return frame.page(request, "privacy.html", {"here": "privacy", **settings}, json=("privacy", {"format": "json"}))
