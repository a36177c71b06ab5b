"""``n2k lookup``: names and keys, one line each."""

import json
import time

import click

from n2k_fcgi import logs
from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.errors import NotFound
from n2k_fcgi.model.avatar import Avatar
from n2k_fcgi.model.grids import parse_grid
from n2k_fcgi.model.keys import format_key, is_key_shaped, parse_key
from n2k_fcgi.model.names import parse_name
from n2k_fcgi.service.lookup import View
from n2k_fcgi.wiring import directory


@click.command("lookup")
@click.argument("what", metavar="NAME|KEY...", nargs=-1, required=True)
@options.grid
@options.as_json
@pass_context
def command(context: Context, what: tuple[str, ...], grid: str | None, as_json: bool) -> None:
    """Look names and keys up; print name, key and grid of each, separated by tabs.

    A name may be written in any way; quote one with a space. Exit code 17 when one was not found.

    Example: n2k lookup 'Governor Linden' a27b84f0-2757-4176-9579-43a181d4a5a0
    """
    settings = context.settings
    world = parse_grid(grid, settings.grids) if grid else None
    view = directory(context.store, settings).view()
    missing = []
    for text in what:
        avatar = find(view, text, world, settings.grids)
        if avatar is None:
            missing.append(text)
        elif as_json:
            row = {"name": avatar.name, "key": format_key(avatar.key), "grid": avatar.grid, "origin": avatar.origin}
            click.echo(json.dumps(row, ensure_ascii=False))
        else:
            click.echo(f"{avatar.name}\t{format_key(avatar.key)}\t{avatar.grid}")
    if missing:
        raise NotFound(what=", ".join(missing))


def find(view: View, text: str, grid: str | None, known_grids: tuple[str, ...]) -> Avatar | None:
    """The avatar that *text*, a key or a name in any spelling, means, under its current name."""
    started = time.perf_counter()
    avatar = _find(view, text, grid, known_grids)
    logs.timed(f"lookup {text} -> {avatar and format_key(avatar.key)}", started)
    return avatar


def _find(view: View, text: str, grid: str | None, known_grids: tuple[str, ...]) -> Avatar | None:
    if is_key_shaped(text.strip()):
        return view.key2name(parse_key(text), grid, strict=grid is not None)
    parsed = parse_name(text, known_grids)
    world = parsed.home or grid
    avatar = view.name2key(parsed.canonical, world, strict=world is not None)
    return avatar and (view.key2name(avatar.key, avatar.grid, strict=True) or avatar)
