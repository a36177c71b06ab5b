"""Errors of dumps, imports and downloads (exit codes 60 to 79)."""

from n2k_fcgi.errors.base import N2KError, counted


class DumpUnreadable(N2KError):
    """The operating system refuses to open or read the file."""

    template = "cannot read the dump {path}: {why}"
    status = 400
    exit_code = 60


class DumpChanged(N2KError):
    """The file was written to while it was read: the rows that were read may be incomplete."""

    template = "{path} was written to while it was read: nothing was imported, try again when it is complete"
    status = 409
    exit_code = 76


class DumpBroken(N2KError):
    """A truncated or corrupt archive."""

    template = "the dump is truncated or corrupt ({why}): download it again; nothing was imported"
    status = 400
    exit_code = 61


class DumpNotUnderstood(N2KError):
    """Neither csv nor JSON lines, a nested archive, or an archive with extra data before or after it."""

    template = "cannot import this: {why}; nothing was imported"
    status = 400
    exit_code = 62


class DumpNeedsUnpacking(N2KError):
    """An archive format that another program must unpack."""

    template = "this is {what}, which n2k does not read: unpack it first ({command}); nothing was imported"
    status = 400
    exit_code = 79


class NoDumpInZip(N2KError):
    """No member of a zip is a dump."""

    template = "no file in the zip has lines 'uuid,First Last' ({found}): nothing was imported"
    status = 400
    exit_code = 78


class TooManyBadLines(N2KError):
    """More bad lines than ``max_bad`` permits."""

    template = "{bad} of {lines} bad (mostly: {most}), more than {limit} %: nothing was imported (see {how})"
    status = 400
    exit_code = 63

    def __init__(self, *, bad: object, lines: object, **more: object) -> None:
        super().__init__(bad=bad, lines=f"{counted(lines, 'line')} {'is' if bad == 1 else 'are'}", **more)


class EmptyDump(N2KError):
    """No good row."""

    template = "the dump holds no rows: nothing was imported"
    status = 400
    exit_code = 64


class DumpTooLarge(N2KError):
    """A dump that unpacks to more than ``--max-bytes``."""

    template = "the dump unpacks to more than {limit} bytes (see --max-bytes): nothing was imported"
    status = 400
    exit_code = 66


class DumpShrank(N2KError):
    """Far fewer rows than last time: usually a truncated or wrong dump, rarely a smaller world."""

    template = (
        "the dump has {rows}, the previous one had {before} (of {grid}): more than {limit} % fewer, nothing was imported "
        "(if it is of another grid: --grid; to import it anyway: --force)"
    )
    status = 400
    exit_code = 69

    def __init__(self, *, rows: object, **more: object) -> None:
        super().__init__(rows=counted(rows, "row"), **more)


class DownloadFailed(N2KError):
    """The network or the other server failed: a later retry may succeed."""

    template = "cannot fetch {url}: {why}; nothing was imported"
    status = 502
    exit_code = 70


class DownloadRefused(N2KError):
    """A retry will not help: an address that is not followed, a certificate, a web page instead of a dump."""

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
    """The dump describes an earlier time than the live generation does for the same grid."""

    template = (
        "the dump is as of {found}, the live generation of {grid} is as of {live}: nothing was imported "
        "(if the dump is newer: --as-of {live}; to go back to it: --force --replace)"
    )
    status = 409
    exit_code = 74


class HelperLost(N2KError):
    """The second process of an import ended, most likely killed by a host that limits processes or memory."""

    template = "the import's second process ended ({code}), nothing was imported: try --jobs 1, which uses one process"
    status = 500
    exit_code = 75

    def __init__(self, *, code: object) -> None:
        if isinstance(code, int) and code < 0:
            code = f"killed by signal {-code}, perhaps because of a memory limit"
        super().__init__(code=code)
