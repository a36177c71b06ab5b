"""What a nightly run does beside its import."""

from n2k_fcgi.cli.context import Context
from n2k_fcgi.errors import N2KError
from n2k_fcgi.wiring import drop_outdated


def drop_captures(context: Context) -> None:
    """Drop what the settings do not keep of captures. What prevents it is told, and leaves the import alone."""
    try:
        dropped = drop_outdated(context.store, context.settings, context.warn)
    except N2KError as problem:
        context.warn(f"keep_days and keep_places: nothing was dropped this time: {problem}")
        return
    if dropped is not None and any(dropped):
        context.talk(f"  {dropped} (keep_days, keep_places)")
