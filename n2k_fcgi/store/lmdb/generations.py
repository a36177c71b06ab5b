"""The generations of a data directory: the live one, kept open; publishing another, going back, pruning."""

from __future__ import annotations

import contextlib
import os
import time

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors import NoSuchGeneration, StoreDamaged, StoreMissing, StoreTooNew, StoreUnreadable
from n2k_fcgi.files import refuse_os_error
from n2k_fcgi.store.bounds import REBUILD
from n2k_fcgi.store.datadir import DATA_FILE
from n2k_fcgi.store.lmdb.generation import Generation
from n2k_fcgi.store.lmdb.generation_file import GenerationFile
from n2k_fcgi.store.lmdb.generation_folders import REPLACED, GenerationFolders
from n2k_fcgi.store.lmdb.open_files import OpenFiles
from n2k_fcgi.store.lmdb.resident import IMPORT_RESIDENT, resident_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed import StrPath

    from n2k_fcgi.files import Modes
    from n2k_fcgi.model.builds import Merge
    from n2k_fcgi.model.manifests import Manifest
    from n2k_fcgi.model.origins import OriginTable
    from n2k_fcgi.store.lmdb.building.build import Build
    from n2k_fcgi.store.lmdb.building.sizes import Sizes
    from n2k_fcgi.store.lmdb.differences.build import DifferencesBuild
    from n2k_fcgi.store.lmdb.lease import Lease

LOOKS_BETWEEN_SIZES = 64
"""Requests between two checks of our resident size. A cold lookup maps up to 128 KB, so at most 8 MB are missed."""

_NOWHERE = (0, 0, 0)


class Generations(GenerationFolders):
    """Implements ``store.avatars.GenerationStore``, and what builds and purges of this engine need beside it.

    *sizes*: those of a build, else the defaults. *resident_limit*: bytes of resident memory of this process above which the
    map is dropped and opened again: a host's watchdog counts its pages as ours (545 MB after a million random lookups
    otherwise; measured).
    """

    def __init__(self, data_dir: StrPath, modes: Modes, *, resident_limit: int, sizes: Sizes | None = None) -> None:
        super().__init__(data_dir, modes)
        self.resident_limit = resident_limit
        self.sizes = sizes
        self._stamp = _NOWHERE
        self._open: Generation | None = None
        self._held: dict[str, Generation] = {}
        """Generations with a lease that are not live any more."""
        self._looks = 0
        self._files = OpenFiles()

    def current(self) -> Generation | None:
        """See ``store.avatars.GenerationStore``. One ``stat`` shows whether another one became live.

        Then the previous one is closed, unless it has a lease: an answer calls this once, and a long one takes a lease.
        """
        try:
            status = os.stat(self._pointer)
        except (FileNotFoundError, NotADirectoryError):
            self.close()
            if not os.path.isdir(self._place()):
                raise StoreMissing(path=self.where) from None
            return None
        except OSError as error:
            refuse_os_error(self._pointer, error)
        stamp = (status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
        if self._open is None or stamp != self._stamp:
            self.close()
            self._open = self._of_live(lambda name: self._held.pop(name, None) or self.open(name, self.resident_limit))
            self._stamp = stamp
        self._looks += 1
        if self._looks >= LOOKS_BETWEEN_SIZES:
            self._looks = 0
            if resident_bytes() > self.resident_limit:
                large, self._open = self._open, None
                try:
                    large.reopen()
                except BaseException:
                    large.close()  # the next request opens it from the beginning
                    raise
                self._open = large
        return self._open

    def close(self) -> None:
        """Release the map, unless there is a lease; the next ``current`` opens it again."""
        if self._open is not None:
            self._held[self._open.name] = self._open
            self._open = None
        for generation in [each for each in self._held.values() if not each.holds]:  # its lease may have become garbage
            del self._held[generation.name]
            generation.close()
        self._stamp = _NOWHERE

    def close_all(self) -> None:
        """``close``, and all that have a lease: their answers fail at the next step."""
        held = [self._open] if self._open is not None else []
        for generation in [*held, *self._held.values()]:
            generation.close()
        self._open = None
        self._held.clear()
        self._stamp = _NOWHERE

    def hold(self) -> Lease | None:
        """See ``store.avatars.GenerationStore``."""
        from n2k_fcgi.store.lmdb.lease import Lease  # late: lookups take none

        generation = self.current()
        return None if generation is None else Lease(self, generation)

    def let_go(self, generation: Generation) -> None:
        """Close a generation after a lease, unless it is live or has another lease."""
        if not generation.holds and generation is not self._open:
            self._held.pop(generation.name, None)
            generation.close()

    def latest(self, grid: str) -> int | None:
        """See ``store.avatars.GenerationStore``."""
        generation = self.current()
        origins = generation.origins_in_use() if generation is not None else []
        return max((origin.as_of for origin in origins if origin.grid == grid), default=None)

    def open(self, name: str, resident_limit: int = IMPORT_RESIDENT) -> Generation:
        """Open a generation by its name, with its base; refuse a data file that is not as large as its manifest says."""
        own = self._file(name)
        base = None
        try:
            if own.base is not None:
                base = self._base(own, own.base["name"], own.base["id"])
        except BaseException:
            self._files.give_back(own)
            raise
        return Generation(name, own, base, resident_limit=resident_limit, release=self._files.give_back)

    def _file(self, name: str) -> GenerationFile:
        manifest = self.manifest(name)
        path = self._place(name, DATA_FILE)
        try:
            size = os.stat(path).st_size
        except FileNotFoundError:
            raise StoreDamaged(path=path, why="it is not there") from None
        except OSError as error:
            refuse_os_error(path, error)
        if size != manifest.bytes:
            raise StoreDamaged(path=path, why=f"it has {size} bytes, its manifest says {manifest.bytes}")
        return self._files.take(path, manifest.created)

    def _base(self, own: GenerationFile, name: str, identity: str) -> GenerationFile:
        if not os.path.isdir(self._place(name)):
            raise StoreDamaged(
                path=own.where, why=f"it is the differences against generation {name}, which is not there: copy that one too"
            )
        base = self._file(name)
        if base.id != identity or base.base is not None:
            self._files.give_back(base)
            raise StoreDamaged(path=own.where, why=f"it is the differences against another generation {name} than is there")
        return base

    def lay_over(self, path: StrPath, base: GenerationFile) -> Generation:
        """Open differences, which are not published, over *base*, which is open."""
        own = self._files.take(path, int(time.time()))
        base.users += 1
        return Generation("", own, base, resident_limit=IMPORT_RESIDENT, release=self._files.give_back)

    def grids(self) -> set[str]:
        """See ``store.avatars.GenerationStore``."""
        found: set[str] = set()
        for name in self.names():
            with contextlib.suppress(StoreDamaged, StoreTooNew, StoreUnreadable), self.opened(name) as generation:
                found |= generation.grids
        return found

    @contextlib.contextmanager
    def opened(self, name: str) -> Iterator[Generation]:
        """Open generation *name* for one block."""
        generation = self.open(name)
        try:
            yield generation
        finally:
            generation.close()

    def publish(self, manifest: Manifest) -> None:
        """See ``store.avatars.GenerationStore``: one rename."""
        self.finish(manifest)
        self.use(manifest.name)

    def use(self, name: str) -> None:
        """See ``store.avatars.GenerationStore``: one rename."""
        if name not in self.names():
            raise NoSuchGeneration(name=name)
        with self.opened(name):  # refuses a damaged one
            pass
        self.set_current(name)

    def seal(self, name: str) -> None:
        """See ``store.avatars.GenerationStore``."""
        from n2k_fcgi.store import ration  # late: nobody else needs these
        from n2k_fcgi.store.lmdb.sealing import seal

        path = self._folder / name / DATA_FILE
        try:
            seal(path)
            ration.let_go(path)
            size = path.stat().st_size
        except OSError as error:
            refuse_os_error(path, error)
        self.rewrite(self.manifest(name)._replace(bytes=size))

    def refuse_changed(self, name: str) -> None:
        """See ``store.avatars.GenerationStore``."""
        if name not in self.names():
            raise NoSuchGeneration(name=name)
        with self.opened(name) as generation:
            generation.refuse_changed()

    def shares_past(self, name: str) -> bool:
        """See ``store.avatars.GenerationStore``."""
        live = self.current_name()
        if name not in self.names():
            raise NoSuchGeneration(name=name)
        if not live or _origin(live) == _origin(name):
            return True
        with self.opened(name) as wanted:
            past = wanted.past
        if past is None or _origin(live) in map(_origin, past):
            return True
        try:
            with self.opened(live) as present:
                return present.past is None or _origin(name) in map(_origin, present.past)
        except (StoreDamaged, StoreTooNew, StoreUnreadable):  # going back is what helps
            return True

    def build(
        self, origins: OriginTable, merge: Merge, *, text_bytes: int = 0, jobs: int = 1, rebuild: float = REBUILD
    ) -> Build | DifferencesBuild:
        """See ``store.avatars.GenerationStore``."""
        from n2k_fcgi.store.lmdb.building.build import Build  # late: workers build nothing
        from n2k_fcgi.store.lmdb.differences.build import DifferencesBuild

        self.close()  # a build reads through maps with its own bound of memory
        live = self._open_live(merge)
        if live is not None and live.own.has_forms and not _has_future(live):
            return DifferencesBuild(self, live, origins, merge, text_bytes=text_bytes, rebuild=rebuild)
        return Build(self, live, origins, merge, text_bytes=text_bytes, jobs=jobs)

    def _open_live(self, merge: Merge) -> Generation | None:
        name = self.current_name()
        if not name:
            return None
        try:
            return self.open(name)
        except StoreDamaged as error:
            if not merge.skip_damaged:
                raise
            merge.tell(f"the damaged generation is not merged: {error}")
            return None

    def base_of(self, name: str) -> str:
        """Return the name of the generation that *name* is the differences against; '' if it is whole, or not known."""
        try:
            return self.manifest(name).base
        except (StoreDamaged, StoreTooNew, StoreUnreadable):
            return ""

    def prune(self, keep: int) -> list[str]:
        """See ``store.avatars.GenerationStore``. A worker that has one open goes on reading it."""
        live = self.current_name()
        names = self.names()
        spare = [name for name in names if name != live]
        old = set(spare[: max(0, len(spare) - (keep - 1))])
        bases = {self.base_of(name) for name in names if name not in old}
        gone = [name for name in spare if name in old - bases]
        self.remove_all(gone)
        return gone

    def remove_all(self, names: Iterable[str]) -> None:
        """Remove generations; a kill leaves no differences without their base."""
        for name in sorted(names, key=lambda name: not self.base_of(name)):
            self.remove(self._folder / name)


def _has_future(generation: Generation) -> bool:
    """Whether it has times that a clock, which was wrong then or is now, calls the future."""
    now = time.time()
    return any(origin.as_of > now for origin in (*generation.origins, *generation.former_origins))


def _origin(name: str) -> str:
    """Return the name that a generation had before purges rewrote it."""
    return name.rstrip(REPLACED)
