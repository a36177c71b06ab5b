"""Which grid ``--grid`` means. Any text is the name of a grid, so a likely typing error is pointed out."""

from difflib import get_close_matches

from n2k_fcgi.cli.context import Context
from n2k_fcgi.errors import N2KError, shown


def to_store(context: Context, given: str | None) -> str:
    """The grid *given*, otherwise the setting ``default_grid``, for a command that stores. A new grid is pointed out."""
    if not given:
        return context.grids.default
    grid = context.grids.parse(given)
    if not is_known(context, grid):
        new = f"'{shown(given)}' is not in the setting 'grids': it becomes a new grid"
        context.talk(new + meant(grid, context.grids.labels))
    return grid


def to_look_at(context: Context, given: str | None) -> str | None:
    """The grid *given*, None for all, for a command that reads. A grid without avatars is pointed out."""
    if not given:
        return None
    grid = context.grids.parse(given)
    if not is_known(context, grid):
        context.talk(f"no avatar is known on the grid '{shown(given)}'{meant(grid, context.grids.labels)}")
    return grid


def is_known(context: Context, grid: str) -> bool:
    """Whether *grid* is in the setting ``grids`` or has avatars. True if the store cannot be read: the command reports that."""
    if not context.settings.folder.is_dir():
        return context.grids.is_established(grid, ())
    try:
        live = context.store.generations.current()
        imported = live.grids if live is not None else ()
        return context.grids.is_established(grid, imported) or grid in context.store.captures.created_grids()
    except N2KError:
        return True


def meant(grid: str, labels: tuple[str, ...]) -> str:
    """A question about the label most similar to *grid*, to be appended to a message; '' if there is none."""
    folded = {label.casefold(): label for label in labels}
    close = get_close_matches(grid.casefold(), list(folded), 1)
    return f" (did you mean {folded[close[0]]}?)" if close else ""
