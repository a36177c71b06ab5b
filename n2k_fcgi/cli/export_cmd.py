"""``n2k export``: the directory as a file that ``n2k import`` reads."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import click

from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.cli.grids import to_look_at
from n2k_fcgi.cli.output_file import STDOUT, opened
from n2k_fcgi.cli.suggestions import OneOf
from n2k_fcgi.errors import counted
from n2k_fcgi.service.dumps.export import Export, Known, csv_lines, json_lines
from n2k_fcgi.service.dumps.packers import Format, format_of, write_packed
from n2k_fcgi.wiring import mentions, modes_of

PACKED = (Format.BZ2, Format.GZ, Format.XZ)


@click.command("export")
@click.argument("file", metavar="FILE|-", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--captures", is_flag=True, help="Only captures.")
@click.option(
    "--format",
    "form",
    type=OneOf(["jsonl", "csv"]),
    help="Default: csv for a FILE with .csv, otherwise jsonl.",
)
@click.option(
    "--grid",
    type=options.Words(),
    metavar="G",
    help="Only this grid; csv has one grid, by default the default grid.",
)
@pass_context
def command(context: Context, file: str, *, captures: bool, form: str | None, grid: str | None) -> None:
    """Write the directory to FILE, or to standard output as '-'.

    jsonl has everything, an avatar per line: grids, former names, times, sources of captures; importing it restores the
    same answers. csv has W-Hat's 'uuid,First Last' of one grid. FILE is packed if its name ends in .bz2, .gz or .xz. It is
    readable by its owner only, and appears when it is complete. It is always UTF-8, also on standard output.

    Example: n2k export directory.jsonl.xz
    """
    settings = context.settings
    lines_as = Format(form) if form else Format.CSV if ".csv" in Path(file).suffixes else Format.JSONL
    world = to_look_at(context, grid) or (settings.default_grid if lines_as is Format.CSV else None)
    packing = format_of(file) if file != STDOUT else None
    if packing is Format.ZIP:
        raise click.UsageError(f"an export is packed as {', '.join(each.value for each in PACKED)} or not at all")
    count = _Count()
    lease = None if captures else context.store.generations.hold()
    with lease or contextlib.nullcontext() as generation, opened(file, modes_of(settings).file) as target:
        without = mentions(context.store, settings)
        hidden = context.store.forgotten.hidden()
        export = Export(generation, context.store.captures, hidden, world, without=without.without)
        known = count.counted(export.known())
        lines = csv_lines(known) if lines_as is Format.CSV else json_lines(known)
        write_packed(target, packing if packing in PACKED else lines_as, lines)
    context.talk(f"exported {counted(count.number, 'avatar')} to {file}")


class _Count:
    def __init__(self) -> None:
        self.number = 0

    def counted(self, known: Iterator[Known]) -> Iterator[Known]:
        for self.number, one in enumerate(known, 1):
            yield one
