"""``n2k lookup``: names and keys, one line each, or all that is known of them."""

import shlex
import time
from collections.abc import Callable, Iterable

import click

from n2k_fcgi import logs
from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.cli.grids import to_look_at
from n2k_fcgi.cli.standard_streams import json_line
from n2k_fcgi.cli.suggestions import one_name
from n2k_fcgi.errors import NotFound
from n2k_fcgi.model.avatar import Avatar
from n2k_fcgi.model.choices import Provenance
from n2k_fcgi.model.grids import Wanted
from n2k_fcgi.model.keys import format_key, is_cut_key, is_key_shaped, parse_key
from n2k_fcgi.model.names import parse_name
from n2k_fcgi.service.directory.history import History, Named
from n2k_fcgi.service.directory.lookup import View
from n2k_fcgi.store.fields import cleaned
from n2k_fcgi.wiring import directory, mentions


@click.command("lookup")
@click.argument("what", type=options.Words(), metavar="NAME|KEY...", nargs=-1, required=True)
@options.grid
@click.option("--history", "with_history", is_flag=True, help="Every avatar that is meant, with its former names.")
@options.as_json
@pass_context
def command(context: Context, what: tuple[str, ...], grid: str | None, with_history: bool, as_json: bool) -> None:
    """Look names and keys up; print name, key and grid of each, separated by tabs.

    A name may be written in any way; quote one with a space. Exit code 17 when one was not found. With --history every
    name of every avatar that has or had the name or key: the current one first, then former ones, the latest first, and
    a fourth field that says since when that is known; with --json also who reported it.

    Example: n2k lookup 'Governor Linden' a27b84f0-2757-4176-9579-43a181d4a5a0
    """
    settings = context.settings
    world = to_look_at(context, grid)
    view = directory(context.store, settings).view()
    without = mentions(context.store, settings).without if with_history and as_json else str
    missing = []
    for text in what:
        if with_history:
            names = _history(view, text, world)
            lines = [_as_json(named, without) if as_json else as_line(named.avatar) for named in names]
        else:
            lines = _one(view, text, world, as_json)
        for line in lines:
            click.echo(line)
        if not lines:
            missing.append(text)
    if missing:
        view = directory(context.store, settings).view()
        if name := one_name(what, missing, lambda name: find(view, name, world) is not None):
            context.talk(f"if that is one name, quote it: n2k lookup {shlex.quote(name)}")
        raise NotFound(what=", ".join(missing) + why_not(view, missing))


def why_not(view: View, missing: Iterable[str] = ()) -> str:
    """What may be the reason that nothing was found, behind the message; '' when nothing seems to be."""
    cut = "; that looks like a key that is cut off" if any(map(is_cut_key, missing)) else ""
    return cut + ("; nothing was imported yet" if view.generation is None else "")


def _one(view: View, text: str, grid: str | None, as_json: bool) -> list[str]:
    avatar = find(view, text, grid)
    if avatar is None:
        return []
    if as_json:
        return [_json(name=avatar.name, key=format_key(avatar.key), grid=avatar.grid, origin=avatar.provenance)]
    return [f"{avatar.name}\t{format_key(avatar.key)}\t{avatar.grid}"]


def _history(view: View, text: str, grid: str | None) -> list[Named]:
    told = History(view)
    keys = [parse_key(text)] if is_key_shaped(text.strip()) else told.keys_called(parse_name(text, view.grids).canonical)
    return [named for key in keys for named in told.names_of(key) if grid in (None, named.avatar.grid)]


def _as_json(named: Named, without: Callable[[str], str]) -> str:
    """*without*: takes those who asked to be forgotten out of a text; the source of a capture may name anybody."""
    capture, fields = named.capture, named.avatar._asdict()
    seen = capture and {
        "first": capture.first_seen,
        "last": capture.last_seen,
        "count": capture.times_seen,
        "source": cleaned(capture.source, without)._asdict(),
    }
    return _json(**{**fields, "key": format_key(named.avatar.key), "capture": seen})


def _json(**fields: object) -> str:
    return json_line(fields)


def as_line(avatar: Avatar) -> str:
    """Name, key, grid, and where that is known from, with tabs between."""
    when = options.iso(avatar.seen)
    source = f"dump of {when[:10]}" if avatar.provenance is Provenance.DUMP else f"seen {when}"
    former = "former name, " if avatar.former else ""
    return f"{avatar.name}\t{format_key(avatar.key)}\t{avatar.grid}\t{former}{source}"


def find(view: View, text: str, grid: str | None) -> Avatar | None:
    """The avatar that *text*, a key or a name in any spelling, means on *grid* (None: on any), under its current name."""
    started = time.perf_counter()
    avatar = view.find(text, Wanted(grid, strict=True))
    logs.timed(f"lookup {text} -> {avatar and format_key(avatar.key)}", started)
    return avatar
