"""name2key and key2name for Second Life and OpenSimulator, on a shared host.

Importing this package imports nothing else: every worker and every command begins with it. What a program may import from
here is imported when it is first used; docs/python.md describes it.
"""

TYPE_CHECKING = False  # type checkers take it for True; typing's own would have to be imported

if TYPE_CHECKING:
    from n2k_fcgi.embedded.datasets import open_datasets
    from n2k_fcgi.embedded.directory import open_directory
    from n2k_fcgi.embedded.keyvalue import open_keyvalue
    from n2k_fcgi.errors import N2KError
    from n2k_fcgi.keyvalue.namespace import KeyValue
    from n2k_fcgi.model.avatar import Avatar
    from n2k_fcgi.model.choices import Later
    from n2k_fcgi.model.keys import format_key, parse_key
    from n2k_fcgi.model.keyvalue.operations import Condition
    from n2k_fcgi.servers.live import LiveApplication

__version__ = "0.1.0"

__all__ = [
    "Avatar",
    "Condition",
    "KeyValue",
    "Later",
    "LiveApplication",
    "N2KError",
    "format_key",
    "open_datasets",
    "open_directory",
    "open_keyvalue",
    "parse_key",
]

_MODULES = {
    "Avatar": "model.avatar",
    "Condition": "model.keyvalue.operations",
    "KeyValue": "keyvalue.namespace",
    "Later": "model.choices",
    "LiveApplication": "servers.live",
    "N2KError": "errors",
    "format_key": "model.keys",
    "open_datasets": "embedded.datasets",
    "open_directory": "embedded.directory",
    "open_keyvalue": "embedded.keyvalue",
    "parse_key": "model.keys",
}


if not TYPE_CHECKING:  # else every name would be one of the package

    def __getattr__(name: str) -> object:
        """Import a public name at first use (PEP 562)."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module  # late: see above

        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
