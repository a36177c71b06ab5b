"""The data directory: who may read it, what it lies on, whether everything in it opens."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from n2k_fcgi.cli.examinations.findings import Finding, ok, problem, warning
from n2k_fcgi.config import MIB, Settings
from n2k_fcgi.deploy.deployment import web_root_around
from n2k_fcgi.errors import N2KError, NoGeneration, counted
from n2k_fcgi.files import NETWORK_FILE_SYSTEMS, file_system
from n2k_fcgi.model.avatar import Avatar
from n2k_fcgi.model.names import canonical
from n2k_fcgi.service.directory.lookup import View
from n2k_fcgi.store.base import Store
from n2k_fcgi.store.datadir import TOKEN_FILE
from n2k_fcgi.wiring import DEFAULT_LOG, directory, modes_of

LITTLE_SPACE = 64 * MIB
"""Free bytes below which captures and logs are in danger."""

LOCK_PATIENCE = 2.0

EXAMPLES = 1000
"""Names tried for an example: one may be a former one, or another avatar's on another grid."""


def examine(settings: Settings, store: Store) -> Iterator[Finding]:
    """Look at the directory, then at what is in it."""
    yield permissions(settings)
    yield out_of_the_web(settings.data_dir)
    yield from token_file(settings.data_dir)
    yield file_system_below(settings.data_dir)
    yield free_space(settings.data_dir, live_bytes(store))
    yield log(settings)
    yield captures(store)
    yield from stopped_readers(store)
    yield generation(settings, store)


def permissions(settings: Settings) -> Finding:
    """Nobody else may look in; the group only where the settings say so."""
    path, status = settings.data_dir, settings.data_dir.stat()
    mode, wanted = stat.S_IMODE(status.st_mode), modes_of(settings).directory
    what = f"{path} has mode {mode:o}"
    if mode & 0o007:
        return problem("data directory", f"{what}, others get in", f"chmod {wanted:o} {path}")
    if mode & 0o070 and not settings.share_with_group:
        return warning(
            "data directory", f"{what}, the group gets in", f"chmod {wanted:o} {path}, or set share_with_group = yes"
        )
    if status.st_uid != os.geteuid() and not settings.share_with_group:
        return warning("data directory", f"{path} is another user's", "run n2k as the user that the web server runs scripts as")
    return ok("data directory", what)


def out_of_the_web(data_dir: Path) -> Finding:
    """Whether a folder above has a name that web servers serve."""
    served = web_root_around(data_dir)
    if served:
        return problem("web root", f"the data lies below {served}", "move it out, then 'n2k deploy' again")
    return ok("web root", "the data does not seem to be below one")


def token_file(data_dir: Path) -> Iterator[Finding]:
    """Only its owner may read the token that ``n2k init`` left; it may be gone."""
    path = data_dir / TOKEN_FILE
    if not path.exists():
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield problem(
            "token file", f"others can read it (mode {mode:o})", f"chmod 600 {path}, and make a new one by 'n2k token'"
        )
    else:
        yield ok("token file", f"mode {mode:o}")


def file_system_below(data_dir: Path) -> Finding:
    """LMDB's locks and maps do not reach other hosts."""
    kind = file_system(data_dir) or "unknown"
    if kind in NETWORK_FILE_SYSTEMS:
        return problem(
            "file system", f"{kind} is a network file system: LMDB loses data there", "move the data to a local disk"
        )
    return ok("file system", kind)


def free_space(data_dir: Path, live: int) -> Finding:
    """An import writes a whole generation beside the live one, of *live* bytes."""
    free = shutil.disk_usage(data_dir).free
    what = f"{free // MIB} MiB free"
    if free < LITTLE_SPACE:
        return problem("disk", what, "make room: registrations and logs will fail soon ('n2k generations prune')")
    if free < LITTLE_SPACE + live:
        return warning("disk", what, f"the next import needs about {live // MIB} MiB more than it leaves")
    return ok("disk", what)


def log(settings: Settings) -> Finding:
    """Whether the log file can be written; lookups go on when not."""
    if settings.log_file == "-":
        return ok("log", "goes to standard error")
    path = settings.data_dir / (settings.log_file or DEFAULT_LOG)
    place = path if path.exists() else path.parent
    if path.is_dir() or (place.exists() and not os.access(place, os.W_OK)):
        return warning("log", f"cannot write {path}", "make it writable, or set log_file; lines go to the web server's log now")
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
    """Processes that were stopped while they read the captures: the file grows with every registration until they go on."""
    for pid, behind in store.stopped_readers():
        yield problem(
            "readers",
            f"process {pid} reads the captures as they were {behind} changes ago, so their file grows with each",
            f"let it go on (kill -CONT {pid}) or end it (kill -KILL {pid})",
        )


def live_bytes(store: Store) -> int:
    """The size of the live generation's file; 0 without one that can be read."""
    try:
        live = store.generations.live()
    except N2KError:
        return 0
    return live.bytes if live else 0


def generation(settings: Settings, store: Store) -> Finding:
    """Whether the live generation opens and answers in both directions."""
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
    """The first avatar of the generation that is the answer to its own name; None when there is none."""
    rows = view.generation.bindings(b"", EXAMPLES) if view.generation else []
    for key in [avatar.key for _, avatars in rows for avatar in avatars]:
        avatar = view.key2name(key)
        answer = view.name2key(canonical(avatar.name)) if avatar else None
        if avatar and answer and answer.key == key:
            return avatar
    return None
