"""Settings: one declared, typed, documented table. INI file < environment ``N2K_*`` < command line flags.

An unknown name, an unreadable value and a contradiction are refused with a message that says where they stand. A loaded
``Settings`` is frozen; ``stamp`` tells a server cheaply that the file behind it was edited.
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from n2k_fcgi.errors import BadGrid, BadSetting, ConfigUnreadable
from n2k_fcgi.model.grids import PRODUCTION, TESTING, Grid, parse_grid

SECTION = "n2k"
FILE_NAME = "n2k.ini"
"""The settings file that ``n2k init`` writes into the data directory."""

_URL_CHARACTERS = re.compile(r"[A-Za-z0-9%._~:/!$&'()*+,;=\[\]-]+")
"""Of RFC 3986, without what would begin a query or a fragment, or end a user name."""

_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{0,500}")
"""Of RFC 6750, and short enough for a header."""

KIB = 1024
MIB = 1024 * 1024


class Settings(NamedTuple):
    """Every setting, with its value in force. The defaults and their meaning are in ``TABLE``."""

    data_dir: Path
    log_file: str
    log_level: str
    log_rotate: int
    log_keep: int
    default_grid: str
    grids: tuple[Grid, ...]
    max_grids: int
    register: str
    on_conflict: str
    keep: int
    max_bad: float
    max_shrink: float
    write_limit: int
    token_limit: int
    failure_limit: int
    trusted_proxies: tuple[str, ...]
    max_pending: int
    csv: str
    csv_streams: int
    update_source: str
    update_token: str
    update_stall: int
    update_time: int
    update_size: int
    update_tries: int
    max_body: int
    map_resident: int
    share_with_group: bool
    url: str

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the known grids."""
        return tuple(grid.label for grid in self.grids)


class Setting(NamedTuple):
    """One row of the table. ``parse`` raises ValueError with a reason."""

    name: str
    parse: Callable[[str], Any]
    default: str
    meaning: str
    is_secret: bool = False
    """Its value is shown nowhere."""


def _path(text: str) -> Path:
    if not text.strip() or "\0" in text:
        raise ValueError("a path")  # an empty one would mean the folder that we happen to stand in
    try:
        return Path(_at_home(text.strip())).absolute()
    except FileNotFoundError:
        raise ValueError("a path from '/' on, because the current folder is gone") from None


def _at_home(text: str) -> str:
    try:
        return str(Path(text).expanduser()) if text.startswith("~") else text
    except RuntimeError:
        raise ValueError("below a home directory that is known here") from None


def _log_file(text: str) -> str:
    if "\0" in text:
        raise ValueError("a path")
    return _at_home(text.strip())


def _source(text: str) -> str:
    source = text.strip()
    if not source.isprintable():
        raise ValueError("a URL or a path, or empty")
    return _at_home(source)


def _token(text: str) -> str:
    token = text.strip()
    if not _TOKEN.fullmatch(token):
        raise ValueError("a token as 'n2k token create' prints it there, or empty")
    return token


def _url(text: str) -> str:
    """An address to put a path or a query behind. A folder's gets a slash: without it Apache redirects."""
    from urllib.parse import urlsplit  # late: most have none

    url, wanted = text.strip(), "an address such as https://example.com/n2k/, without '?', '#' or a password, or empty"
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        raise ValueError(wanted) from None
    if not is_good or not _URL_CHARACTERS.fullmatch(url) or len(url) > 255:
        raise ValueError(wanted)
    last = parts.path.rpartition("/")[2]
    return url if (last and "." in last) or url.endswith("/") else f"{url}/"


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        for choice in choices:
            if text.strip().lower() == choice.lower():
                return choice
        raise ValueError("one of " + ", ".join(choices))

    return parse


def _number(digits: str) -> int:
    """-1 for what is none, or far too long (``int`` refuses thousands of digits with words of its own)."""
    return int(digits) if digits.isdecimal() and len(digits) < 20 else -1


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = _number(text.strip())
        if not low <= number <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return number

    return parse


def _size(low: int, high: int) -> Callable[[str], int]:
    """Bytes, with an optional K, M or G (powers of 1024)."""

    def parse(text: str) -> int:
        digits, factor = text.strip().upper().removesuffix("B").rstrip(), 1
        if digits.endswith(("K", "M", "G")):
            factor = 1024 ** ("KMG".index(digits[-1]) + 1)
            digits = digits[:-1].rstrip()
        size = _number(digits) * factor
        if not low <= size <= high:
            raise ValueError(f"a size from {low} to {high} bytes, such as 512K or 10M")
        return size

    return parse


def _percent(text: str) -> float:
    try:
        value = float(text.strip().removesuffix("%"))
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise ValueError("a percentage from 0 to 100")
    return value


def _flag(text: str) -> bool:
    words = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}
    try:
        return words[text.strip().lower()]
    except KeyError:
        raise ValueError("yes or no") from None


def _grid(text: str) -> str:
    try:
        return parse_grid(text)
    except BadGrid as error:
        raise ValueError(f"the name of a grid ({error})") from None


def _grids(text: str) -> tuple[Grid, ...]:
    """Labels in the spelling of the owner, but for Second Life's own; behind ``=`` the shard where it is another word."""
    found: dict[str, Grid] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        label, has_shard, shard = (piece.strip() for piece in part.partition("="))
        _grid(label)  # refuses what is none
        label = parse_grid(label, (label,))
        if not has_shard:
            shard = label
        elif label in (PRODUCTION, TESTING) or _grid(shard) in (PRODUCTION, TESTING):
            raise ValueError("without '=' for Second Life's Production and Testing, which are never another grid")
        found.setdefault(label.casefold(), Grid(label, shard))
    if not found:
        raise ValueError("one grid or more, with commas between them")
    _refuse_same_shard(tuple(found.values()))
    return tuple(found.values())


def _refuse_same_shard(grids: tuple[Grid, ...]) -> None:
    labels: dict[str, str] = {}
    for grid in grids:
        other = labels.setdefault(grid.shard.casefold(), grid.label)
        if other != grid.label:
            raise ValueError(f"a shard of one grid only: {grid.shard!r} is given for {other!r} and {grid.label!r}")


def _networks(text: str) -> tuple[str, ...]:
    """Addresses or networks, as the standard library writes them."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        return ()
    from ipaddress import ip_network  # late: few need it

    try:
        return tuple(str(ip_network(part)) for part in parts)
    except ValueError as error:
        raise ValueError(f"addresses or networks such as 127.0.0.1, 10.0.0.0/8 ({error})") from None


TABLE: tuple[Setting, ...] = (
    Setting("data_dir", _path, "~/n2k-data", "The data directory. Never below a web root, never on a network filesystem."),
    Setting("log_file", _log_file, "", "Where to log: a path, '-' for standard error; empty: log/n2k.log in data_dir."),
    Setting("log_level", _one_of("DEBUG", "INFO", "WARNING", "ERROR"), "INFO", "DEBUG shows each lookup's duration."),
    Setting("log_rotate", _size(4 * KIB, 1024 * MIB), "5M", "A log file that reached this size is set aside as .1."),
    Setting("log_keep", _whole(0, 100), "4", "How many set-aside log files are kept."),
    Setting("default_grid", _grid, PRODUCTION, "The grid meant when a caller names none."),
    Setting(
        "grids",
        _grids,
        "Production, Testing, OpenSim",
        "Known grids as answers show them; `Label=Shard` where X-SecondLife-Shard is another word.",
    ),
    Setting("max_grids", _whole(0, 10_000), "64", "How many grids beside these callers may create by registering."),
    Setting("register", _one_of("token", "open", "off"), "token", "Who may register: holders of a token, anyone, nobody."),
    Setting(
        "on_conflict",
        _one_of("refuse", "newest"),
        "refuse",
        "A known name seen with another key, outside Second Life: keep the first, or let the newest answer.",
    ),
    Setting("keep", _whole(1, 100), "2", "How many generations are kept, the live one included."),
    Setting("max_bad", _percent, "1", "Percentage of bad lines above which a dump is refused."),
    Setting("max_shrink", _percent, "10", "Percentage of rows fewer than in the dump before above which a dump is refused."),
    Setting("write_limit", _whole(1, 1_000_000), "600", "Registrations and other writes a minute from one address."),
    Setting("token_limit", _whole(1, 1_000_000), "600", "Writes a minute with one token, unless it has a rate of its own."),
    Setting("failure_limit", _whole(1, 1_000_000), "30", "Wrong tokens a minute from one address before 401 becomes 429."),
    Setting(
        "trusted_proxies",
        _networks,
        "",
        "Addresses or networks of proxies of yours, whose X-Forwarded-For or Forwarded is believed; empty: nobody's is.",
    ),
    Setting("max_pending", _whole(0, 1_000_000), "10000", "How many keys that nobody knows are kept for a resolver."),
    Setting(
        "csv",
        _one_of("open", "token", "off"),
        "token",
        "Who may download /name2key.csv: anyone, holders of a token with the scope csv, nobody.",
    ),
    Setting("csv_streams", _whole(1, 1000), "1", "How many may download /name2key.csv at a time; one more is told to wait."),
    Setting("update_source", _source, "", "The URL or file that `n2k update` takes when it is given none."),
    Setting(
        "update_token",
        _token,
        "",
        "What `n2k update` sends as X-N2K-Token to the host of its URL: another n2k's csv wants one.",
        is_secret=True,
    ),
    Setting("update_stall", _whole(1, 3600), "60", "Seconds without a byte after which a download counts as broken."),
    Setting("update_time", _whole(1, 172_800), "7200", "Seconds that a whole download may take."),
    Setting("update_size", _size(1 * KIB, 1024 * 1024 * MIB), "4G", "Largest download, still packed."),
    Setting("update_tries", _whole(1, 20), "5", "Connections a download may take; a broken one is resumed."),
    Setting("max_body", _size(1 * KIB, 64 * MIB), "128K", "Largest request body. mod_fcgid's own cap is 131072 bytes."),
    Setting(
        "map_resident",
        _size(4 * MIB, 64 * 1024 * MIB),
        "64M",
        "A worker whose resident memory passes this reopens its map, so that a host's watchdog lets it live.",
    ),
    Setting(
        "share_with_group",
        _flag,
        "no",
        "Make the files usable by the group, where cron and the server are different users.",
    ),
    Setting("url", _url, "", "Where the world reaches this service; `n2k lsl` writes it into scripts."),
)

_BY_NAME = {setting.name: setting for setting in TABLE}


class Loaded(NamedTuple):
    """Settings with where each came from, and what to look at to notice an edit."""

    settings: Settings
    origins: Mapping[str, str]
    """Setting name -> ``default``, the file's path, the environment variable, or the flag."""
    file: Path | None
    stamp: tuple[int, int, int] | None


def file_stamp(path: Path | None) -> tuple[int, int, int] | None:
    """What changes when a file is edited or replaced: (inode, size, mtime in ns); None when it is not there."""
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def load(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
) -> Loaded:
    """Read the settings in force.

    *flags* are name -> text, from the command line. Without *file*, ``N2K_CONFIG`` names it, else ``n2k.ini`` in the data
    directory is read when it is there. Raises BadSetting and ConfigUnreadable.
    """
    env = os.environ if environment is None else environment
    given: dict[str, tuple[str, str]] = {s.name: (s.default, "default") for s in TABLE}
    from_env = {name: (env[variable(name)], variable(name)) for name in _names_in(env)}
    from_flags = {name: (text, "command line") for name, text in (flags or {}).items()}
    must_exist = file is not None or bool(env.get("N2K_CONFIG"))
    if file is None:
        named = env.get("N2K_CONFIG")
        where = {**given, **from_env, **from_flags}["data_dir"]
        file = Path(named) if named else _parse("data_dir", *where) / FILE_NAME
    file = _whole_path(file)
    stamp = file_stamp(file)
    if stamp is not None:
        given.update(_read(file))
    elif must_exist:
        raise ConfigUnreadable(path=file, why="it is not there")
    given.update(from_env)
    given.update(from_flags)
    values = {name: _parse(name, text, where) for name, (text, where) in given.items()}
    settings = _in_known_spelling(Settings(**values), *given["default_grid"])
    return Loaded(settings, {name: where for name, (_, where) in given.items()}, file, stamp)


def _whole_path(file: Path) -> Path:
    """So that a reload finds it from any folder."""
    try:
        return _path(str(file))
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


def _read(file: Path) -> dict[str, tuple[str, str]]:
    import configparser  # late: many a worker has no file to read

    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        data = file.read_bytes()
        parser.read_string(data.decode("utf-8-sig"), str(file))
    except OSError as error:
        raise ConfigUnreadable(path=file, why=error.strerror or error) from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigUnreadable(path=file, why=f"line {line} is not in UTF-8: save the file in that encoding") from None
    except configparser.Error as error:
        why = str(error).replace(repr(str(file)), "it")  # the path is said already, and a long one hides the rest
        raise ConfigUnreadable(path=file, why=" ".join(why.split())) from None
    found: dict[str, tuple[str, str]] = {}
    for section in parser.sections():
        if section != SECTION:
            raise BadSetting(name=f"[{section}]", where=file, why=f"the only section is [{SECTION}]")
        for name, text in parser.items(section):
            if name not in _BY_NAME:
                raise BadSetting(name=name, where=file, why="no such setting; see 'n2k config'")
            found[name] = (text, str(file))
    return found


def _parse(name: str, text: str, where: str) -> Any:
    try:
        return _BY_NAME[name].parse(text)
    except ValueError as error:
        but = "" if _BY_NAME[name].is_secret else f", not {text!r}"
        raise BadSetting(name=name, where=where, why=f"must be {error}{but}") from None


def _in_known_spelling(settings: Settings, given: str, where: str) -> Settings:
    """Stores compare grids as text, so the default must be spelled as in ``grids``; one that is not there is refused."""
    label = parse_grid(settings.default_grid, settings.labels)
    if label not in settings.labels:
        known = ", ".join(settings.labels)
        why = f"add {given.strip()!r} to the setting 'grids' ({known}), or set default_grid to one of these"
        raise BadSetting(name="default_grid", where=where, why=why)
    return settings._replace(default_grid=label)
