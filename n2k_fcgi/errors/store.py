"""Errors of the store: the data directory, its files and generations (exit codes 40 to 59), and of building generations."""

import errno
import os

from n2k_fcgi.errors.base import N2KError, counted


class StoreMissing(N2KError):
    """The data directory does not exist, or is not one."""

    template = "no n2k data in {path}: run 'n2k --dir {path} init'"
    public = "no data here: run 'n2k init'"
    status = 503
    exit_code = 40


class StoreUnreadable(N2KError):
    """The operating system or LMDB refuses access."""

    template = "cannot open {path}: {why}"
    public = "the data cannot be read or written: see the server's log"
    status = 503
    exit_code = 41

    def __init__(self, *, path: object, why: object) -> None:
        super().__init__(path=path, why=why)
        if os.strerror(errno.EACCES) in str(why):
            self.args = (f"{self} (run it as the user who owns the data, or have that user set share_with_group)",)


class StoreDamaged(N2KError):
    """A file that is shorter than its header says, or inconsistent. Reading it could kill the process (SIGBUS)."""

    template = "{path} is damaged ({why}): go back with 'n2k generations use', or import again with --force"
    public = "the data is damaged: go back with 'n2k generations use', or import again with --force"
    status = 503
    exit_code = 42


class CapturesDamaged(N2KError):
    """The captures file is inconsistent. It is the one file that cannot be imported again."""

    template = "{path} is damaged ({why}): restore it from a backup (docs/storage.md)"
    public = "the captures are damaged: restore them from a backup (docs/storage.md)"
    status = 503
    exit_code = 49


class StoreTooNew(N2KError):
    """Written by a later version of this program."""

    template = "{path} has format {found}, this version reads up to {known}: update n2k_fcgi"
    public = "the data was written by a later version: update n2k_fcgi"
    status = 503
    exit_code = 43


class StoreBusy(N2KError):
    """Another process holds the write lock for too long."""

    template = "{path} is busy: another process is writing to it, try again"
    public = "another process is writing, try again"
    status = 503
    exit_code = 44
    retry_after = 10


class StoreReadOnly(N2KError):
    """The file system is read-only: mounted so, or made so by the kernel after a disk error. Lookups still work."""

    template = "cannot write {path}: its file system is read-only, perhaps after a disk error"
    public = "nothing was written: the disk is read-only"
    status = 503
    exit_code = 52


class NoMemory(N2KError):
    """The host's limit on memory or address space is reached; the next request may need less."""

    template = "no memory left for {what}: ask the host to raise its limit (see 'n2k doctor'), or import a smaller dump"
    public = "no memory left for this: ask the host to raise its limit (see 'n2k doctor')"
    status = 503
    exit_code = 50

    def __init__(self, *, what: object = "this") -> None:
        super().__init__(what=what)


class StoreFull(N2KError):
    """No space on the disk: nothing was written. A result on standard output is incomplete."""

    template = "no space left for {path}: {lost} ({why})"
    public = "no space left on the disk: nothing was written"
    status = 503
    exit_code = 45

    def __init__(self, *, path: object, why: object, lost: object = "nothing was written") -> None:
        super().__init__(path=path, why=why, lost=lost)
        self.why = why


class NoGeneration(N2KError):
    """Nothing was imported yet."""

    template = "no generation yet: run 'n2k import DUMP'"
    status = 503
    exit_code = 46


class NoSuchGeneration(N2KError):
    """An unknown generation name."""

    template = "no generation '{name}': see 'n2k generations'"
    status = 404
    exit_code = 47


class OtherPast(N2KError):
    """A generation that was not built from the live one, nor the live one from it."""

    template = (
        "generation '{name}' was built without the past of the live one: former names and first holders would be lost. "
        "Build it with 'n2k import --base', or say 'n2k generations use --force'"
    )
    status = 409
    exit_code = 53


class CheckFailed(N2KError):
    """``n2k check`` found inconsistencies (each is printed)."""

    template = "problems found: {count}, {what}"
    status = 503
    exit_code = 48


class WouldOverwrite(N2KError):
    """``n2k about`` never replaces a file: it may be the answer to another person."""

    template = "{path} exists, and nothing was written: name another file, or remove it"
    status = 409
    exit_code = 55


class StillNamed(N2KError):
    """``n2k purge --check`` found forgotten avatars (each place is printed, without the name)."""

    template = "forgotten avatars are still named in {count}: run 'n2k purge'; remove by hand what it leaves (docs/storage.md)"
    status = 409
    exit_code = 51

    def __init__(self, *, count: object) -> None:
        super().__init__(count=counted(count, "place"))


# --- building a generation ---------------------------------------------------------------------------------------


class ImportRunning(N2KError):
    """One import at a time."""

    template = "another import is running on {path}: try again when it has finished"
    status = 409
    exit_code = 65


class TooManyGrids(N2KError):
    """A generation numbers its origins (a grid and a dump's time) with one byte."""

    template = "more than {limit} grids in one data directory: nothing was imported"
    status = 400
    exit_code = 67


class CountsDisagree(N2KError):
    """LMDB stored fewer rows than it was given. It drops out-of-order appends silently, so counts are always compared."""

    template = "internal error: {what}: of {given} only {kept} were stored; nothing was published"
    status = 500
    exit_code = 68

    def __init__(self, *, given: object, **more: object) -> None:
        super().__init__(given=counted(given, "row"), **more)
