"""Errors of a caller's input (exit codes 10 to 29) and of access (30 to 39)."""

from n2k_fcgi.errors.base import N2KError

# --- input ----------------------------------------------------------------------------------------------------------


class BadName(N2KError):
    """A name that no avatar can have."""

    template = "bad name '{name}': {why}"
    status = 400
    exit_code = 10

    def __init__(self, *, name: str, why: str, too_long: bool = False) -> None:
        super().__init__(name=name, why=why)
        self.too_long = too_long
        """Whether the length is the reason: an import counts those separately."""


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


class OnlyAPage(N2KError):
    """A page, asked for by a caller that does not accept one by name, or by a script."""

    template = "this is a page for browsers, which accept text/html: scripts ask with ?name=First+Last or ?key=UUID"
    status = 406
    exit_code = 25


class BodyTooLarge(N2KError):
    """A request body above the limit (a lower limit of mod_fcgid's answers 500 before the request arrives here)."""

    template = "request body too large: {limit} bytes at most"
    status = 413
    exit_code = 15
    limit = "body"


class NameTaken(N2KError):
    """The conflict rule: a known name stays with its key."""

    template = "the name '{name}' belongs to another key on {grid}: nothing was changed"
    status = 409
    exit_code = 16

    def __init__(self, *, name: str, grid: str, holder: bytes = b"") -> None:
        super().__init__(name=name, grid=grid)
        self.holder = holder
        """The key that has the name, for the list of conflicts; never sent to the caller."""


class NotFound(N2KError):
    """A lookup on the command line that found nothing: scripts test the exit code."""

    template = "not found: {what}"
    status = 404
    exit_code = 17


class AskedToBeForgotten(N2KError):
    """The right to leave: a forgotten avatar is not registered again."""

    template = "this avatar asked not to be listed here: nothing was stored"
    status = 409
    exit_code = 18


class NotForgotten(N2KError):
    """An undo of a request to be forgotten that was never made."""

    template = "no request to forget {what} is stored"
    status = 404
    exit_code = 19


class TooManyNewGrids(N2KError):
    """A limit on the grids that callers may create: the name of a grid is free text."""

    template = "unknown grid '{grid}', and callers have created {limit} grids, the most allowed (settings 'grids', 'max_grids')"
    status = 409
    exit_code = 20
    limit = "grids"


class GridNotRemovable(N2KError):
    """``n2k grids remove`` of a grid that no registration created."""

    template = "cannot remove the grid '{grid}': {why}"
    status = 409
    exit_code = 24


class TooManyNames(N2KError):
    """A limit on what callers may store in Second Life, where no name ever replaces another."""

    template = "{what} on {grid} are the most allowed: nothing was stored"
    status = 409
    exit_code = 22
    limit = "names"


class SwitchedOff(N2KError):
    """The owner switched an answer off."""

    template = "{what} is switched off on this server (setting '{setting}')"
    status = 403
    exit_code = 21


class FutureTime(N2KError):
    """A dump cannot describe a time in the future: it would win against everything seen until then."""

    template = "--as-of {given} is in the future (it is {now}): nothing was imported"
    status = 400
    exit_code = 28


class TrafficNotCounted(N2KError):
    """The kernel does not show how much a process reads and writes, so an import cannot be paced."""

    template = (
        "cannot pace the import, because {path} cannot be read ({why}): nothing was imported; without --io (--io 0) it is not "
        "paced, and it can be built on another machine (docs/rationed-disks.md)"
    )
    public = "cannot pace the import"
    status = 500
    exit_code = 27


# --- access ---------------------------------------------------------------------------------------------------------


class TokenNeeded(N2KError):
    """No token, or an unknown one (deliberately not distinguished)."""

    template = "a valid token is needed: send it in the header X-N2K-Token ('n2k token create' makes one)"
    status = 401
    exit_code = 30


class TokenNotEnough(N2KError):
    """A known token without the right scope or grid."""

    template = "this token does not permit it: {why}"
    status = 403
    exit_code = 31


class WritingIsOff(N2KError):
    """The owner switched registration off."""

    template = "registration is switched off on this server (setting 'register')"
    status = 403
    exit_code = 32


class NoSuchToken(N2KError):
    """An unknown token id."""

    template = "no token with the id '{id}': see 'n2k token list'"
    status = 404
    exit_code = 33


class TokenExists(N2KError):
    """A token with an id that is taken: the form that makes a token was sent again."""

    template = "a token with the id '{id}' was made before: nothing was changed"
    status = 409
    exit_code = 39


class TooManyRequests(N2KError):
    """A rate limit per minute. The message says how long to wait, as ``Retry-After`` does."""

    template = "too many {what} from here: try again in {seconds} s"
    status = 429
    exit_code = 34

    def __init__(self, *, what: str, seconds: int) -> None:
        super().__init__(what=what, seconds=seconds)
        self.retry_after = seconds
        self.limit = what.replace(" ", "-")


class ListBusy(N2KError):
    """The limit of simultaneous csv downloads is reached: each takes up a part of the service."""

    template = "the limit of simultaneous downloads of this list is reached (setting 'csv_streams'): try again in a minute"
    status = 429
    exit_code = 35
    limit = "downloads"
    retry_after = 60


class PlainHttp(N2KError):
    """A log-in where everybody on the way can read the token and the cookie."""

    template = "no log-in over plain HTTP, which others can read: open this page with https:// (docs/status.md)"
    status = 403
    exit_code = 36


class ForgedForm(N2KError):
    """A form that another site may have sent in the owner's name, or one of an earlier session."""

    template = "this form is not of this page and session: open the page anew, and send it again ({why})"
    status = 403
    exit_code = 37


class NotAllSearched(N2KError):
    """``n2k about`` could not read everything: its answer to a person is not complete."""

    template = "not complete: {count} could not be searched, see 'not_searched' in the answer"
    status = 503
    exit_code = 38


class ForkedTooLate(N2KError):
    """A server forked a process that had answered requests; the child cannot use the open files of its parent."""

    template = "this process was forked from one that had answered requests: restart the web server"
    status = 503
    exit_code = 23
