"""The base of all errors, and the formatting of values in their messages."""

import errno

SHOWN_CHARACTERS = 120
"""How much of a caller's text a message repeats: enough to recognise it, too little to flood a log."""


def shown(value: object, most: int = SHOWN_CHARACTERS) -> str:
    """Return *value* as one printable line of at most *most* characters, whatever a caller sent."""
    text = str(value)
    start = text[: most + 1]
    if not start.isprintable():
        start = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in start)
    return start if len(start) <= most else start[: most - 1] + "…"


def counted(number: object, thing: str, form: str = "") -> str:
    """Return ``1 row`` or ``2 rows``: *number* in the format *form*, and *thing*, whose plural is formed with an s."""
    return f"{number:{form}} {thing}{'' if number == 1 else 's'}"


_NO_MEMORY = ("Cannot allocate memory", "failed to map segment", "bad_alloc", "not enough memory", "memory exhausted")


def is_no_memory(problem: object) -> bool:
    """Whether an exception, or the output of another program, means that the system refused memory or address space.

    Python, its module loader, LMDB and the programs that unpack dumps each report it differently. An import may fail for
    this reason and then name another one (lmdb without its compiled part looks for cffi), so the exception's context is
    checked too. The interpreter raises SystemError when it cannot even make a MemoryError.
    """
    if isinstance(problem, OSError) and problem.errno is not None:
        return problem.errno == errno.ENOMEM
    if isinstance(problem, (MemoryError, SystemError)) or any(words in str(problem) for words in _NO_MEMORY):
        return True
    return isinstance(problem, ImportError) and problem.__context__ is not None and is_no_memory(problem.__context__)


class N2KError(Exception):
    """Base of all. ``template`` is formatted with the keywords, each made printable first."""

    template = "something went wrong"
    public = ""
    """The template for callers over HTTP where ``template`` holds what only the owner may see, such as a path; '' if equal."""
    status = 500
    exit_code = 1
    retry_after = 0
    """Seconds after which the same request may succeed, for ``Retry-After``; 0 if not known."""
    limit = ""
    """The limit that refused the request, one word by which it is counted; '' for other errors."""
    most_shown = SHOWN_CHARACTERS
    """Characters of each value that the message repeats."""

    def __init__(self, **context: object) -> None:
        printable = {name: shown(value, self.most_shown) for name, value in context.items()}
        super().__init__(self.template.format(**printable))
        self.told = (self.public or self.template).format(**printable)
        """The message for callers over HTTP; the log and the commands show ``str(error)``."""

    def within(self, part: object) -> None:
        """Prefix the message with the part of the dump in which the error occurred."""
        self.args = (f"{shown(part)}: {self}",)
