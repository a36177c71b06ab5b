"""Which grid ``--grid`` means, and a word for who mistyped it: any text is the name of a grid."""

from difflib import get_close_matches

from n2k_fcgi.cli.context import Context
from n2k_fcgi.errors import N2KError, shown


def to_store(context: Context, given: str | None) -> str:
    """The grid *given*, else the setting ``default_grid``; says so when what is about to be stored makes it a new grid."""
    if not given:
        return context.grids.default
    grid = context.grids.parse(given)
    if not is_known(context, grid):
        new = f"'{shown(given)}' is not in the setting 'grids': a grid of its own from now on"
        context.talk(new + meant(grid, context.grids.labels))
    return grid


def to_look_at(context: Context, given: str | None) -> str | None:
    """The grid *given*, None for all of them; says so when nothing is known of it."""
    if not given:
        return None
    grid = context.grids.parse(given)
    if not is_known(context, grid):
        context.talk(f"nothing is known of the grid '{shown(given)}'{meant(grid, context.grids.labels)}")
    return grid


def is_known(context: Context, grid: str) -> bool:
    """Whether *grid* is in the setting ``grids``, or has avatars; True where that cannot be seen, as the command will say."""
    if grid in context.grids.labels:
        return True
    if not context.settings.data_dir.is_dir():
        return False
    try:
        live = context.store.generations.current()
        return grid in context.store.captures.created_grids() or (live is not None and grid in live.grids)
    except N2KError:
        return True


def meant(grid: str, labels: tuple[str, ...]) -> str:
    """The one of *labels* that is nearly *grid*, as a question behind a message; '' when none is."""
    folded = {label.casefold(): label for label in labels}
    close = get_close_matches(grid.casefold(), list(folded), 1)
    return f" (did you mean {folded[close[0]]}?)" if close else ""
