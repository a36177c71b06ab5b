"""The folders of generations in a data directory, and ``CURRENT``, which names the live one: nothing here opens a data file."""

from __future__ import annotations

import contextlib
import os
from functools import cached_property

from n2k_fcgi import TYPE_CHECKING, files, logs
from n2k_fcgi.errors import ImportRunning, StoreDamaged, StoreMissing, StoreTooNew, StoreUnreadable
from n2k_fcgi.files import NEW_SUFFIX, hold, refuse_os_error, sync_folder
from n2k_fcgi.model.manifests import Manifest
from n2k_fcgi.store.datadir import BUILDING, CURRENT, GENERATIONS, IMPORT_LOCK, MANIFEST
from n2k_fcgi.store.lmdb.json_text import parsed
from n2k_fcgi.store.lmdb.layout import FORMAT

_GONE = ".gone" + BUILDING
"""Suffix of a folder that is being removed, whether it was finished or not."""

REPLACED = "p"
"""Appended to the name of a generation that replaces one in a purge: sorted right after it, before every later one."""

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import TypeVar

    from _typeshed import StrPath

    from n2k_fcgi.files import Modes

    Found = TypeVar("Found")


class GenerationFolders:
    """The part of ``store.avatars.GenerationStore`` that needs no open generation."""

    def __init__(self, data_dir: StrPath, modes: Modes) -> None:
        self.where = os.fspath(data_dir)
        self.modes = modes
        self._pointer = os.path.join(self.where, CURRENT)

    @cached_property
    def data_dir(self) -> Path:
        """``where`` as a Path."""
        from pathlib import Path  # late: its import takes longer than a lookup, which does without it

        return Path(self.where)

    @cached_property
    def _folder(self) -> Path:
        return self.data_dir / GENERATIONS

    def _place(self, *names: str) -> str:
        """A file or folder below the folder of all generations."""
        return os.path.join(self.where, GENERATIONS, *names)

    def current_name(self) -> str:
        """See ``store.avatars.GenerationStore``. Raises StoreDamaged if CURRENT holds no generation's name."""
        try:
            name = _read(self._pointer).decode("ascii").strip()
        except (FileNotFoundError, NotADirectoryError):
            return ""
        except OSError as error:
            refuse_os_error(self._pointer, error)
        except UnicodeDecodeError:
            raise StoreUnreadable(path=self._pointer, why="it is not in ASCII") from None
        if not name or "/" in name or name.startswith("."):
            raise StoreDamaged(path=self._pointer, why=f"it names {name!r}")
        return name

    def set_current(self, name: str) -> None:
        """Make generation *name* live, by one rename."""
        files.replace(self.data_dir / CURRENT, f"{name}\n".encode(), self.modes.file)

    def live(self) -> Manifest | None:
        """See ``store.avatars.GenerationStore``."""
        return self._of_live(lambda name: self.manifest(name) if name else None)

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

    def manifest(self, name: str) -> Manifest:
        """Return the manifest of a generation; its as-of is never later than when it was made."""
        path = self._place(name, MANIFEST)
        try:
            fields = parsed(_read(path).decode())
            if fields["format"] > FORMAT:
                raise StoreTooNew(path=path, found=fields["format"], known=FORMAT)
            manifest = Manifest(**fields)
            return manifest._replace(as_of=min(manifest.as_of, manifest.created))
        except FileNotFoundError:
            raise StoreDamaged(path=self._place(name), why="it has no manifest") from None
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

    def building(self, name: str) -> Path:
        """Make the empty folder in which generation *name* is built."""
        folder = self._folder / (name + BUILDING)
        try:
            folder.mkdir(mode=self.modes.directory)
            folder.chmod(self.modes.directory)
        except OSError as error:
            refuse_os_error(folder, error)
        return folder

    def finish(self, manifest: Manifest) -> None:
        """Give the finished build of *manifest*'s name its manifest and its final name; durable."""
        building = self._folder / (manifest.name + BUILDING)
        try:
            files.create(building / MANIFEST, _text_of(manifest), self.modes.file)
            sync_folder(building)
            building.rename(self._folder / manifest.name)
        except OSError as error:
            refuse_os_error(building, error)
        sync_folder(self._folder)

    def rewrite(self, manifest: Manifest) -> None:
        """Replace the manifest of a published generation."""
        path = self._folder / manifest.name / MANIFEST
        beside = self.data_dir / (MANIFEST + NEW_SUFFIX)  # not in the folder of a generation: it has two files
        files.replace(path, _text_of(manifest), self.modes.file, beside=beside)

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
            self.remove(entry)
        return [entry.name.removesuffix(BUILDING) for entry in left if not entry.name.endswith(_GONE)]

    def discard(self, name: str) -> None:
        """Remove the build of a generation that will not be published; idempotent."""
        self.remove(self._folder / (name + BUILDING))

    def remove(self, folder: Path) -> None:
        """Remove the folder of a generation or of a build; idempotent."""
        # Renamed first: a partly removed generation must not look like a complete one.
        doomed = folder.with_name(folder.name.removesuffix(BUILDING) + _GONE)
        with contextlib.suppress(FileNotFoundError):
            folder.rename(doomed)
        import shutil  # late: it brings every decompressor along, and workers remove nothing

        shutil.rmtree(doomed, ignore_errors=True)
        if doomed.exists():
            logs.warning(f"cannot remove {doomed}: the next import tries again")


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 - a lookup imports no pathlib
        return file.read()


def _text_of(manifest: Manifest) -> bytes:
    import json  # late: lookups only read

    return (json.dumps(manifest._asdict(), indent=1) + "\n").encode()
