"""``n2k sample``: write an invented dump for trying things out."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.cli.suggestions import OneOf
from n2k_fcgi.errors import counted
from n2k_fcgi.service.dumps.as_of import SECOND_LIFE_BEGAN
from n2k_fcgi.service.dumps.hostile import with_bad_csv, with_bad_json
from n2k_fcgi.service.dumps.packers import Format, format_of, new_file, write_packed
from n2k_fcgi.service.dumps.sample import MAX_ROWS, Sample, csv_lines, json_lines

STDOUT = "-"


@click.command("sample")
@click.option("--rows", type=click.IntRange(1, MAX_ROWS), default=1000, show_default=True, help="How many avatars.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed makes other avatars.")
@click.option("--hostile", is_flag=True, help="Add bad lines of every kind, 0.5 % of all.")
@click.option("--unsorted", is_flag=True, help="Shuffle the rows (default: in order of the names).")
@click.option("--format", "form", type=OneOf([form.value for form in Format]), help="Default: by FILE's ending; csv for '-'.")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE|-",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="Where to write.",
)
@pass_context
def command(context: Context, *, rows: int, seed: int, hostile: bool, unsorted: bool, form: str | None, output: str) -> None:
    """Write an invented dump in W-Hat's form: 'uuid,First Last', an avatar per line.

    FILE is dated 2003, which an import takes as its time: every real dump and registration is newer. The same rows and
    seed always make the same dump. It has three real avatars, Governor Linden, Masakazu Kojima and Username Resident; the
    others are invented. jsonl has JSON lines with grid and time; all other formats have csv lines.

    Example: n2k sample --rows 100000 --seed 1 -o sample.csv.bz2
    """
    packing = Format(form) if form else Format.CSV if output == STDOUT else format_of(output)
    if packing is None:
        endings = ", ".join(each.value for each in Format)
        raise click.UsageError(f"unknown format {output!r}: end its name with one of {endings}, or use --format")
    lines = _lines(Sample(rows, seed), rows, is_json=packing is Format.JSONL, unsorted=unsorted, hostile=hostile)
    if output == STDOUT:
        write_packed(sys.stdout.buffer, packing, lines)
        return
    path = Path(output)
    with new_file(path) as file:
        write_packed(file, packing, lines)
    if path.is_file():  # a device keeps its time
        os.utime(path, (SECOND_LIFE_BEGAN, SECOND_LIFE_BEGAN))
    context.talk(f"wrote {counted(rows, 'avatar')} to {output}")


def _lines(sample: Sample, rows: int, *, is_json: bool, unsorted: bool, hostile: bool) -> Iterator[bytes]:
    avatars = sample.shuffled() if unsorted else sample.by_name()
    lines = json_lines(avatars) if is_json else csv_lines(avatars)
    if not hostile:
        return lines
    return with_bad_json(lines, rows) if is_json else with_bad_csv(lines, rows)
