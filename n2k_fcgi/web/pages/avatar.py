"""An avatar: its names on each grid, when it was seen, and the way out. The source of a capture is private."""

from itertools import groupby
from typing import NamedTuple

from n2k_fcgi.model.choices import Provenance
from n2k_fcgi.model.grids import PRODUCTION
from n2k_fcgi.model.keys import format_key, is_key_shaped, parse_key
from n2k_fcgi.service.directory.history import History, Named
from n2k_fcgi.service.directory.lookup import NO_GENERATION
from n2k_fcgi.web.pages import frame
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import Answer
from n2k_fcgi.web.services import Services

MOST_NAMES = 100
"""The limit on former names of dumps, and on those of captures: the latest are shown. The JSON has more."""


class World(NamedTuple):
    """What is known of an avatar on one grid."""

    grid: str
    names: list[Named]
    """The current one first, then the former ones, the latest first."""

    @property
    def name(self) -> str:
        """The current name."""
        return self.names[0].avatar.name

    @property
    def is_second_life(self) -> bool:
        """Whether Linden Lab's page and the viewer's link show this avatar."""
        return self.grid == PRODUCTION

    @property
    def is_captured(self) -> bool:
        """Whether the current name is a capture's; else a dump's."""
        return self.names[0].avatar.provenance is Provenance.CAPTURE

    @property
    def first(self) -> int:
        """When it was first seen, under any name, in Unix seconds."""
        return min(named.capture.first_seen if named.capture else named.avatar.seen for named in self.names)

    @property
    def last(self) -> int:
        """When it was last seen, in Unix seconds."""
        return max(named.capture.last_seen if named.capture else named.avatar.seen for named in self.names)

    @property
    def times(self) -> int:
        """How often it was seen in-world under its current name; 0: never."""
        capture = self.names[0].capture
        return capture.times_seen if capture else 0


def avatar(request: Request, services: Services, key: str) -> Answer:
    """The avatar with this key, on ``grid=`` or on each grid that has it; 404 if none has, or if it is hidden."""
    grid, avatar_key = services.grids.wanted(request.query.get("grid") or None).grid, parse_key(key)
    view = services.directory.view()
    names = [each for each in History(view).names_of(avatar_key, MOST_NAMES) if grid in (None, each.avatar.grid)]
    names.sort(key=lambda named: (named.avatar.grid != services.grids.default, named.avatar.grid))
    worlds = [World(label, list(named)) for label, named in groupby(names, lambda named: named.avatar.grid)]
    text = format_key(avatar_key)
    json = (f"api/v1/avatars/{text}/history", {"grid": grid}) if worlds else None
    return frame.page(
        request,
        "avatar.html",
        {"key": text, "worlds": worlds, "is_new": view.generation_name == NO_GENERATION},
        status=200 if worlds else 404,
        json=json,
        generation=view.generation_name,
    )


def leave(request: Request, services: Services) -> Answer:
    """How an avatar is taken out: in-world, by itself; and the sign that stands beside objects which keep names."""
    key = request.query.get("key", "").strip()
    values = {
        "key": key.lower() if is_key_shaped(key) else "",
        "keep_days": services.keep_days,
        "keep_places": services.keep_places,
        "url": services.url,
        "contact": services.contact,
    }
    return frame.page(request, "leave.html", values, json=("privacy", {"format": "json"}))
