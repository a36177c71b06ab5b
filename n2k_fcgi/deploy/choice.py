"""Which kind of deployment suits a host: the best that answers, or the present one where nothing can be found out."""

from typing import NamedTuple

from n2k_fcgi.deploy.kind import Kind
from n2k_fcgi.deploy.kinds import WAYS
from n2k_fcgi.deploy.probe import Found, Result
from n2k_fcgi.errors import DeployRefused

TITLES = {Kind.FCGID: "FastCGI (mod_fcgid)", Kind.PASSENGER: "Passenger", Kind.CGI: "CGI"}


class Choice(NamedTuple):
    """A kind, and why it was chosen."""

    kind: Kind
    why: str
    answers: bool
    """Whether a program of that kind has answered."""


def choose(found: Found, present: Kind | None) -> Choice:
    """*present*: how the folder is deployed now. Raises DeployRefused where no program runs in a new folder."""
    stays = present or Kind.FCGID
    if found.problem:
        return Choice(stays, f"since a file in this folder is not served at that address: {found.problem}", False)
    for kind in WAYS:
        if not found.results[kind].problem:
            return Choice(kind, "the best that answers", True)
    if present is None:
        raise DeployRefused(why="neither FastCGI nor Passenger nor CGI answers there: ask the host, or choose by --as")
    return Choice(stays, "as before, since nothing answers: ask the host", False)


def told(found: Found) -> list[str]:
    """One line for each thing that was tried."""
    if found.problem:
        return [f"a file: {found.problem}"]
    return ["a file: served", *(f"{TITLES[kind]}: {_told(result)}" for kind, result in found.results.items())]


def _told(result: Result) -> str:
    if not result.requests:
        return f"not tried: {result.problem}"
    if not result.problem:
        return "answers" if result.requests == 1 else f"answers {result.answered} of {result.requests} requests"
    if result.requests == 1:
        return f"does not answer ({result.problem})"
    return f"does not answer ({result.problem}, after {result.answered} good answers)"
