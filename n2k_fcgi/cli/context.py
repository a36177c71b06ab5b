"""What the commands share: settings, the open store, messages on standard error."""

from pathlib import Path

import click

from n2k_fcgi import logs
from n2k_fcgi.config import Loaded, Settings, load
from n2k_fcgi.model.choices import LogLevel
from n2k_fcgi.model.grids import Grids
from n2k_fcgi.store.base import Store
from n2k_fcgi.wiring import grids, note_counts, open_store, set_up_logs


class Context:
    """The options of ``n2k`` itself, and what follows from them, made at first use."""

    def __init__(self, data_dir: str | None, config: str | None, *, verbose: bool, quiet: bool) -> None:
        self.flags = {"data_dir": data_dir} if data_dir else {}
        self.config = config
        self.verbose = verbose
        self.quiet = quiet
        self._loaded: Loaded | None = None
        self._store: Store | None = None

    @property
    def loaded(self) -> Loaded:
        """The settings, and where each was set."""
        if self._loaded is None:
            self._loaded = load(Path(self.config) if self.config else None, flags=self.flags)
            self._set_up_logs(self._loaded.settings)
        return self._loaded

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.loaded.settings

    @property
    def grids(self) -> Grids:
        """The grids of the settings."""
        return grids(self.settings)

    @property
    def store(self) -> Store:
        """The store, open for reading and writing; the data directory must exist by the time it is used."""
        if self._store is None:
            self._store = open_store(self.settings)
        return self._store

    def make_directory(self) -> None:
        """Make a missing data directory, for commands that write."""
        is_new = not self.settings.folder.is_dir()
        self.store.create()
        if is_new:
            self._set_up_logs(self.settings)  # the log is in it

    def move_to(self, data_dir: Path) -> None:
        """Use the settings in force on another data directory, which is made."""
        loaded = self.loaded
        self._loaded = loaded._replace(settings=loaded.settings._replace(data_dir=str(data_dir)))
        self.make_directory()

    def talk(self, line: str) -> None:
        """Print a message that is no result: on standard error, unless ``-q``."""
        if not self.quiet:
            click.echo(line, err=True)

    def warn(self, line: str) -> None:
        """Print what the owner must read, also with ``-q``: cron mails it."""
        click.echo(line, err=True)

    def server_flags(self) -> dict[str, str]:
        """The flags for ``LiveApplication``, which loads the settings again whenever they change."""
        from n2k_fcgi.deploy.installation import code_digest  # late: for servers only

        flags = {**self.flags, "code": code_digest()}
        if self.config:
            flags["config"] = str(self.loaded.file)
        if self.verbose:
            flags["log_level"] = LogLevel.DEBUG
        return flags

    def close(self) -> None:
        """Close what was opened."""
        if self._store is not None:
            note_counts(self._store)
            self._store.close()

    def _set_up_logs(self, settings: Settings) -> None:
        if self.verbose:
            logs.set_up(None, LogLevel.DEBUG, rotate_bytes=settings.log_rotate, keep=settings.log_keep)
        elif settings.folder.is_dir():
            set_up_logs(settings)


pass_context = click.make_pass_decorator(Context)
