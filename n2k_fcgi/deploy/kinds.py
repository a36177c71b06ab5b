"""Every kind of deployment by its name, and which one a folder has."""

import re

from n2k_fcgi.deploy import cgi, fcgid, passenger
from n2k_fcgi.deploy.htaccess import HTACCESS, Unsafe, place_of_block
from n2k_fcgi.deploy.kind import Kind, Way

WAYS: dict[Kind, Way] = {Kind.FCGID: fcgid, Kind.PASSENGER: passenger, Kind.CGI: cgi}
"""The best first: FastCGI keeps its processes, Passenger ends them after some idle minutes, CGI has one for each request."""

_KIND = re.compile(rb"^# Kind: (\w+)", re.MULTILINE)


def kind_in(rules: bytes) -> Kind | None:
    """The kind of the block in *rules*; None: there is none. Raises Unsafe, also for an unknown kind."""
    place = place_of_block(rules)
    if place is None:
        return None
    named = _KIND.search(rules[place])
    if not named:
        return Kind.FCGID  # the block of FastCGI is as old as the others are new
    name = named[1].decode()
    if name not in {kind.value for kind in Kind}:
        raise Unsafe(f"the block in {HTACCESS} is of a kind that is unknown here, {name!r}: use --remove")
    return Kind(name)
