"""Looking up what was typed, and how an avatar is printed: shared by ``n2k lookup``, ``search`` and ``shell``."""

import time
from collections.abc import Iterable

from n2k_fcgi import logs
from n2k_fcgi.cli.standard_streams import json_line
from n2k_fcgi.model.avatar import Avatar
from n2k_fcgi.model.choices import Provenance
from n2k_fcgi.model.dates import iso
from n2k_fcgi.model.grids import Wanted
from n2k_fcgi.model.keys import format_key, is_cut_key
from n2k_fcgi.service.directory.lookup import View


def find(view: View, text: str, grid: str | None) -> Avatar | None:
    """The avatar that *text*, a key or a name in any spelling, means on *grid* (None: on any), under its current name."""
    started = time.perf_counter()
    avatar = view.find(text, Wanted(grid, strict=True))
    logs.timed(f"lookup {text} -> {avatar and format_key(avatar.key)}", started)
    return avatar


def short_line(avatar: Avatar, *, as_json: bool) -> str:
    """Name, key and grid, separated by tabs; as JSON also the origin."""
    name, key, grid = avatar.name, format_key(avatar.key), avatar.grid
    if as_json:
        return json_line({"name": name, "key": key, "grid": grid, "origin": avatar.provenance})
    return f"{name}\t{key}\t{grid}"


def full_line(avatar: Avatar) -> str:
    """Name, key, grid and source, separated by tabs."""
    when = iso(avatar.seen)
    source = f"dump of {when[:10]}" if avatar.provenance is Provenance.DUMP else f"seen {when}"
    former = "former name, " if avatar.former else ""
    return f"{avatar.name}\t{format_key(avatar.key)}\t{avatar.grid}\t{former}{source}"


def why_not(view: View, missing: Iterable[str] = ()) -> str:
    """A likely reason why nothing was found, to be appended to the message; '' if there is none."""
    cut = "; that looks like a truncated key" if any(map(is_cut_key, missing)) else ""
    return cut + ("; nothing was imported yet" if view.generation is None else "")
