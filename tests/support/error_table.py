"""Writes docs/errors.md from the error classes: ``python -m tests.support.error_table > docs/errors.md``."""

import string
import sys

from n2k_fcgi import errors
from n2k_fcgi.errors import N2KError

RANGES = (
    (1, 1, "unexpected: a fault of this program; the log has the traceback"),
    (2, 2, "wrong usage of a command (click's own code; the message shows the usage)"),
    (10, 29, "what the caller gave: a name, a key, a grid, a request"),
    (30, 39, "access: tokens and what they allow"),
    (40, 59, "the store: the data directory and its generations"),
    (60, 79, "dumps and imports"),
    (80, 99, "the installation: settings, deployment, addresses"),
)
"""First and last exit code, and what the range is about."""

INTRODUCTION = """\
# Errors

When something goes wrong, n2k_fcgi says in one line what it was and what to do about it. A command prints that line on
standard error and ends with the exit code below; a server answers with the HTTP status and the same line. Where the line
is the owner's business (it names a path, say) the server writes it to its log and tells its callers less. A status above
499 is our side's, one below is the caller's.

A script can rely on the ranges of exit codes:

| Exit code | What it is about |
|---|---|
"""


def error_classes() -> list[type[N2KError]]:
    """Every error class but the base, by exit code."""
    found = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, N2KError) and c is not N2KError]
    return sorted(found, key=lambda error: error.exit_code)


def fields(error: type[N2KError]) -> list[str]:
    """The keywords that the template of *error* needs."""
    return sorted({name for _, name, _, _ in string.Formatter().parse(error.template) if name})


def error_table() -> str:
    """The whole page, Markdown."""
    lines = [f"| {low if low == high else f'{low}–{high}'} | {about} |" for low, high, about in RANGES]
    lines += ["", "Each error, with what varies between angle brackets:", ""]
    lines += ["| Exit code | HTTP status | Error | Message | When |", "|---|---|---|---|---|"]
    lines += [_row(error) for error in error_classes()]
    return INTRODUCTION + "\n".join(lines) + "\n"


def _row(error: type[N2KError]) -> str:
    message = str(error(**{name: f"<{name}>" for name in fields(error)}))
    told = f"; to callers: `{error.public}`" if error.public else ""
    meaning = " ".join((error.__doc__ or "").split())
    cells = [str(error.exit_code), str(error.status), error.__name__, f"`{message}`{told}", meaning.replace("``", "`")]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    sys.stdout.write(error_table())
