"""The table of files in docs/storage.md, written from the code: ``python -m tests.support.file_table``."""

import sys

from n2k_fcgi.store.inventory import TABLE, File

HEAD = """\
| File | What it is | Written by | Mode | Names avatars | `purge` | Backup | `check` looks at | `export` |
|---|---|---|---|---|---|---|---|---|
"""


def file_table() -> str:
    """Markdown, a row for each kind of file."""
    return HEAD + "".join(_row(row) for row in TABLE)


def _row(row: File) -> str:
    cells = [
        f"`{row.pattern}`",
        row.meaning,
        row.writer,
        row.access.value,
        "yes" if row.names_avatars else "no",
        row.purging.value,
        row.backup.value,
        row.check.value,
        "reads it" if row.is_exported else "-",
    ]
    return "| " + " | ".join(cells) + " |\n"


if __name__ == "__main__":
    sys.stdout.write(file_table())
