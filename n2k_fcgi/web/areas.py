"""The areas that there are."""

from n2k_fcgi.web import api, classic, db
from n2k_fcgi.web.area import Area
from n2k_fcgi.web.decoding import unescaped
from n2k_fcgi.web.requests import Request

AREAS: tuple[Area, ...] = (
    api.AREA,
    db.AREA,
    classic.AREA,
)
"""In this order; the last one owns all that no other does."""


def area_of(request: Request) -> Area:
    """The area that answers *request*."""
    path = unescaped(request.raw_path, lenient=True)  # as the routes see it
    return next(area for area in AREAS if area.owns(path))
