"""Going to another generation: back to an earlier one, or on to one that was built elsewhere."""

from n2k_fcgi.store.avatars import GenerationStore


def use_generation(generations: GenerationStore, name: str) -> None:
    """Make the generation *name* the live one, by one rename; servers see it with their next request.

    Raises ImportRunning, NoSuchGeneration, and the errors of one that is damaged: the live one stays.
    """
    with generations.locked():
        generations.use(name)
