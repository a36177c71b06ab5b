"""Every error this package raises on purpose.

A class is a message that tells the user what to do, one HTTP status and one exit code. Nothing but the front ends
(``web.application``, ``cli``, ``servers``) turns them into answers. Exit codes: 1 unexpected, 2 wrong usage (click's),
10-29 the caller's input, 30-39 access, 40-59 the store, 60-79 dumps and imports, 80-99 the installation.
"""

import errno
import os

SHOWN_CHARACTERS = 120
"""How much of a caller's text a message repeats: enough to recognise it, too little to flood a log."""


def shown(value: object) -> str:
    """Give *value* as one printable line of at most SHOWN_CHARACTERS, whatever a caller put into it."""
    text = str(value)
    start = text[: SHOWN_CHARACTERS + 1]
    if not start.isprintable():
        start = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in start)
    return start if len(start) <= SHOWN_CHARACTERS else start[: SHOWN_CHARACTERS - 1] + "…"


def counted(number: object, thing: str, form: str = "") -> str:
    """``1 row``, ``2 rows``: *number*, formatted by *form*, of a *thing* whose plural takes an s."""
    return f"{number:{form}} {thing}{'' if number == 1 else 's'}"


_NO_MEMORY = ("Cannot allocate memory", "failed to map segment", "bad_alloc", "not enough memory", "memory exhausted")


def is_no_memory(problem: object) -> bool:
    """Whether an exception, or what another program said, means that the system refused memory or addresses.

    Python, its loader of modules, LMDB and the programs that unpack each have a way of their own to say so; and what then
    seems to be missing (lmdb without its compiled part looks for cffi) is so for that reason. SystemError is the interpreter's
    own when it cannot even make a MemoryError.
    """
    if isinstance(problem, OSError) and problem.errno is not None:
        return problem.errno == errno.ENOMEM
    if isinstance(problem, (MemoryError, SystemError)) or any(words in str(problem) for words in _NO_MEMORY):
        return True
    return isinstance(problem, ImportError) and problem.__context__ is not None and is_no_memory(problem.__context__)


class N2KError(Exception):
    """Base of all: ``template`` is formatted with the keywords, each made printable first."""

    template = "something went wrong"
    public = ""
    """For callers over HTTP, where ``template`` has what is the owner's business, a path most of all; '': ``template``."""
    status = 500
    exit_code = 1
    retry_after = 0
    """Seconds after which the same request may succeed, for ``Retry-After``; 0: nothing is known of it."""

    def __init__(self, **context: object) -> None:
        printable = {name: shown(value) for name, value in context.items()}
        super().__init__(self.template.format(**printable))
        self.told = (self.public or self.template).format(**printable)
        """The line for a caller over HTTP; the log and the commands have the message itself."""

    def within(self, part: object) -> None:
        """Have the message say in which part of a dump it was."""
        self.args = (f"{shown(part)}: {self}",)


# --- the caller's input ---------------------------------------------------------------------------------------------


class BadName(N2KError):
    """A name that no avatar can have."""

    template = "bad name '{name}': {why}"
    status = 400
    exit_code = 10

    def __init__(self, *, name: str, why: str, too_long: bool = False) -> None:
        super().__init__(name=name, why=why)
        self.too_long = too_long
        """Whether it is the length: an import counts that apart."""


class BadKey(N2KError):
    """Not a UUID, or the null key where an avatar's key is needed."""

    template = "bad key '{key}': {why}"
    status = 400
    exit_code = 11


class BadGrid(N2KError):
    """Not the name of a grid."""

    template = "bad grid '{grid}': {why}"
    status = 400
    exit_code = 12


class BadRequest(N2KError):
    """A request that contradicts itself or cannot be read."""

    template = "bad request: {why}"
    status = 400
    exit_code = 13


class NothingHere(N2KError):
    """No such page."""

    template = "nothing here: {how}"
    status = 404
    exit_code = 14

    def __init__(self, *, how: str = "ask with ?name=First+Last or ?key=UUID") -> None:
        super().__init__(how=how)


class BodyTooLarge(N2KError):
    """A request body above the cap (mod_fcgid answers 500 before we see it when its own cap is lower)."""

    template = "request body too large: {limit} bytes at most"
    status = 413
    exit_code = 15


class NameTaken(N2KError):
    """The conflict rule: a known name stays with its key."""

    template = "the name '{name}' belongs to another key on {grid}: nothing was changed"
    status = 409
    exit_code = 16

    def __init__(self, *, name: str, grid: str, holder: bytes = b"") -> None:
        super().__init__(name=name, grid=grid)
        self.holder = holder
        """The key that has it, for whoever lists conflicts; not for the caller."""


class NotFound(N2KError):
    """A lookup on the command line that found nothing: scripts test the exit code."""

    template = "not found: {what}"
    status = 404
    exit_code = 17


class AskedToBeForgotten(N2KError):
    """The right to leave: who asked for it is not registered again."""

    template = "this avatar asked not to be listed here: nothing was stored"
    status = 409
    exit_code = 18


class NotForgotten(N2KError):
    """Undoing what was never done."""

    template = "nobody asked to forget {what}"
    status = 404
    exit_code = 19


class TooManyNewGrids(N2KError):
    """A bound on what callers may create: the name of a grid is free text."""

    template = "the grid '{grid}' is not known here, and {limit} such are there already (settings 'grids', 'max_grids')"
    status = 409
    exit_code = 20


class GridStays(N2KError):
    """`n2k grids remove` of a grid that registrations did not bring."""

    template = "the grid '{grid}' stays: {why}"
    status = 409
    exit_code = 24


class TooManyNames(N2KError):
    """A bound on what callers may store in Second Life, where no name is ever dropped for another."""

    template = "{what} on {grid} are kept, and no more: nothing was stored"
    status = 409
    exit_code = 22


class SwitchedOff(N2KError):
    """The owner switched an answer off."""

    template = "{what} is off on this server (setting '{setting}')"
    status = 403
    exit_code = 21


class FutureTime(N2KError):
    """A dump cannot speak for a time that is still to come: it would win against whatever is seen until then."""

    template = "--as-of {given} is still to come, it is {now} (UTC): nothing was imported"
    status = 400
    exit_code = 28


# --- access ---------------------------------------------------------------------------------------------------------


class TokenNeeded(N2KError):
    """No token, or one we do not know (the two are not told apart on purpose)."""

    template = "a valid token is needed: send it as the header X-N2K-Token (made by 'n2k token create')"
    status = 401
    exit_code = 30


class TokenNotEnough(N2KError):
    """A known token without the right scope or grid."""

    template = "this token does not allow it: {why}"
    status = 403
    exit_code = 31


class WritingIsOff(N2KError):
    """The owner switched registration off."""

    template = "registration is off on this server (setting 'register')"
    status = 403
    exit_code = 32


class NoSuchToken(N2KError):
    """A token id that is not there."""

    template = "no token with the id '{id}': see 'n2k token list'"
    status = 404
    exit_code = 33


class TooManyRequests(N2KError):
    """A limit per minute. Says how long to wait, as ``Retry-After`` does."""

    template = "too many {what} from here: try again in {seconds} s"
    status = 429
    exit_code = 34

    def __init__(self, *, what: str, seconds: int) -> None:
        super().__init__(what=what, seconds=seconds)
        self.retry_after = seconds


class ListBusy(N2KError):
    """As many csv lists are being sent as may be at a time: each keeps a part of the service."""

    template = "the list is being sent to as many as may have it at a time (setting 'csv_streams'): try again in a minute"
    status = 429
    exit_code = 35
    retry_after = 60


# --- the store ------------------------------------------------------------------------------------------------------


class StoreMissing(N2KError):
    """The data directory is not there or is not one."""

    template = "no n2k data in {path}: run 'n2k --dir {path} init'"
    public = "no data here: run 'n2k init'"
    status = 503
    exit_code = 40


class StoreUnreadable(N2KError):
    """The operating system or LMDB refuses."""

    template = "cannot open {path}: {why}"
    public = "the data cannot be read, or not written: the log of the server says why"
    status = 503
    exit_code = 41

    def __init__(self, *, path: object, why: object) -> None:
        super().__init__(path=path, why=why)
        if os.strerror(errno.EACCES) in str(why):
            self.args = (f"{self} (run it as the user whose data it is, or have that one set share_with_group)",)


class StoreDamaged(N2KError):
    """A file that is shorter than it says, or contradicts itself. Reading it could kill the process (SIGBUS)."""

    template = "{path} is damaged ({why}): go back with 'n2k generations use', or import again with --force"
    public = "the data is damaged: go back with 'n2k generations use', or import again with --force"
    status = 503
    exit_code = 42


class CapturesDamaged(N2KError):
    """The captures file contradicts itself. It is the one that cannot be imported again."""

    template = "{path} is damaged ({why}): put a backup in its place (docs/storage.md)"
    public = "the captures are damaged: put a backup in their place (docs/storage.md)"
    status = 503
    exit_code = 49


class StoreTooNew(N2KError):
    """Written by a later version of this program."""

    template = "{path} has format {found}, this program reads up to {known}: update n2k_fcgi"
    public = "the data is of a later version: update n2k_fcgi"
    status = 503
    exit_code = 43


class StoreBusy(N2KError):
    """Another process holds the writer's lock for too long."""

    template = "{path} is busy: another process is writing to it, try again"
    public = "another process is writing, try again"
    status = 503
    exit_code = 44
    retry_after = 10


class StoreReadOnly(N2KError):
    """The file system takes no writes: mounted so, or made so by the kernel after an error of the disk. Lookups go on."""

    template = "cannot write {path}: its file system is read-only, and was perhaps made so by an error of the disk"
    public = "nothing was written: the disk is read-only"
    status = 503
    exit_code = 52


class NoMemory(N2KError):
    """The host's limit on memory or addresses leaves no room; the next request may need less."""

    template = "no memory left for {what}: ask the host to raise its limit (see 'n2k doctor'), or import a smaller dump"
    public = "no memory left for this: ask the host to raise its limit (see 'n2k doctor')"
    status = 503
    exit_code = 50

    def __init__(self, *, what: object = "this") -> None:
        super().__init__(what=what)


class StoreFull(N2KError):
    """No room on the disk: nothing was written; of a result on standard output, not all."""

    template = "no room left for {path}: {lost} ({why})"
    public = "no room left on the disk: nothing was written"
    status = 503
    exit_code = 45

    def __init__(self, *, path: object, why: object, lost: object = "nothing was written") -> None:
        super().__init__(path=path, why=why, lost=lost)


class NoGeneration(N2KError):
    """Nothing was imported yet."""

    template = "no generation yet: run 'n2k import DUMP'"
    status = 503
    exit_code = 46


class NoSuchGeneration(N2KError):
    """A generation name that is not there."""

    template = "no generation '{name}': see 'n2k generations'"
    status = 404
    exit_code = 47


class CheckFailed(N2KError):
    """``n2k check`` found contradictions (each is printed)."""

    template = "problems found: {count}: {what}"
    status = 503
    exit_code = 48


class StillNamed(N2KError):
    """``n2k purge --check`` found somebody who asked to be forgotten (each place is printed, without the name)."""

    template = "somebody who left still stands in {count}: run 'n2k purge'; what it leaves is yours to clean (docs/storage.md)"
    status = 409
    exit_code = 51

    def __init__(self, *, count: object) -> None:
        super().__init__(count=counted(count, "place"))


# --- dumps and imports ----------------------------------------------------------------------------------------------


class DumpUnreadable(N2KError):
    """The operating system does not give us the file."""

    template = "cannot read the dump {path}: {why}"
    status = 400
    exit_code = 60


class DumpChanged(N2KError):
    """The file grew or was written to while it was read: what was read may be half of it."""

    template = "{path} was written to while it was read: nothing was imported, try again when it is complete"
    status = 409
    exit_code = 76


class DumpBroken(N2KError):
    """A truncated or corrupt archive."""

    template = "the dump is broken ({why}): fetch it again; nothing was imported"
    status = 400
    exit_code = 61


class DumpNotUnderstood(N2KError):
    """Not csv, not JSON lines, an archive in an archive, or one with something before or behind it."""

    template = "cannot import this: {why}; nothing was imported"
    status = 400
    exit_code = 62


class DumpNeedsUnpacking(N2KError):
    """An archive that this program does not read: another program does."""

    template = "this is {what}, which is not read here: unpack it first ({command}); nothing was imported"
    status = 400
    exit_code = 79


class NoDumpInZip(N2KError):
    """No member of a zip looks like a dump."""

    template = "no file in the zip reads as lines 'uuid,First Last' ({found}): nothing was imported"
    status = 400
    exit_code = 78


class TooManyBadLines(N2KError):
    """More bad lines than ``max_bad`` allows."""

    template = "{bad} of {lines} bad (mostly: {most}), more than {limit} %: nothing was imported (see {how})"
    status = 400
    exit_code = 63

    def __init__(self, *, bad: object, lines: object, **more: object) -> None:
        super().__init__(bad=bad, lines=f"{counted(lines, 'line')} {'is' if bad == 1 else 'are'}", **more)


class EmptyDump(N2KError):
    """Not one good row."""

    template = "the dump holds no rows: nothing was imported"
    status = 400
    exit_code = 64


class ImportRunning(N2KError):
    """One import at a time."""

    template = "another import is running on {path}: this one leaves"
    status = 409
    exit_code = 65


class DumpTooLarge(N2KError):
    """A dump that unpacks to more than ``--max-bytes``."""

    template = "the dump unpacks to more than {limit} bytes (see --max-bytes): nothing was imported"
    status = 400
    exit_code = 66


class TooManyGrids(N2KError):
    """A generation numbers its origins (a grid and a dump's time) with one byte."""

    template = "more than {limit} grids in one directory: nothing was imported"
    status = 400
    exit_code = 67


class CountsDisagree(N2KError):
    """LMDB took fewer rows than we gave it. It drops out-of-order appends without a word, so this is always checked."""

    template = "internal: {what}: of {given} only {kept} stayed; nothing was published"
    status = 500
    exit_code = 68

    def __init__(self, *, given: object, **more: object) -> None:
        super().__init__(given=counted(given, "row"), **more)


class DumpShrank(N2KError):
    """Far fewer rows than last time: a truncated or wrong dump, more often than a smaller world."""

    template = (
        "the dump has {rows}, the one before had {before} (of {grid}): more than {limit} % fewer, nothing was imported "
        "(of another grid? --grid; of this one all the same: --force)"
    )
    status = 400
    exit_code = 69

    def __init__(self, *, rows: object, **more: object) -> None:
        super().__init__(rows=counted(rows, "row"), **more)


class DownloadFailed(N2KError):
    """The network, or the server at the other end: trying again later may help."""

    template = "cannot fetch {url}: {why}; nothing was imported"
    status = 502
    exit_code = 70


class DownloadRefused(N2KError):
    """What trying again does not mend: an address we do not follow, a certificate, a web page instead of a dump."""

    template = "will not fetch {url}: {why}; nothing was imported"
    status = 502
    exit_code = 71


class DownloadTooLarge(N2KError):
    """More than ``update_size`` bytes, still packed."""

    template = "{url} is larger than {limit} bytes (setting 'update_size'): nothing was imported"
    status = 502
    exit_code = 72


class DownloadTooSlow(N2KError):
    """More than ``update_time`` seconds."""

    template = "{url} took longer than {limit} s (setting 'update_time'): nothing was imported"
    status = 504
    exit_code = 73


class DumpNotNewer(N2KError):
    """The dump speaks for an earlier time than the live generation does for the same grid."""

    template = (
        "the dump is of {found}, the live one of {grid} is of {live}: nothing was imported "
        "(if it is newer all the same: --as-of {live}; to go back to it: --force --replace)"
    )
    status = 409
    exit_code = 74


class HelperLost(N2KError):
    """The second process of an import ended: killed by a host that counts processes or memory, most likely."""

    template = "the import's second process ended ({code}), nothing was imported: try --jobs 1, which needs none"
    status = 500
    exit_code = 75

    def __init__(self, *, code: object) -> None:
        if isinstance(code, int) and code < 0:
            code = f"killed by signal {-code}, perhaps for its memory"
        super().__init__(code=code)


# --- the installation -----------------------------------------------------------------------------------------------


class BadSetting(N2KError):
    """A setting that is unknown, unreadable or contradicts another."""

    template = "setting '{name}' ({where}): {why}"
    public = "setting '{name}' cannot be used: the log of the server says why"
    status = 503
    exit_code = 80


class ConfigUnreadable(N2KError):
    """The settings file cannot be read or parsed."""

    template = "cannot read the settings file {path}: {why}"
    public = "the settings file cannot be read: the log of the server says why"
    status = 503
    exit_code = 81


class DeployRefused(N2KError):
    """``n2k deploy`` will not do something that would publish data or break a site."""

    template = "not deployed: {why}"
    status = 500
    exit_code = 82


class DoctorFound(N2KError):
    """``n2k doctor`` found something that must be mended."""

    template = "problems found: {count}, see above"
    status = 503
    exit_code = 83


class CannotListen(N2KError):
    """The address or socket path cannot be bound."""

    template = "cannot listen on {address}: {why}"
    status = 500
    exit_code = 84


class PythonLacks(N2KError):
    """The interpreter was built without a module of the standard library; all else works."""

    template = "this Python lacks the module '{module}' ({why}), which is needed for {what}: {instead}"
    status = 500
    exit_code = 90


class AddressNeeded(N2KError):
    """``n2k lsl`` does not know where the world reaches the service."""

    template = "where does the world reach this service? Say --url https://..., or set 'url' in {file}"
    status = 500
    exit_code = 85


class FilesWouldVanish(N2KError):
    """``n2k deploy`` into a folder with other files: every request below it goes to the service from then on."""

    template = (
        "not deployed: {folder} holds {what} that nobody could fetch any more ({names}): use a folder of its own, or --yes"
    )
    status = 500
    exit_code = 87


class RemovalRefused(N2KError):
    """``n2k deploy --remove`` will not touch what is not ours, or may not."""

    template = "not taken away: {why}"
    status = 500
    exit_code = 88
