"""``n2k lookup``: look up names and keys, with their history if asked."""

import shlex
from collections.abc import Callable

import click

from n2k_fcgi.cli import options
from n2k_fcgi.cli.answers import find, full_line, short_line, why_not
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.cli.grids import to_look_at
from n2k_fcgi.cli.standard_streams import json_line
from n2k_fcgi.cli.suggestions import one_name
from n2k_fcgi.errors import NotFound
from n2k_fcgi.model.keys import format_key, is_key_shaped, parse_key
from n2k_fcgi.model.names import parse_name
from n2k_fcgi.service.directory.history import History, Named
from n2k_fcgi.service.directory.lookup import View
from n2k_fcgi.store.fields import cleaned
from n2k_fcgi.wiring import directory, mentions


@click.command("lookup")
@click.argument("what", type=options.Words(), metavar="NAME|KEY...", nargs=-1, required=True)
@options.grid
@click.option("--history", "with_history", is_flag=True, help="Every avatar that matches, with its former names.")
@options.as_json
@pass_context
def command(context: Context, what: tuple[str, ...], *, grid: str | None, with_history: bool, as_json: bool) -> None:
    """Look up names and keys; print name, key and grid of each, separated by tabs.

    A name may have any spelling; quote one with a space. Exit code 17 when one was not found. With --history: every name
    of every avatar that has or had the name or key, the current one first, then former ones, the latest first; a fourth
    field says when and how it was seen, with --json also by which source.

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
            lines = [_as_json(named, without) if as_json else full_line(named.avatar) for named in names]
        else:
            lines = _one(view, text, world, as_json)
        for line in lines:
            click.echo(line)
        if not lines:
            missing.append(text)
    if missing:
        view = directory(context.store, settings).view()
        if name := one_name(what, missing, lambda name: find(view, name, world) is not None):
            context.talk(f"if this is one name, quote it: n2k lookup {shlex.quote(name)}")
        raise NotFound(what=", ".join(missing) + why_not(view, missing))


def _one(view: View, text: str, grid: str | None, as_json: bool) -> list[str]:
    avatar = find(view, text, grid)
    return [] if avatar is None else [short_line(avatar, as_json=as_json)]


def _history(view: View, text: str, grid: str | None) -> list[Named]:
    history = History(view)
    keys = [parse_key(text)] if is_key_shaped(text.strip()) else history.keys_called(parse_name(text, view.grids).canonical)
    return [named for key in keys for named in history.names_of(key) if grid in (None, named.avatar.grid)]


def _as_json(named: Named, without: Callable[[str], str]) -> str:
    """*without*: removes hidden avatars from a text; the source of a capture may name any avatar."""
    avatar, capture = named
    seen = capture and {
        "first": capture.first_seen,
        "last": capture.last_seen,
        "count": capture.times_seen,
        "source": cleaned(capture.source, without)._asdict(),
    }
    fields = {
        "key": format_key(avatar.key),
        "name": avatar.name,
        "grid": avatar.grid,
        "seen": avatar.seen,
        "origin": avatar.provenance,
        "former": avatar.former,
        "capture": seen,
    }
    return json_line(fields)
