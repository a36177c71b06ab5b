"""Folder = layer, and a folder in it = room: imports go down only, late ones and those for type checkers too."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "n2k_fcgi"

_MODEL = {"descriptors", "errors", "files", "interpreter", "late", "logs", "named"}
_STORE = _MODEL | {"model"}
_SERVICE = _STORE | {"store"}
_WEB = _SERVICE | {"service"}
_WIRING = _WEB | {"web", "config"}
_SERVERS = _WIRING | {"wiring", "examinations"}
MAY_IMPORT: dict[str, set[str]] = {
    "": {"embedded", "errors", "keyvalue", "model", "servers"},  # n2k_fcgi/__init__.py: for type checkers, see test_package.py
    "descriptors": set(),
    "errors": set(),
    "named": set(),
    "files": {"errors", "named"},
    "logfile": {"files"},
    "interpreter": {"errors"},
    "late": set(),
    "logs": {"files", "late", "logfile"},
    "config": {"model", "errors", "files", "logs", "named", "store"},
    "model": _MODEL,
    "store": _STORE,
    "service": _SERVICE,
    "web": _WEB,
    "wiring": _WIRING,
    "servers": _SERVERS,
    "keyvalue": {"errors", "model", "store"},
    "embedded": _SERVERS | {"keyvalue"},
    "client": {"errors", "model", "store", "keyvalue"},
    "examinations": _WIRING | {"wiring", "deploy"},  # what it finds is shown by commands and by servers
    "deploy": {"errors", "files", "model", "store", "config"},
    "cli": _SERVERS | {"servers", "deploy"},
    "start": {"descriptors", "errors"},
    "__main__": {"start"},
}
"""Layer -> the layers it may import, besides itself and the version in ``n2k_fcgi/__init__.py``."""

ROOMS: dict[str, dict[str, set[str]]] = {
    "store": {"": set(), "lmdb": {""}},
    "service": {
        "": set(),
        "access": {""},
        "status": {"", "directory", "keyvalue"},
        "directory": {""},
        "scripts": {""},
        "keyvalue": {"", "access"},
        "dumps": {"", "access", "directory"},
        "ingest": {"", "dumps"},
        "update": {"", "dumps", "ingest"},
    },
    "web": {"": {"api", "classic", "db", "pages"}, "api": {""}, "classic": {"", "pages"}, "db": {""}, "pages": {"", "api"}},
    "servers": {"": set(), "fastcgi": {""}, "memcached": {""}},
    "cli": {"": {"examinations", "kv"}, "examinations": set(), "kv": {""}},
}
"""Layer -> room -> the other rooms of that layer that it may import; '' is the modules beside the rooms."""

WIRES_ENGINES = "wiring.py"
"""The only module that may import an engine (a room of ``store``) from outside of it."""

OF_THE_WEB = {"decoding", "responses"}
"""What ``servers`` may import of ``web``: its values."""


def violations(source: str, module: str) -> list[str]:
    """The imports in *source*, the text of *module* (a path below the package), that it may not make."""
    layer, *path = module.removesuffix(".py").split("/")
    layer = layer.replace("__init__", "")
    if layer not in MAY_IMPORT:
        return [f"{module}: no such layer: {layer}"]
    found = []
    for line, (to, *rest) in imported_modules(source, module):
        if to == layer and layer in ROOMS:
            is_allowed = _may_enter(layer, room_of(layer, path), room_of(layer, rest)) and not _is_other_command(path, rest)
        elif to == "store" and room_of("store", rest):
            is_allowed = module == WIRES_ENGINES
        elif (layer, to) == ("servers", "web"):
            is_allowed = rest[:1] != [] and rest[0] in OF_THE_WEB
        else:
            is_allowed = to in MAY_IMPORT[layer] | {layer, ""}
        if not is_allowed:
            found.append(f"{module}:{line}: imports {'.'.join([to, *rest])}")
    return found


def room_of(layer: str, path: list[str]) -> str:
    """The room of a module or name, given by its parts below *layer*; '' for a module beside the rooms."""
    return path[0] if path and (PACKAGE / layer / path[0]).is_dir() else ""


def _may_enter(layer: str, room: str, other: str) -> bool:
    return room == other or other in ROOMS[layer].get(room, set())


def _is_other_command(path: list[str], name: list[str]) -> bool:
    """Whether a command imports another: what two of them need is in a module of its own."""
    return name[:1] != path[:1] and name[:1] != [] and name[0].endswith("_cmd")


def imported_modules(source: str, module: str) -> Iterator[tuple[int, list[str]]]:
    """The line and the name, in parts, of each import from the package; [''] is the package itself."""
    folders = ["n2k_fcgi", *module.split("/")[:-1]]
    for node in ast.walk(ast.parse(source)):
        for name, line in _imported_names(node, folders):
            parts = name.split(".")
            if parts[0] == "n2k_fcgi":
                yield line, [""] if parts[1:] in ([], ["__version__"], ["TYPE_CHECKING"]) else parts[1:]


def _imported_names(node: ast.AST, folders: list[str]) -> list[tuple[str, int]]:
    if isinstance(node, ast.Import):
        return [(alias.name, node.lineno) for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = folders[: len(folders) + 1 - node.level] if node.level else []
        start = ".".join([*base, *filter(None, [node.module])])
        return [(f"{start}.{alias.name}", node.lineno) for alias in node.names]
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
        constants = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
        return [(value, node.lineno) for value in constants if isinstance(value, str)]
    return []


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_only(path: Path) -> None:
    """No module imports from a layer above its own, from a folder that is closed to it, or from a command."""
    assert violations(path.read_text("utf-8"), path.relative_to(PACKAGE).as_posix()) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("model/names.py", "from n2k_fcgi.store import base"),
        ("store/base.py", "import n2k_fcgi.service.directory.lookup"),
        ("service/directory/lookup.py", "def late():\n    from n2k_fcgi.web import routes"),
        ("web/classic/root.py", "from n2k_fcgi.config import Settings"),
        ("store/lmdb/codec.py", "from n2k_fcgi import config"),
        ("web/routes.py", "from n2k_fcgi import __version__, wiring"),
        ("store/lmdb/codec.py", "from ...service import lookup"),
        ("store/lmdb/codec.py", "from ... import web"),
        ("servers/http.py", "from n2k_fcgi.cli import main"),
        ("deploy/deployment.py", "from n2k_fcgi.servers import fastcgi"),
        ("servers/fastcgi/server.py", "from n2k_fcgi.deploy.installation import code_digest"),
        ("wiring.py", "from n2k_fcgi.servers import fastcgi"),
        ("wiring.py", "from n2k_fcgi.logfile import LogFile"),
        ("errors/base.py", "from n2k_fcgi.model.keys import NULL_KEY"),
        ("logs.py", "from n2k_fcgi.errors import shown"),
        ("files.py", "from n2k_fcgi import logs"),
        ("logfile.py", "from n2k_fcgi.errors import shown"),
        ("__init__.py", "from n2k_fcgi.web.routes import ROUTES"),
        ("__main__.py", "from n2k_fcgi.servers import fastcgi"),
        ("web/late.py", "import importlib\nimportlib.import_module('n2k_fcgi.cli')"),
        ("service/late.py", "name = 'x'\n__import__(f'n2k_fcgi.web.{name}')"),
        ("service/typed.py", "if TYPE_CHECKING:\n    from n2k_fcgi.web import routes"),
        ("helpers/text.py", "import os"),
        # An engine is seen by wiring and by itself alone.
        ("service/directory/purge.py", "from n2k_fcgi.store.lmdb.builder import Builder"),
        ("service/directory/purge.py", "from n2k_fcgi.store import base, lmdb"),
        ("service/dumps/export.py", "if TYPE_CHECKING:\n    import n2k_fcgi.store.lmdb.generation"),
        ("service/access/slots.py", "from ...store.lmdb import layout"),
        ("cli/check_cmd.py", "def late():\n    from n2k_fcgi.store.lmdb.check import check_captures"),
        ("deploy/deployment.py", "from n2k_fcgi.store.lmdb.layout import GENERATIONS"),
        ("web/services.py", "import importlib\nimportlib.import_module('n2k_fcgi.store.lmdb.engine')"),
        ("servers/live.py", "from n2k_fcgi.store.lmdb.engine import LmdbStore"),
        ("store/base.py", "from n2k_fcgi.store.lmdb.codec import Origin"),
        ("store/datadir.py", "from n2k_fcgi.store.lmdb import layout"),
        # Rooms of one layer.
        ("service/directory/purge.py", "from n2k_fcgi.service.ingest.importer import Importer"),
        ("service/directory/lookup.py", "from ..dumps.export import csv_line"),
        ("service/access/limits.py", "from n2k_fcgi.service.directory.lookup import View"),
        ("service/unfinished.py", "from n2k_fcgi.service.dumps.reading import Dump"),
        ("web/api/pending.py", "from n2k_fcgi.web.classic.root import root"),
        ("servers/loop.py", "from n2k_fcgi.servers.fastcgi.connection import Connection"),
        ("servers/live.py", "from n2k_fcgi.web.application import Application"),
        ("servers/live.py", "from n2k_fcgi import web"),
        ("cli/shell_cmd.py", "from n2k_fcgi.cli.purge_cmd import command"),
        ("cli/shell.py", "from n2k_fcgi.cli import lookup_cmd"),
        ("cli/shell.py", "from .lookup_cmd import find"),
        ("cli/doctor_cmd.py", "def late():\n    from n2k_fcgi.cli import init_cmd"),
        ("cli/examinations/folder.py", "from n2k_fcgi.cli.context import Context"),
    ],
)
def test_a_violation_is_found(module: str, source: str) -> None:
    """The checker itself: each of these breaks the rule once."""
    assert len(violations(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("cli/serve_cmd.py", "from n2k_fcgi import __version__, config, logs\nfrom n2k_fcgi.servers import http"),
        ("servers/live.py", "from n2k_fcgi.wiring import application\nfrom n2k_fcgi.web.decoding import Environ"),
        ("store/lmdb/codec.py", "import os\nfrom ..base import Store\nfrom ...model import names"),
        ("web/text.py", "'from n2k_fcgi.cli import main'"),
        ("__main__.py", "from n2k_fcgi.start import run"),
        ("wiring.py", "from n2k_fcgi.store.lmdb import engine"),
        ("store/lmdb/engine.py", "from n2k_fcgi.store.base import Store\nfrom n2k_fcgi.store.lmdb.layout import FORMAT"),
        (
            "service/directory/purge.py",
            "from n2k_fcgi.store import base, datadir\nfrom n2k_fcgi.service.unfinished import Tell",
        ),
        ("service/dumps/export.py", "from n2k_fcgi.service.directory.lookup import View"),
        ("servers/http.py", "from n2k_fcgi.web.responses import Answer"),
        ("servers/fastcgi/server.py", "from n2k_fcgi.servers.loop import Loop"),
        ("cli/doctor_cmd.py", "from n2k_fcgi.cli.examinations import folder\nfrom n2k_fcgi.cli import context"),
        ("cli/lookup_cmd.py", "from n2k_fcgi.cli.lookup_cmd import command"),
    ],
)
def test_what_is_allowed_is_let_through(module: str, source: str) -> None:
    """The checker itself: imports downwards, within a room, of an engine by wiring, of the version, and text."""
    assert violations(source, module) == []
