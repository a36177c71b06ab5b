"""``n2k kv``: the key-value service, namespace by namespace."""

import click

from n2k_fcgi.cli.kv import datasets, lists, owner, transfer, values
from n2k_fcgi.cli.suggestions import Group


@click.group("kv", cls=Group)
def command() -> None:
    """Read and write the key-value service: values in namespaces, for scripts and programs.

    Example: n2k kv namespaces
    """


for _part in (
    values.get, values.put, values.delete, values.incr,
    lists.show, lists.stat, lists.watch,
    transfer.export, transfer.import_,
    datasets.build, datasets.show, datasets.use, datasets.remove,
    owner.show, owner.open_, owner.close, owner.compact, owner.drop,
):  # fmt: skip
    command.add_command(_part)
