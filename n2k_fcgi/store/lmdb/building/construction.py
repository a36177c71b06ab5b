"""What every generation under construction has: a name, a folder, files that are open, and a way to give up."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from n2k_fcgi.errors import CountsDisagree, StoreFull
from n2k_fcgi.files import free_bytes, refuse_os_error
from n2k_fcgi.model.stamps import stamp
from n2k_fcgi.store.lmdb.building.sizes import Sizes
from n2k_fcgi.store.lmdb.generation import Generation

if TYPE_CHECKING:
    from n2k_fcgi.store.lmdb.generations import Generations


class Construction:
    """A part of ``store.avatars.GenerationBuild``. *live*, the generation that it begins with, is closed at the end.

    Whoever makes one calls ``abandon`` if anything fails before it is returned. Raises StoreFull if fewer than *needed* bytes
    are free.
    """

    def __init__(self, generations: "Generations", live: Generation | None, needed: int) -> None:
        self.name = stamp(time.time(), generations.names())
        self._generations = generations
        self._sizes = generations.sizes or Sizes()
        self._open = contextlib.ExitStack()
        if live is not None:
            self._open.callback(live.close)
        try:
            self._refuse_without_space(needed)
            self._folder = generations.building(self.name)
        except BaseException:
            self._open.close()
            raise

    def abandon(self) -> None:
        """See the protocol."""
        self._open.close()
        with contextlib.suppress(FileNotFoundError):
            self._generations.discard(self.name)

    def _refuse_without_space(self, needed: int) -> None:
        """Raise StoreFull if fewer than *needed* bytes and the reserve are free."""
        folder: Path = self._generations.data_dir
        needed += self._sizes.reserve
        free = free_bytes(folder)
        if free < needed:
            raise StoreFull(path=folder, why=f"{free // 1_000_000} MB are free, about {needed // 1_000_000} MB are needed")

    @contextlib.contextmanager
    def _in_our_words(self) -> Iterator[None]:
        """Translate an OSError of a spill file."""
        try:
            yield
        except OSError as error:
            refuse_os_error(self._folder, error)


def past_of(previous: Generation | None) -> list[str] | None:
    """Return the names of the generations that are in a build on *previous*; None: not known."""
    if previous is None:
        return []
    return None if previous.past is None else [*previous.past, previous.name]


def agree(what: str, given: int, kept: int) -> None:
    """Raise CountsDisagree unless both counts are equal."""
    if given != kept:
        raise CountsDisagree(what=what, given=given, kept=kept)
