"""The generations of a data directory: which one is live, publishing another, going back, pruning."""

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from n2k_fcgi import files, logs
from n2k_fcgi.errors import ImportRunning, NoSuchGeneration, StoreDamaged, StoreMissing, StoreTooNew, StoreUnreadable
from n2k_fcgi.files import NEW_SUFFIX, Modes, hold, refuse_os_error, sync_folder
from n2k_fcgi.model.manifests import Manifest
from n2k_fcgi.model.origins import OriginTable
from n2k_fcgi.store.datadir import BUILDING, CURRENT, DATA_FILE, GENERATIONS, IMPORT_LOCK, MANIFEST
from n2k_fcgi.store.lmdb.generation import Generation
from n2k_fcgi.store.lmdb.layout import FORMAT
from n2k_fcgi.store.lmdb.resident import IMPORT_RESIDENT, resident_bytes

if TYPE_CHECKING:
    from n2k_fcgi.store.lmdb.building.build import Build
    from n2k_fcgi.store.lmdb.building.sizes import Sizes

LOOKS_BETWEEN_SIZES = 64
"""Requests between two checks of our resident size. A cold lookup maps up to 128 KB, so at most 8 MB are missed."""

GONE = ".gone" + BUILDING
"""Suffix of a folder that is being removed, whether it was finished or not."""

_NOWHERE = (0, 0, 0)

Found = TypeVar("Found")


class Generations:
    """Implements ``store.avatars.GenerationStore``, and what builds and purges of this engine need beside it.

    *sizes*: those of a build, else the defaults. *resident_limit*: bytes of resident memory of this process above which the
    map is dropped and opened again: a host's watchdog counts its pages as ours (545 MB after a million random lookups
    otherwise; measured).
    """

    def __init__(self, data_dir: Path, modes: Modes, *, resident_limit: int, sizes: "Sizes | None" = None) -> None:
        self.data_dir = data_dir
        self.modes = modes
        self.resident_limit = resident_limit
        self.sizes = sizes
        self._folder = data_dir / GENERATIONS
        self._pointer = str(data_dir / CURRENT)
        self._stamp = _NOWHERE
        self._open: Generation | None = None
        self._held: dict[str, Generation] = {}
        """Generations with a lease that are not live any more."""
        self._looks = 0

    def current(self) -> Generation | None:
        """See ``store.avatars.GenerationStore``. One ``stat`` shows whether another one became live.

        Then the previous one is closed, unless it has a lease: an answer calls this once, and a long one takes a lease.
        """
        try:
            status = os.stat(self._pointer)
        except (FileNotFoundError, NotADirectoryError):
            self.close()
            if not self._folder.is_dir():
                raise StoreMissing(path=self.data_dir) from None
            return None
        except OSError as error:
            refuse_os_error(Path(self._pointer), error)
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
            if self._open.holds:
                self._held[self._open.name] = self._open
            else:
                self._open.close()
            self._open = None
        self._stamp = _NOWHERE

    def close_all(self) -> None:
        """``close``, and all that have a lease: their answers fail at the next step."""
        held = [self._open] if self._open is not None else []
        for generation in [*held, *self._held.values()]:
            generation.close()
        self._open = None
        self._held.clear()
        self._stamp = _NOWHERE

    def hold(self) -> "Lease | None":
        """See ``store.avatars.GenerationStore``."""
        generation = self.current()
        return None if generation is None else Lease(self, generation)

    def let_go(self, generation: Generation) -> None:
        """Close a generation after a lease, unless it is live or has another lease."""
        if not generation.holds and generation is not self._open:
            self._held.pop(generation.name, None)
            generation.close()

    def current_name(self) -> str:
        """See ``store.avatars.GenerationStore``. Raises StoreDamaged if CURRENT holds no generation's name."""
        try:
            name = Path(self._pointer).read_text("ascii").strip()
        except (FileNotFoundError, NotADirectoryError):
            return ""
        except OSError as error:
            refuse_os_error(Path(self._pointer), error)
        except UnicodeDecodeError:
            raise StoreUnreadable(path=self._pointer, why="it is not in ASCII") from None
        if not name or "/" in name or name.startswith("."):
            raise StoreDamaged(path=self._pointer, why=f"it names {name!r}")
        return name

    def live(self) -> Manifest | None:
        """See ``store.avatars.GenerationStore``."""
        return self._of_live(lambda name: self.manifest(name) if name else None)

    def latest(self, grid: str) -> int | None:
        """See ``store.avatars.GenerationStore``."""
        generation = self.current()
        origins = generation.origins if generation is not None else []
        return max((origin.as_of for origin in origins if origin.grid == grid), default=None)

    def _of_live(self, ask: Callable[[str], Found]) -> Found:
        """The result of *ask* for the live generation's name.

        If it was pruned between these two steps, it is not damaged: another one is live by then, and *ask* is retried.
        """
        name = self.current_name()
        while True:
            try:
                return ask(name)
            except (StoreDamaged, StoreUnreadable):
                before, name = name, self.current_name()
                if name == before:
                    raise

    def open(self, name: str, resident_limit: int = IMPORT_RESIDENT) -> Generation:
        """Open a generation by its name; refuse a data file that is not as large as its manifest says."""
        manifest = self.manifest(name)
        path = self._folder / name / DATA_FILE
        try:
            size = path.stat().st_size
        except OSError as error:
            refuse_os_error(path, error)
        if size != manifest.bytes:
            raise StoreDamaged(path=path, why=f"it has {size} bytes, its manifest says {manifest.bytes}")
        return Generation(self._folder / name, manifest.created, resident_limit)

    def manifest(self, name: str) -> Manifest:
        """Return the manifest of a generation; its as-of is never later than when it was made."""
        path = self._folder / name / MANIFEST
        try:
            fields = json.loads(path.read_text("utf-8"))
            if fields["format"] > FORMAT:
                raise StoreTooNew(path=path, found=fields["format"], known=FORMAT)
            manifest = Manifest(**fields)
            return manifest._replace(as_of=min(manifest.as_of, manifest.created))
        except FileNotFoundError:
            raise StoreDamaged(path=path.parent, why="it has no manifest") from None
        except OSError as error:
            refuse_os_error(path, error)
        except (ValueError, RecursionError, KeyError, TypeError) as error:
            raise StoreDamaged(path=path, why=error) from None

    def listed(self, *, strict: bool = False) -> tuple[str, list[Manifest]]:
        """See ``store.avatars.GenerationStore``."""
        live = self.current_name()
        while True:
            found = self._manifests(strict=strict)
            if not live or any(manifest.name == live for manifest in found):
                return live, found
            before, live = live, self.current_name()
            if live == before:  # it cannot be read; else it was pruned meanwhile
                return live, found

    def _manifests(self, *, strict: bool) -> list[Manifest]:
        found = []
        for name in self.names():
            try:
                found.append(self.manifest(name))
            except (StoreDamaged, StoreTooNew, StoreUnreadable):
                if strict and name in self.names():  # else it was pruned meanwhile
                    raise
        return found

    def names(self) -> list[str]:
        """Return the names of all published generations, oldest first."""
        if not self._folder.is_dir():
            raise StoreMissing(path=self.data_dir)
        return sorted(entry.name for entry in self._folder.iterdir() if entry.is_dir() and not entry.name.endswith(BUILDING))

    def grids(self) -> set[str]:
        """See ``store.avatars.GenerationStore``."""
        found: set[str] = set()
        for name in self.names():
            with contextlib.suppress(StoreDamaged, StoreTooNew, StoreUnreadable), self.opened(name) as generation:
                found |= generation.grids
        return found

    @contextlib.contextmanager
    def opened(self, name: str) -> Iterator[Generation]:
        """Open generation *name* for one block, or share the open one: LMDB allows one environment per file and process."""
        in_use = self._open if self._open is not None and self._open.name == name else self._held.get(name)
        if in_use is not None:
            yield in_use
            return
        generation = self.open(name)
        try:
            yield generation
        finally:
            generation.close()

    def building(self, name: str) -> Path:
        """Make the empty folder in which generation *name* is built."""
        folder = self._folder / (name + BUILDING)
        try:
            folder.mkdir(mode=self.modes.directory)
            folder.chmod(self.modes.directory)
        except OSError as error:
            refuse_os_error(folder, error)
        return folder

    def publish(self, manifest: Manifest) -> None:
        """See ``store.avatars.GenerationStore``: one rename."""
        self._finish(manifest)
        self.use(manifest.name)

    def _finish(self, manifest: Manifest) -> None:
        building = self._folder / (manifest.name + BUILDING)
        try:
            files.create(building / MANIFEST, _text_of(manifest), self.modes.file)
            sync_folder(building)
            building.rename(self._folder / manifest.name)
        except OSError as error:
            refuse_os_error(building, error)
        sync_folder(self._folder)

    def use(self, name: str) -> None:
        """See ``store.avatars.GenerationStore``: one rename."""
        if name not in self.names():
            raise NoSuchGeneration(name=name)
        with self.opened(name):  # refuses a damaged one
            pass
        files.replace(Path(self._pointer), f"{name}\n".encode(), self.modes.file)

    def replace(self, old: str, manifest: Manifest) -> None:
        """Publish the finished build of *manifest*'s name in place of generation *old*, which is removed."""
        self._finish(manifest)
        self.supersede(old, manifest.name)

    def rewrite(self, manifest: Manifest) -> None:
        """Replace the manifest of a published generation."""
        path = self._folder / manifest.name / MANIFEST
        beside = self.data_dir / (MANIFEST + NEW_SUFFIX)  # not in the folder of a generation: it has two files
        files.replace(path, _text_of(manifest), self.modes.file, beside=beside)

    def supersede(self, old: str, new: str) -> None:
        """Remove *old*; if it was live, *new*, which exists, becomes live. This completes a killed ``replace``."""
        if old == self.current_name():
            self.use(new)
        self._remove(self._folder / old)

    def build(self, origins: OriginTable, *, text_bytes: int, jobs: int) -> "Build":
        """See ``store.avatars.GenerationStore``."""
        from n2k_fcgi.store.lmdb.building.build import Build  # late: workers build nothing

        return Build(self, origins, text_bytes=text_bytes, jobs=jobs)

    def prune(self, keep: int) -> list[str]:
        """See ``store.avatars.GenerationStore``. A worker that has one open goes on reading it."""
        live = self.current_name()
        spare = [name for name in self.names() if name != live]
        gone = spare[: max(0, len(spare) - (keep - 1))]
        for name in gone:
            self._remove(self._folder / name)
        return gone

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """See ``store.avatars.GenerationStore``."""
        if not self.data_dir.is_dir():
            raise StoreMissing(path=self.data_dir)
        with hold(self.data_dir / IMPORT_LOCK, self.modes, 0) as held:
            if not held:
                raise ImportRunning(path=self.data_dir)
            yield

    def sweep(self) -> list[str]:
        """See ``store.avatars.GenerationStore``."""
        left = [entry for entry in self._folder.iterdir() if entry.name.endswith(BUILDING)]
        for entry in left:
            self._remove(entry)
        return [entry.name.removesuffix(BUILDING) for entry in left if not entry.name.endswith(GONE)]

    def discard(self, name: str) -> None:
        """Remove the build of a generation that will not be published; idempotent."""
        self._remove(self._folder / (name + BUILDING))

    def _remove(self, folder: Path) -> None:
        # Renamed first: a partly removed generation must not look like a complete one.
        doomed = folder.with_name(folder.name.removesuffix(BUILDING) + GONE)
        with contextlib.suppress(FileNotFoundError):
            folder.rename(doomed)
        import shutil  # late: it brings every decompressor along, and workers remove nothing

        shutil.rmtree(doomed, ignore_errors=True)
        if doomed.exists():
            logs.warning(f"cannot remove {doomed}: the next import tries again")


class Lease:
    """Implements ``store.avatars.Lease``."""

    def __init__(self, generations: Generations, generation: Generation) -> None:
        self.view = generation
        self._generations = generations
        self._is_held = True
        generation.holds += 1

    def __enter__(self) -> Generation:
        return self.view

    def __exit__(self, *exception: object) -> None:
        self.release()

    def release(self) -> None:
        """See the protocol."""
        if self._is_held:
            self._is_held = False
            self.view.holds -= 1
            self._generations.let_go(self.view)


def _text_of(manifest: Manifest) -> bytes:
    return (json.dumps(manifest._asdict(), indent=1) + "\n").encode()
