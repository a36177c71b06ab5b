"""Going to another generation: back to an earlier one, or on to one that was built elsewhere."""

from n2k_fcgi.errors import OtherPast
from n2k_fcgi.store.avatars import GenerationStore


def use_generation(generations: GenerationStore, name: str, *, force: bool = False) -> None:
    """Make the generation *name* the live one, by one rename; servers see it with their next request.

    Raises OtherPast unless *force*, ImportRunning, NoSuchGeneration, and the errors of one that is damaged: the live one stays.
    """
    with generations.locked():
        if not force and not generations.shares_past(name):
            raise OtherPast(name=name)
        generations.refuse_changed(name)
        generations.use(name)
