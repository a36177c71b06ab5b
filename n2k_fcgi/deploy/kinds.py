"""Every kind of deployment by its name, and which one a folder has."""

import re

from n2k_fcgi.deploy import cgi, fcgid, passenger
from n2k_fcgi.deploy.htaccess import place_of_block
from n2k_fcgi.deploy.kind import Kind, Way

WAYS: dict[Kind, Way] = {Kind.FCGID: fcgid, Kind.PASSENGER: passenger, Kind.CGI: cgi}
"""The best first: FastCGI keeps its processes, Passenger ends them after some idle minutes, CGI has one for each request."""

_KIND = re.compile(rb"^# Kind: (\w+)", re.MULTILINE)


def kind_in(rules: bytes) -> Kind | None:
    """The kind of the block in *rules*; None: there is none. Raises Unsafe if the marks of the block are not one pair."""
    place = place_of_block(rules)
    if place is None:
        return None
    named = _KIND.search(rules[place])
    return Kind(named[1].decode()) if named else Kind.FCGID  # the block of FastCGI is as old as the others are new
