"""``n2k about``: everything that is held about one avatar, for a request of that person."""

import json
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import click

from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.cli.private_file import new_private_file
from n2k_fcgi.deploy.webroot import site_or_web_root_around
from n2k_fcgi.errors import NotAllSearched, NotFound, counted, shown
from n2k_fcgi.model.dates import iso
from n2k_fcgi.model.keys import format_key, is_key_shaped, parse_key
from n2k_fcgi.model.names import parse_name
from n2k_fcgi.service.directory.about import About, Asked, asked_by_key, asked_by_name
from n2k_fcgi.wiring import about, directory

STDOUT = "-"
MOST_LETTERS = 60
"""Of a name in the name of a file: a letter has up to four bytes there, and a file's name 255."""


@click.command("about")
@click.argument("who", type=options.Words(), metavar="NAME|KEY")
@click.argument("file", metavar="[FILE|-]", required=False, type=click.Path(dir_okay=False, allow_dash=True))
@options.grid
@pass_context
def command(context: Context, who: str, file: str | None, grid: str | None) -> None:
    """Write everything that is held about one avatar to FILE, as JSON: for a request of that person.

    All generations, captures with places and former names, pending keys, conflicts, requests to be forgotten, reserved
    names; and each note, line of a log, value of the key-value service and other file of the data directory that has the
    key or, as whole words, a name. Hidden avatars too. Captures of others that it reported are listed without their names.
    Read it before you hand it over: a line or a value may name others, and a one-word name may mean something else.

    Default FILE: about-KEY.json in the current folder. It is readable by its owner only, appears when it is complete, and
    never replaces another file (exit code 55). '-' is standard output. Exit code 17, and no file, if nothing is held; 38 if
    something could not be searched.

    Example: n2k about a27b84f0-2757-4176-9579-43a181d4a5a0
    """
    asked = _asked(context, who, grid)
    search = about(context.store, context.settings, asked)
    if file == STDOUT:
        found = _write(search, asked, lambda text: sys.stdout.buffer.write(_bytes(text)))
        place = "standard output"
    else:
        path = Path(file or f"about-{_for_file(asked)}.json").absolute()
        root = site_or_web_root_around(path.parent)
        if root is not None:
            where = f"{shown(path.parent)} is in the web folder {shown(root)}, from where anyone could fetch it"
            raise click.UsageError(f"{where}: name a file elsewhere, or '-'")
        with new_private_file(path) as target:
            found = _write(search, asked, lambda text: target.write(_bytes(text)))
        place = shown(path)
    if asked.key is None:
        context.talk("no avatar of that name is known: texts were searched for the name alone")
    what = ", ".join(f"{section} {count}" for section, count in found.items()) or "nothing"
    context.talk(f"found: {what}; written to {place}")
    for missed in search.not_searched:
        context.warn(f"not searched: {shown(missed.place)}: {shown(missed.why)}")
    if search.not_searched:
        raise NotAllSearched(count=counted(len(search.not_searched), "place"))


def _asked(context: Context, who: str, grid: str | None) -> Asked:
    """Whom *who* means. Raises NotFound if *grid* must say it, BadName, BadKey."""
    view = directory(context.store, context.settings).full_view()
    if is_key_shaped(who.strip()):
        return asked_by_key(context.store, view, parse_key(who))
    parsed = parse_name(who, context.grids)
    world = context.grids.one(parsed.on(context.grids.wanted(grid or None)))
    asked = asked_by_name(context.store, view, parsed.canonical, world)
    known_on = dict.fromkeys(avatar.grid for avatar in view.named(parsed.canonical))
    if asked.key is None and known_on and not (grid or parsed.home):
        options_of = " or ".join(f"--grid {shlex.quote(other)}" for other in known_on)
        raise NotFound(what=f"{who!r} is not known on {world}, but on {', '.join(known_on)}: add {options_of}, or give the key")
    return asked


def _for_file(asked: Asked) -> str:
    """The key, or of a name what leads to no other folder, hides nothing and needs no quotes."""
    if asked.key:
        return format_key(asked.key)
    return "".join(letter for letter in asked.names[0][1] if letter.isalnum() or letter in ".-")[:MOST_LETTERS]


def _write(search: About, asked: Asked, write: Callable[[str], object]) -> Counter[str]:
    """Write one JSON object, a record per line; return how many records each section has.

    Raises NotFound before the first byte is written if there is none, and all was searched.
    """
    found: Counter[str] = Counter()
    names = [{"name": name, "grid": grid} for grid, name in asked.names]
    waiting = _field("{", "asked", {"key": format_key(asked.key) if asked.key else None, "names": names})
    waiting += _field(",", "made", iso(time.time()))
    for section, records in search.sections():
        waiting += f",\n{json.dumps(section)}: ["
        for record in records:
            write(waiting + ("," if found[section] else "") + "\n  " + json.dumps(record, ensure_ascii=False))
            waiting = ""
            found[section] += 1
        waiting += "]"
    if not found and not search.not_searched:
        raise NotFound(what=_nothing(asked))
    write(waiting + _field(",", "not_searched", [missed._asdict() for missed in search.not_searched]) + "\n}\n")
    return found


def _nothing(asked: Asked) -> str:
    """What was looked for, and what else to ask for."""
    if asked.key:
        return f"nothing about {format_key(asked.key)}, on any grid; try a name: n2k about 'First Last' --grid G"
    grid, name = asked.names[0]
    return f"nothing about {name!r} on {shown(grid)}; try the key, a former name, or --grid G"


def _field(before: str, name: str, value: object) -> str:
    return f"{before}\n{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"


def _bytes(text: str) -> bytes:
    """UTF-8; half of a surrogate pair, of a byte that is none, as the escape that JSON has for it."""
    return text.encode("utf-8", "backslashreplace")
