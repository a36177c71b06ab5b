"""Settings: INI file < environment ``N2K_*`` < command line flags.

An unknown name, an unreadable value and a contradiction are rejected with a message that says where they were found. A
loaded ``Settings`` is frozen; ``stamp`` shows a server cheaply whether the file was edited.
"""

from __future__ import annotations

import os

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.config import ini, values
from n2k_fcgi.config.ini import SECTION as SECTION
from n2k_fcgi.config.table import KIB as KIB
from n2k_fcgi.config.table import MIB as MIB
from n2k_fcgi.config.table import RATE as RATE
from n2k_fcgi.config.table import TABLE as TABLE
from n2k_fcgi.config.table import Setting as Setting
from n2k_fcgi.config.table import Settings as Settings
from n2k_fcgi.errors import BadSetting, ConfigUnreadable
from n2k_fcgi.model.grids import parse_grid
from n2k_fcgi.named import NamedTuple
from n2k_fcgi.store.datadir import SETTINGS_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from _typeshed import StrPath

_BY_NAME = {setting.name: setting for setting in TABLE}


class Loaded(NamedTuple):
    """The settings, where each one was set, and what identifies the version of the file."""

    settings: Settings
    set_by: Mapping[str, str]
    """Setting name -> ``default``, the file's path, the environment variable, or the flag."""
    file: str | None
    stamp: tuple[int, int, int] | None


def file_stamp(path: StrPath | None) -> tuple[int, int, int] | None:
    """(inode, size, mtime in ns), which change when a file is edited or replaced; None if there is no such file."""
    if path is None:
        return None
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def load(
    file: StrPath | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
) -> Loaded:
    """Read the settings in force.

    *flags* are name -> text, from the command line. Without *file*, the file is ``N2K_CONFIG``'s, else ``n2k.ini`` in the
    data directory if it exists. Raises BadSetting and ConfigUnreadable.
    """
    env = os.environ if environment is None else environment
    given: dict[str, tuple[str, str]] = {s.name: (s.default, "default") for s in TABLE}
    from_env = {name: (env[variable(name)], variable(name)) for name in _names_in(env)}
    from_flags = {name: (text, "command line") for name, text in (flags or {}).items()}
    must_exist = file is not None or bool(env.get("N2K_CONFIG"))
    if file is None:
        named = env.get("N2K_CONFIG")
        where = {**given, **from_env, **from_flags}["data_dir"]
        file = named or os.path.join(_parse("data_dir", *where), SETTINGS_FILE)
    file = _whole_path(file)
    stamp = file_stamp(file)
    if stamp is not None:
        given.update(_read(file))
    elif must_exist:
        raise ConfigUnreadable(path=file, why="it does not exist")
    given.update(from_env)
    given.update(from_flags)
    values = {name: _parse(name, text, where) for name, (text, where) in given.items()}
    settings = _in_known_spelling(Settings(**values), *given["default_grid"])
    return Loaded(settings, {name: where for name, (_, where) in given.items()}, file, stamp)


def _whole_path(file: StrPath) -> str:
    """Absolute, so that a reload finds the file from any current folder."""
    try:
        return values.path(os.fspath(file))
    except ValueError as error:
        raise ConfigUnreadable(path=file, why=f"not {error}") from None


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return "N2K_DIR" if name == "data_dir" else "N2K_" + name.upper()


_OTHER_VARIABLES = frozenset({"N2K_CONFIG"})


def _names_in(env: Mapping[str, str]) -> list[str]:
    variables = {variable(name): name for name in _BY_NAME}
    for name in env:
        if name.startswith("N2K_") and name not in variables and name not in _OTHER_VARIABLES:
            raise BadSetting(name=name, where="environment", why="no such setting; see 'n2k config'")
    return [name for known, name in variables.items() if known in env]


def _read(file: str) -> dict[str, tuple[str, str]]:
    found = {}
    for name, text in ini.read(file).items():
        if name not in _BY_NAME:
            raise BadSetting(name=name, where=file, why="no such setting; see 'n2k config'")
        found[name] = (text, file)
    return found


def _parse(name: str, text: str, where: str) -> Any:
    try:
        return _BY_NAME[name].parse(text)
    except ValueError as error:
        but = "" if _BY_NAME[name].is_secret else f", not {text!r}"
        raise BadSetting(name=name, where=where, why=f"must be {error}{but}") from None


def _in_known_spelling(settings: Settings, given: str, where: str) -> Settings:
    """Stores compare grids as text, so the default grid gets its spelling in ``grids``; it must be one of them."""
    label = parse_grid(settings.default_grid, settings.labels)
    if label not in settings.labels:
        known = ", ".join(settings.labels)
        why = f"add {given.strip()!r} to the setting 'grids' ({known}), or set default_grid to one of these"
        raise BadSetting(name="default_grid", where=where, why=why)
    return settings._replace(default_grid=label)
