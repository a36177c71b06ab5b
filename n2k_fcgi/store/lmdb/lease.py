"""A lease keeps a generation open for an answer of many steps."""

from typing import TYPE_CHECKING

from n2k_fcgi.store.lmdb.generation import Generation

if TYPE_CHECKING:
    from n2k_fcgi.store.lmdb.generations import Generations


class Lease:
    """Implements ``store.avatars.Lease``."""

    def __init__(self, generations: "Generations", generation: Generation) -> None:
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

    def __del__(self) -> None:
        """One that is garbage counts no more. It closes nothing: this runs in any thread, in the middle of anything."""
        if self._is_held:
            self._is_held = False
            self.view.holds -= 1
