"""The data directory: its modes, its file system, and whether its files can be opened."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from n2k_fcgi.config import MIB, Settings
from n2k_fcgi.deploy.webroot import web_root_around
from n2k_fcgi.errors import N2KError, NoGeneration, counted
from n2k_fcgi.files import NETWORK_FILE_SYSTEMS, file_system
from n2k_fcgi.model.avatar import Avatar
from n2k_fcgi.model.findings import Finding, ok, problem, warning
from n2k_fcgi.model.names import canonical
from n2k_fcgi.service.directory.lookup import View
from n2k_fcgi.store.base import Store
from n2k_fcgi.store.datadir import TOKEN_FILE
from n2k_fcgi.wiring import DEFAULT_LOG, directory, modes_of

LITTLE_SPACE = 64 * MIB
"""Free bytes below which captures and logs may soon fail."""

LOCK_PATIENCE = 2.0

EXAMPLES = 1000
"""Names tried as an example: one may be a former name, or belong to another avatar on another grid."""


def examine(settings: Settings, store: Store) -> Iterator[Finding]:
    """Examine the directory, then its files."""
    yield from directory_of(settings, store)
    yield captures(store)
    yield from stopped_readers(store)
    yield generation(settings, store)


def directory_of(settings: Settings, store: Store) -> Iterator[Finding]:
    """Examine the directory alone: modes, the place, space, the log."""
    yield permissions(settings)
    yield out_of_the_web(settings.folder)
    yield from token_file(settings.folder)
    yield file_system_below(settings.folder)
    yield free_space(settings.folder, live_bytes(store))
    yield log(settings)


def permissions(settings: Settings) -> Finding:
    """Whether others have access, or the group without ``share_with_group``."""
    path, status = settings.folder, settings.folder.stat()
    mode, wanted = stat.S_IMODE(status.st_mode), modes_of(settings).directory
    what = f"{path} has mode {mode:o}"
    if mode & 0o007:
        return problem("data directory", f"{what}, others have access", f"chmod {wanted:o} {path}")
    if mode & 0o070 and not settings.share_with_group:
        return warning(
            "data directory", f"{what}, the group has access", f"chmod {wanted:o} {path}, or set share_with_group = yes"
        )
    if status.st_uid != os.geteuid() and not settings.share_with_group:
        return warning(
            "data directory", f"{path} belongs to another user", "run n2k as the user that runs the web server's scripts"
        )
    return ok("data directory", what)


def out_of_the_web(data_dir: Path) -> Finding:
    """Whether a folder above has a name that hosts serve."""
    served = web_root_around(data_dir)
    if served:
        return problem("web root", f"the data is below {served}", "move it elsewhere, then 'n2k deploy' again")
    return ok("web root", "the data does not seem to be below a web root")


def token_file(data_dir: Path) -> Iterator[Finding]:
    """Whether others can read the token of ``n2k init``, if it is still there."""
    path = data_dir / TOKEN_FILE
    if not path.exists():
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield problem(
            "token file", f"others can read it (mode {mode:o})", f"chmod 600 {path}, and make a new one with 'n2k token'"
        )
    else:
        yield ok("token file", f"mode {mode:o}")


def file_system_below(data_dir: Path) -> Finding:
    """Whether it is a network file system, where LMDB's locks and maps do not reach other hosts."""
    kind = file_system(data_dir) or "unknown"
    if kind in NETWORK_FILE_SYSTEMS:
        return problem(
            "file system", f"{kind} is a network file system: LMDB loses data there", "move the data to a local disk"
        )
    return ok("file system", kind)


def free_space(data_dir: Path, live: int) -> Finding:
    """Whether the next import has room: it writes a generation beside the live one, of *live* bytes."""
    free = shutil.disk_usage(data_dir).free
    what = f"{free // MIB} MiB free"
    if free < LITTLE_SPACE:
        return problem("disk", what, "free some space: registrations and logs will fail soon ('n2k generations prune')")
    if free < LITTLE_SPACE + live:
        return warning("disk", what, f"the next import needs about {live // MIB} MiB, and some to spare")
    return ok("disk", what)


def log(settings: Settings) -> Finding:
    """Whether the log file can be written; if not, lookups still work."""
    if settings.log_file == "-":
        return ok("log", "written to standard error")
    path = settings.folder / (settings.log_file or DEFAULT_LOG)
    place = path if path.exists() else path.parent
    if path.is_dir() or (place.exists() and not os.access(place, os.W_OK)):
        return warning(
            "log", f"cannot write {path}", "make it writable, or set log_file; until then the web server's log has the lines"
        )
    return ok("log", str(path))


def captures(store: Store) -> Finding:
    """Whether registrations can be written."""
    try:
        count = sum(1 for _ in store.captures.all_stored())
        found = store.write_problem(LOCK_PATIENCE)
    except N2KError as refusal:
        return problem("captures", str(refusal), "registrations are refused; restore the file, or its owner and mode")
    return problem("captures", *found) if found else ok("captures", f"{count}, writable")


def stopped_readers(store: Store) -> Iterator[Finding]:
    """Processes that were stopped while they read the captures: until they continue, every registration grows the file."""
    for pid, behind in store.stopped_readers():
        yield problem(
            "readers",
            f"process {pid} reads the captures as they were {behind} changes ago, so their file grows with each",
            f"continue it (kill -CONT {pid}) or end it (kill -KILL {pid})",
        )


def live_bytes(store: Store) -> int:
    """The size of the live generation's file, or of the whole one that it needs; 0 if none can be read."""
    try:
        live = store.generations.live()
        if live is not None and live.base:
            live = store.generations.manifest(live.base)
    except N2KError:
        return 0
    return live.bytes if live else 0


def generation(settings: Settings, store: Store) -> Finding:
    """Whether the live generation can be opened and looked up in both directions."""
    try:
        view = directory(store, settings).view()
        if view.generation is None:
            raise NoGeneration
        count, example = view.generation.count(), an_avatar(view)
    except N2KError as refusal:
        return problem("generation", str(refusal), "lookups of imported names fail until then")
    if example is None:
        return problem("generation", f"{view.generation_name} has no key that its own name leads to", "run 'n2k check'")
    return ok("generation", f"{view.generation_name}, {counted(count, 'key')}, {example.name!r} was found both ways")


def an_avatar(view: View) -> Avatar | None:
    """The first avatar of the generation whose name leads back to it; None: there is none."""
    rows = view.generation.bindings(b"", EXAMPLES) if view.generation else []
    for key in [avatar.key for _, avatars in rows for avatar in avatars]:
        avatar = view.key2name(key)
        answer = view.name2key(canonical(avatar.name)) if avatar else None
        if avatar and answer and answer.key == key:
            return avatar
    return None
