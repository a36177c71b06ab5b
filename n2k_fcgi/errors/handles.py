"""Errors of the Python API: of handles, and of the client over HTTP (exit codes from 100, too)."""

from n2k_fcgi.errors.base import N2KError


class HandleClosed(N2KError):
    """Use of a handle of the Python API after its end."""

    template = "this {what} is closed"
    status = 500
    exit_code = 116


class ServerUnreachable(N2KError):
    """The client got no answer, in all its attempts."""

    template = "no answer from {url}: {why}"
    status = 503
    exit_code = 117


class UnexpectedAnswer(N2KError):
    """The client got an answer that this service does not give: another program answers, or another version."""

    template = "unexpected answer {status} from {url}: {line}"
    status = 502
    exit_code = 118


class NeverQuiet(N2KError):
    """A consistent copy over HTTP needs a moment without writes."""

    template = "no snapshot: the namespace was changed all the time, {rounds} times in a row"
    status = 503
    exit_code = 119
