"""name2key and key2name for Second Life and OpenSimulator, on a shared host.

Importing this package imports nothing else: every worker and every command begins with it. What a program may import from
here is imported when it is first used; docs/library.md describes it.
"""

TYPE_CHECKING = False  # type checkers take it for True; typing's own would have to be imported

if TYPE_CHECKING:
    from n2k_fcgi.errors import N2KError
    from n2k_fcgi.model.avatar import Avatar
    from n2k_fcgi.model.keys import format_key, parse_key
    from n2k_fcgi.servers.live import LiveApplication
    from n2k_fcgi.wiring import open_directory

__version__ = "0.1.0"

__all__ = ["Avatar", "LiveApplication", "N2KError", "format_key", "open_directory", "parse_key"]

_MODULES = {
    "Avatar": "model.avatar",
    "LiveApplication": "servers.live",
    "N2KError": "errors",
    "format_key": "model.keys",
    "open_directory": "wiring",
    "parse_key": "model.keys",
}


if not TYPE_CHECKING:  # else every name would be one of the package

    def __getattr__(name: str) -> object:
        """Import a public name at first use (PEP 562)."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module  # late: see above

        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
