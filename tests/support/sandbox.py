"""A data directory for tests: real files, checked for consistency when a test is done with it."""

import shutil
from pathlib import Path

from n2k_fcgi.config import Settings, load
from n2k_fcgi.model.avatar import Source
from n2k_fcgi.model.grids import Wanted
from n2k_fcgi.model.keys import parse_key
from n2k_fcgi.model.names import canonical
from n2k_fcgi.model.observations import Observation
from n2k_fcgi.service.directory.lookup import View
from n2k_fcgi.service.dumps.reading import BLOCK, Dump
from n2k_fcgi.service.ingest.importer import Importer
from n2k_fcgi.service.ingest.report import ImportReport, Order
from n2k_fcgi.store.lmdb.engine import LmdbStore
from n2k_fcgi.wiring import directory, forgetting, importer, registrar, store_options

MASAKAZU = "a27b84f0-2757-4176-9579-43a181d4a5a0"
GOVERNOR = "3d6181b0-6a4b-97ef-18d8-722652995cf1"
USERNAME = "3223a4e4-01c6-44f8-9aa1-df790e02aa93"


class Sandbox:
    """One data directory with its store, and the operations that tests do on it."""

    def __init__(self, data_dir: Path, **flags: str) -> None:
        self.data_dir = data_dir
        self.settings: Settings = load(environment={}, flags={"data_dir": str(data_dir), **flags}).settings
        self.store = LmdbStore(store_options(self.settings))
        self.store.create()

    def begin_with(self, data_dir: Path) -> None:
        """Have a copy of a data directory that no process has open."""
        self.close()
        shutil.rmtree(self.data_dir)
        shutil.copytree(data_dir, self.data_dir, ignore=shutil.ignore_patterns("*-lock"))

    def importer(self, *, max_bad: float | None = None) -> Importer:
        """An importer into this directory, in this very process: tests of the command run the second one."""
        return importer(self.store, self.settings, max_bad=max_bad, jobs=1)

    def import_text(
        self,
        text: str | bytes,
        *,
        grid: str = "Production",
        as_of: int | None = None,
        replace: bool = False,
        force: bool = True,
        block: int = BLOCK,
    ) -> ImportReport:
        """Import lines given as text; *force*: also far fewer than before; *block*: bytes that are read at a time."""
        path = self.data_dir.with_name(self.data_dir.name + ".dump")
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        with Dump(path, block=block) as dump:
            return self.importer().run(dump, Order(grid, as_of, replace, force))

    def view(self) -> View:
        """The directory as lookups see it now."""
        return directory(self.store, self.settings).view()

    def register(self, name: str, key: str, grid: str = "Production") -> None:
        """Register through the service."""
        job = registrar(self.store, self.settings)
        job.register(job.offer(name, key, Wanted(grid)), Source())

    def forget_key(self, key: bytes) -> None:
        """Hide the avatar with *key* through the service."""
        job = forgetting(self.store, self.settings)
        job.forget(job.with_key(key))

    def forget_name(self, name: str, grid: str) -> None:
        """Hide whoever has the canonical *name* on *grid*."""
        job = forgetting(self.store, self.settings)
        job.forget(job.called(name, grid))

    def record(
        self,
        key: str | bytes,
        name: str,
        now: int,
        *,
        grid: str = "Production",
        refuse: bool = True,
        source: Source | None = None,
    ) -> None:
        """Capture at a time of the test's choice, by the store's own rules only."""
        binary = parse_key(key) if isinstance(key, str) else key
        seen = Observation(binary, name, canonical(name), grid, source or Source(), refuse)
        (done,) = self.store.captures.record([seen], now)
        if isinstance(done, Exception):
            raise done

    def problems(self) -> list[str]:
        """What the consistency check finds."""
        return [finding.problem for finding in self.store.check()]

    def close(self) -> None:
        """Close the store."""
        self.store.close()


def csv(*rows: tuple[str, str]) -> str:
    """Lines of W-Hat's dump."""
    return "".join(f"{key},{name}\n" for key, name in rows)
