"""The rooms of ``servers/``: a protocol is a folder on the loop, which knows none of them; no circular imports."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "n2k_fcgi"
SERVERS = PACKAGE / "servers"
MODULES = sorted(SERVERS.rglob("*.py"))
LOOP = {
    "accepting",
    "connection",
    "deadlines",
    "inheriting",
    "limits",
    "listeners",
    "loop",
    "pace",
    "protocol",
    "stopping",
    "worker",
}
"""What carries connections, whatever is spoken on them."""

VALUES = ("n2k_fcgi.web.decoding", "n2k_fcgi.web.responses")
"""What a server may take from the layer of the web: values, not its application."""


def named(path: Path) -> str:
    """A module's name below the package."""
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def imported(source: str) -> set[str]:
    """Our modules that *source* imports, late or for a type checker too."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert not node.level and node.module, "imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    modules = {name if is_module(name) else name.rpartition(".")[0] for name in names if name.startswith("n2k_fcgi.")}
    return modules - {"n2k_fcgi"}  # for its TYPE_CHECKING


def is_module(name: str) -> bool:
    """Whether *name* is a file or folder of the package."""
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def folder_of(name: str) -> str:
    """The protocol's folder that a module is in; "" for those beside the folders, and outside of servers/."""
    parts = name.split(".")
    return parts[2] if parts[1] == "servers" and len(parts) > 2 and (SERVERS / parts[2]).is_dir() else ""


def violations(module: str, source: str) -> set[str]:
    """What *module* imports and may not."""
    own = folder_of(module)
    is_loop = module.removeprefix("n2k_fcgi.servers.") in LOOP
    carriers = {f"n2k_fcgi.servers.{name}" for name in LOOP} | {
        f"n2k_fcgi.{name}" for name in ("errors", "files", "logs", "named")
    }
    return {
        name
        for name in imported(source)
        if (folder_of(name) and folder_of(name) != own)
        or (is_loop and name not in carriers)
        or (name.startswith("n2k_fcgi.web") and name not in VALUES)
    }


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SERVERS)))
def test_each_module_keeps_to_its_room(path: Path) -> None:
    """The loop imports no protocol, a protocol no other one, and none of them the web's application."""
    assert violations(named(path), path.read_text("utf-8")) == set()


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("n2k_fcgi.servers.loop", "from n2k_fcgi.servers.fastcgi.records import record"),
        ("n2k_fcgi.servers.loop", "def late():\n    from n2k_fcgi.servers import gateway"),
        ("n2k_fcgi.servers.connection", "from n2k_fcgi.wiring import application"),
        ("n2k_fcgi.servers.cgi", "from n2k_fcgi.servers.fastcgi import main"),
        ("n2k_fcgi.servers.live", "if TYPE_CHECKING:\n    from n2k_fcgi.web.application import respond"),
        ("n2k_fcgi.servers.fastcgi.server", "import n2k_fcgi.web.application"),
        ("n2k_fcgi.servers.other.server", "from n2k_fcgi.servers.fastcgi.server import Server"),
    ],
)
def test_a_violation_is_found(module: str, source: str) -> None:
    """The checker itself: each of these breaks a rule."""
    assert len(violations(module, source)) == 1


def test_no_import_goes_round() -> None:
    """Not even one for a type checker: every module of servers/ can be read after those that it imports."""
    rest = {named(path): imported(path.read_text("utf-8")) - {named(path)} for path in MODULES}
    while readable := [name for name, wanted in rest.items() if not wanted & rest.keys()]:
        for name in readable:
            del rest[name]
    assert not rest
