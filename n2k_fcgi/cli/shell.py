"""The commands of ``n2k shell`` and their results."""

import cmd
import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click

from n2k_fcgi.cli.answers import find, full_line, why_not
from n2k_fcgi.cli.grids import meant
from n2k_fcgi.cli.standard_streams import as_typed
from n2k_fcgi.config import Settings
from n2k_fcgi.errors import N2KError, NotFound, counted
from n2k_fcgi.model.keys import is_key_shaped, parse_key
from n2k_fcgi.model.names import parse_name
from n2k_fcgi.service.directory.history import History
from n2k_fcgi.service.directory.lookup import View
from n2k_fcgi.service.directory.search import search
from n2k_fcgi.store.base import Store
from n2k_fcgi.wiring import directory, grids, overview

HISTORY_LINES = 1000
MATCHES = 20
"""The most names that completion offers."""

HELP = """Type a name or a key; 'help' for more, 'quit' or Ctrl-D to leave.

  name NAME      look up a name, also one that begins with a word of this list
  key KEY        look up a key
  all NAME|KEY   every grid, and former names
  grid [G]       prefer the grid G; without G: print the preferred one
  stats          counts of the directory
  help           this
  quit           leave"""


class Shell(cmd.Cmd):
    """Answers line by line, each from the generation that is live at that moment."""

    prompt = "n2k> "

    def __init__(self, store: Store, settings: Settings, is_known: Callable[[str], bool]) -> None:
        """*is_known*: whether a grid has avatars."""
        super().__init__(completekey="")  # bound below
        self._store = store
        self._settings = settings
        self._grids = grids(settings)
        self._is_known = is_known
        self._grid: str | None = None
        self._matches: list[str] = []
        self.unanswered = 0
        """Lines without a result."""
        self._view()  # reports a missing or damaged store once, not per line

    def converse(self, history: Path) -> None:
        """Prompt on the terminal until the user leaves; Ctrl-C clears the line.

        The history is not saved if a purge removed it meanwhile: one of its lines may be the reason.
        """
        purged = self._store.forgotten.purged()
        with _line_editing(history, self.completion, lambda: self._store.forgotten.purged() == purged):
            while True:
                try:
                    self.cmdloop()
                    return
                except KeyboardInterrupt:
                    click.echo()
                except N2KError as problem:
                    click.echo(problem)

    def answer(self, lines: Iterable[str]) -> None:
        """Answer each line until one says ``quit``."""
        for line in lines:
            if self.onecmd(line):
                return

    def onecmd(self, line: str) -> bool:
        """Run one line; an error in it is its result. Return True to leave. Raises errors of the store."""
        try:
            return bool(super().onecmd(as_typed(line)))
        except N2KError as problem:
            if problem.status >= 500:
                raise
            self.unanswered += 1
            click.echo(problem)
            return False

    def parseline(self, line: str) -> tuple[str | None, str | None, str]:
        """Split a line into command and argument; None and None if it begins with no command."""
        stripped = line.strip()
        word, _, rest = stripped.partition(" ")
        if word.isidentifier() and hasattr(self, f"do_{word}"):
            return word, rest.strip(), stripped
        return None, None, stripped

    def emptyline(self) -> bool:
        """Do nothing (the base class would repeat the last command)."""
        return False

    def default(self, line: str) -> None:
        """Look up a name or a key."""
        view = self._view()
        avatar = find(view, line, self._grid) or find(view, line, None)
        if avatar is None:
            raise NotFound(what=line + why_not(view, [line]))
        click.echo(full_line(avatar))

    def do_name(self, name: str) -> None:
        """Look up a name."""
        parse_name(name)
        self.default(name)

    def do_key(self, key: str) -> None:
        """Look up a key."""
        parse_key(key)
        self.default(key)

    def do_all(self, text: str) -> None:
        """Every avatar that a name or key means, on every grid, with its former names."""
        history = History(self._view())
        keys = [parse_key(text)] if is_key_shaped(text) else history.keys_called(parse_name(text).canonical)
        found = [named.avatar for key in keys for named in history.names_of(key)]
        if not found:
            raise NotFound(what=text)
        for avatar in found:
            click.echo(full_line(avatar))

    def do_grid(self, grid: str) -> None:
        """Set the preferred grid, or print it."""
        if grid:
            self._grid = self._grids.parse(grid)
        preferred = self._grid or self._grids.default
        doubt = "" if self._is_known(preferred) else f": no avatar is known on it{meant(preferred, self._grids.labels)}"
        click.echo(f"grid: {preferred}{doubt}")

    def do_stats(self, _: str) -> None:
        """Print counts of the directory in one line."""
        counts = overview(self._store).statistics()
        seen = f"{counted(counts.avatars, 'avatar')}, {counted(counts.captures, 'capture')}"
        click.echo(f"{seen}, generation {counts.generation}")

    def do_help(self, _: str) -> None:
        """Print the commands."""
        click.echo(HELP)

    def do_quit(self, _: str) -> bool:
        """Leave."""
        return True

    def do_EOF(self, _: str) -> bool:
        """Leave: the base class calls it for Ctrl-D."""
        click.echo()
        return True

    def completion(self, text: str, state: int) -> str | None:
        """Completions of *text*, the line up to the cursor; readline calls it with 0, 1, ... until None."""
        if state == 0:
            self._matches = list(self._completions(text))
        return self._matches[state] if state < len(self._matches) else None

    def _completions(self, line: str) -> Iterator[str]:
        word, space, rest = line.partition(" ")
        if space and word == "grid":
            yield from (f"grid {grid}" for grid in self._grids.labels if grid.lower().startswith(rest.lower()))
        elif space and word in ("name", "all"):
            yield from (f"{word} {name}" for name in self._names(rest))
        else:
            yield from (f"{c} " for c in ("all", "grid", "help", "key", "name", "quit", "stats") if c.startswith(line))
            yield from self._names(line)

    def _names(self, beginning: str) -> list[str]:
        """Names with this beginning, as they are spelled."""
        try:
            view = self._view()
            with view.snapshot():
                page = search(view, beginning, limit=MATCHES)
        except N2KError:  # no beginning of a name
            return []
        return [avatar.name for _, avatars in page.names for avatar in avatars]

    def _view(self) -> View:
        return directory(self._store, self._settings).view()


@contextlib.contextmanager
def _line_editing(history: Path, completion: Callable[[str, int], str | None], may_keep: Callable[[], bool]) -> Iterator[None]:
    """Editing, completion and a history, if Python has readline. *may_keep*: asked before the history is written."""
    try:
        import readline  # late: some Pythons lack it
    except ImportError:
        yield
        return
    readline.set_completer_delims("")  # names have spaces: the whole line is completed
    readline.set_completer(completion)
    readline.parse_and_bind("tab: complete")
    readline.set_history_length(HISTORY_LINES)
    with contextlib.suppress(OSError):
        readline.read_history_file(history)
    try:
        yield
    finally:
        with contextlib.suppress(OSError, N2KError):  # a data directory that is read-only has no history
            if may_keep():
                os.close(os.open(history, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
                readline.write_history_file(history)
