"""``n2k kv build``, ``datasets``, ``use``, ``remove``: finished files of entries, and which of them a namespace shows."""

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.cli.kv import arguments
from n2k_fcgi.cli.kv.owner import as_word
from n2k_fcgi.cli.kv.transfer import A_FILE, Refusals, opened_plain
from n2k_fcgi.cli.standard_streams import json_line
from n2k_fcgi.errors import counted
from n2k_fcgi.model.choices import Later
from n2k_fcgi.model.keyvalue.entry import NO_DATASET
from n2k_fcgi.service.keyvalue.building import Building, Built
from n2k_fcgi.service.keyvalue.space import KeyValueSpace
from n2k_fcgi.wiring import namespaces

HEADINGS = ("dataset", "keys", "bytes", "bytes of the file", "namespaces that show it", "problem")
UNKNOWN = dict.fromkeys(("keys", "bytes", "size"))
"""Of one that cannot be read."""


class DatasetName(click.ParamType):  # type: ignore[type-arg]  # not generic in click 8.1
    """The name of a dataset; the Tab key offers those that there are, and *others*."""

    name = "dataset"

    def __init__(self, *others: str) -> None:
        self._others = others

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """See the class."""
        with arguments.completing(ctx) as context:
            known = context.store.keyvalue.dataset_names()
            return [CompletionItem(name) for name in (*known, *self._others) if name.startswith(incomplete)]
        return []


@click.command("build")
@click.argument("file", metavar="FILE|-", type=A_FILE)
@click.option("--dataset", "name", required=True, metavar="NAME", help="What it is called; a name is taken once.")
@click.option("--csv", "is_csv", is_flag=True, help="Rows of key and text, separated by a comma. Default: for names in .csv.")
@click.option("--empty", is_flag=True, help="Make it even if FILE has no entry.")
@click.option("--to", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Make it in this folder instead.")
@options.as_json
@pass_context
def build(context: Context, *, file: str, name: str, is_csv: bool, empty: bool, to: Path | None, as_json: bool) -> None:
    """Make the dataset NAME of FILE, or of standard input as '-': sorted, in a file of its own that nobody changes any more.

    The lines are those of 'n2k kv export', or of lists over HTTP; see 'n2k kv import'. In csv a first row 'key,value' is a
    heading. Of lines with the same key the last counts. What has expired meanwhile, and sequences, are left out. After a bad
    line, exit code 115, or a kill there is no dataset, and the same build can be repeated.

    With --to it is built on another machine, for instance one with more power, which needs no data directory. Copy the file
    into the folder 'datasets' of the data directory with rsync or 'mv'.

    Example: n2k kv build prices.jsonl --dataset prices-2026-12
    """
    if to is None:
        arguments.check_data(context)
    is_csv = is_csv or file.lower().endswith(".csv")
    by_pipe = f"n2k kv build --dataset {name} " + ("--csv -" if is_csv or ".csv" in file.lower() else "-")
    with opened_plain(file, by_pipe) as source:
        building = Building(context.settings.kv_max_value, Refusals(context))
        done = building.run(context.store.keyvalue, name, source, is_csv=is_csv, is_empty_meant=empty, folder=to)
    if as_json:
        click.echo(json_line({**done._asdict(), **done.dataset._asdict(), "dataset": done.dataset.name}))
    else:
        context.talk(f"built {name}: {_summary(done)}")


@click.command("datasets")
@options.as_json
@pass_context
def show(context: Context, as_json: bool) -> None:
    """List the datasets: name, keys, bytes of keys and values, bytes of the file, the namespaces that show it, and a problem.

    Each is a file in the folder 'datasets' of the data directory. One that cannot be used, because it is damaged, not
    completely copied, newer, or gone though a namespace shows it, is listed with its problem, and the exit code is that of the
    first problem. 'n2k check' reads every byte. Headings are printed on standard error.

    Example: n2k kv datasets
    """
    arguments.check_data(context)
    listed = list(namespaces(context.store).datasets())
    if not as_json:
        context.talk("\t".join(HEADINGS))
    for each in listed:
        fields = {"name": each.name, **(each.dataset._asdict() if each.dataset else UNKNOWN)}
        problem = each.problem and str(each.problem)
        if as_json:
            click.echo(json_line({**fields, "namespaces": each.namespaces, "problem": problem}))
        else:
            click.echo("\t".join(map(as_word, (*fields.values(), " ".join(each.namespaces) or None, problem))))
    for each in listed:
        if each.problem:
            raise each.problem


@click.command("use")
@arguments.of_namespace
@click.argument("dataset", type=DatasetName(NO_DATASET))
@click.option("--carry", is_flag=True, help="Take along what was written since the last swap; what DATASET had is removed.")
@click.option("--fresh", is_flag=True, help="Remove the later writes that DATASET had.")
@click.option("--yes", is_flag=True, help="Do not ask before --carry, or --fresh with 'none', removes something.")
@pass_context
def use(context: Context, *, namespace: str, dataset: str, carry: bool, fresh: bool, yes: bool) -> None:
    """Show DATASET in the namespace NS, 'none' for none: all values at once, in every process, from the next request on.

    What is written later belongs to the dataset that is shown then, and what was written before the first one belongs to
    'none': it is hidden by a swap, and there again when its dataset is shown. The file is read and checked first; if it is
    damaged, nothing changes. Values have the version of the swap; programs that follow the changes list the keys again.
    Prints the version.

    Example: n2k kv use shop prices-2026-12
    """
    if carry and fresh:
        raise click.UsageError("--carry and --fresh exclude each other")
    later = Later.CARRY if carry else Later.FRESH if fresh else Later.KEPT
    space = arguments.space(context, namespace)
    before = space.dataset()
    if not yes and (carry or (fresh and dataset == NO_DATASET)):
        removed = _removed(space, dataset, later)
        if removed:
            arguments.confirm_removal(f"{removed} in {namespace}")
    version = space.use(dataset, later)
    click.echo(version)
    context.talk(f"{namespace} shows {dataset}")
    hidden = space.later_writes().get(before, 0)
    if hidden and before != dataset:
        context.talk(f"hidden until '{before}' is shown again: {counted(hidden, 'key')} {_of(before)}")


def _removed(space: KeyValueSpace, dataset: str, later: Later) -> str:
    """What would be removed, for people; '' if nothing."""
    is_shown = dataset == space.dataset()
    count = space.space().keys if is_shown and later is Later.FRESH else space.later_writes().get(dataset, 0)
    return f"{counted(count, 'key')} {_of(dataset)}" if count else ""


def _of(dataset: str) -> str:
    return "written without a dataset" if dataset == NO_DATASET else f"written above {dataset}"


@click.command("remove")
@click.argument("dataset", type=DatasetName())
@click.option("--later", is_flag=True, help="Also the later writes that namespaces keep for it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_context
def remove(context: Context, *, dataset: str, later: bool, yes: bool) -> None:
    """Remove the file of DATASET, which may be damaged. Refused with exit code 125 while a namespace shows it.

    Programs that read it, such as an export that has begun, read on to their end. What was written later, while a namespace
    showed it, is kept there, and is there again when the namespace shows another dataset of this name. With --later it is
    removed, also if the file is gone already.

    Example: n2k kv remove prices-2026-11
    """
    arguments.check_data(context)
    if not yes:
        arguments.confirm_removal(f"the dataset {dataset}")
    found = ", ".join(namespaces(context.store).remove_dataset(dataset, later=later))
    kept = "with its later writes in" if later else "its later writes are kept in"
    context.talk(f"removed: {dataset}" + (f", {kept} {found}" if found else ""))


def _summary(done: Built) -> str:
    parts = [counted(done.dataset.keys, "key"), f"{done.dataset.size} bytes"]
    if done.entries > done.dataset.keys:
        parts.append(f"{done.entries - done.dataset.keys} replaced by later lines")
    if done.expired:
        parts.append(f"{done.expired} expired")
    if done.sequences:
        parts.append(f"{counted(done.sequences, 'sequence')} left out")
    return ", ".join(parts)
