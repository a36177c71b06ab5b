"""Writes docs/errors.md from the error classes: ``python -m tests.support.error_table > docs/errors.md``."""

import string
import sys

from n2k_fcgi.errors import BadRequest, BatchRefused, N2KError, dumps, handles, installation, keyvalue, requests, store

RANGES = (
    (1, 1, "unexpected: an error in this program; the log has the traceback"),
    (2, 2, "wrong usage of a command (click's own code; the message shows the usage)"),
    (10, 29, "the caller's input: a name, a key, a grid, a request"),
    (30, 39, "access: tokens and what they permit"),
    (40, 59, "the store: the data directory and its generations"),
    (60, 79, "dumps and imports"),
    (80, 99, "the installation: settings, deployment, addresses"),
    (100, 129, "the key-value service"),
)
"""First and last exit code, and what the range is about."""

INTRODUCTION = """\
# Errors

Every error has a message of one line that says what is wrong and what to do. A command prints it on standard error and ends
with the exit code below; a server answers with the HTTP status and the message. Where the message holds what only the owner
may see, such as a path, the server writes it to its log and sends its callers a shorter one. Statuses from 500 on are the
server's fault, others the caller's.

Scripts can rely on the ranges of exit codes:

| Exit code | What it is about |
|---|---|
"""


def error_classes() -> list[type[N2KError]]:
    """Every error class but the base, by exit code."""
    values = [value for module in (requests, store, dumps, installation, keyvalue, handles) for value in vars(module).values()]
    found = {value for value in values if isinstance(value, type) and issubclass(value, N2KError)} - {N2KError}
    return sorted(found, key=lambda error: error.exit_code)


def fields(error: type[N2KError]) -> list[str]:
    """The keywords that the template of *error* needs."""
    return sorted({name for _, name, _, _ in string.Formatter().parse(error.template) if name})


def example(error: type[N2KError], context: dict[str, str]) -> N2KError:
    """An instance of *error* whose template is filled with *context*."""
    if error is BatchRefused:  # its fields come from the failures of its operations
        return error(failures=[(context["index"], BadRequest(why=context["why"]))])
    return error(**context)


def error_table() -> str:
    """The whole page, Markdown."""
    lines = [f"| {low if low == high else f'{low}–{high}'} | {about} |" for low, high, about in RANGES]
    lines += ["", "Each error, with the variable parts in angle brackets:", ""]
    lines += ["| Exit code | HTTP status | Error | Message | When |", "|---|---|---|---|---|"]
    lines += [_row(error) for error in error_classes()]
    return INTRODUCTION + "\n".join(lines) + "\n"


def _row(error: type[N2KError]) -> str:
    message = str(_example(error))
    told = f"; to callers: `{_example(error).told}`" if error.public else ""
    meaning = " ".join((error.__doc__ or "").split())
    cells = [str(error.exit_code), str(error.status), error.__name__, f"`{message}`{told}", meaning.replace("``", "`")]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _example(error: type[N2KError]) -> N2KError:
    return example(error, {name: f"<{name}>" for name in fields(error)})


if __name__ == "__main__":
    sys.stdout.write(error_table())
