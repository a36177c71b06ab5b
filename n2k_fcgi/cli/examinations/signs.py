"""What keeps callers from the service, recognized by the response to ``/health``. docs/deploy.md explains each sign."""

import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

from n2k_fcgi.deploy.asking import Reply, ask
from n2k_fcgi.deploy.reach import LINKS_ON
from n2k_fcgi.deploy.script import OURS
from n2k_fcgi.errors import NothingHere, shown

ALIVE = (200, "alive\n")

LOGIN_PATHS = re.compile(r"(log|sign)[-_]?in\b|/auth\b|/sso\b|/account\b", re.IGNORECASE)
LOGIN_FORM = re.compile(r"<input[^>]*\btype\s*=\s*[\"']?password", re.IGNORECASE)
BOT_CHECK = re.compile(
    r"checking your browser|just a moment\.\.\.|one moment, please|verify(ing)? (that )?you are (a )?human|bot verification|"
    r"making sure you(&#39;|')re not a bot|/cdn-cgi/challenge-platform|error code: 10\d\d|/aes\.js|requires javascript to work|"
    r"ddos-guard|_incapsula_resource|sucuri website firewall|imunify360|enable javascript and cookies to continue",
    re.IGNORECASE,
)
"""Words on pages of Cloudflare, Imunify360, Sucuri, Incapsula, Anubis and free hosts that require JavaScript."""

FILTER = re.compile(r"mod_?security|not acceptable!", re.IGNORECASE)

SAID_CHARACTERS = 500
"""The most that is printed of what a server says: an address, or our own line, which ends with what to do."""


class Sign(NamedTuple):
    """One possible obstacle."""

    title: str
    """As in docs/deploy.md."""
    fits: "Callable[[str, Reply], bool]"
    """(the address without its slash, the response to ``/health``) -> whether this is the obstacle."""
    advice: str


def read(base: str, reply: Reply) -> Sign | None:
    """The sign in the response to ``base/health``; None: the service itself responded, as it should."""
    if (reply.status, reply.body) == ALIVE:
        return None
    return next(sign for sign in SIGNS if sign.fits(base, reply))


def detail(base: str, reply: Reply) -> str:
    """Details: the target of a redirect, the reason for no response, our own error line."""
    if 300 <= reply.status < 400:
        return f"to {shown(leads_to(base, reply), SAID_CHARACTERS)}"
    if reply.status == 0 or reply.is_ours_in_form:
        return shown(reply.body.strip(), SAID_CHARACTERS)
    return f"from {base}/health"


def leads_to(base: str, reply: Reply) -> str:
    """The address of the service in a redirect of ``/health``."""
    location = reply.headers.get("location", "")
    try:
        target = urljoin(f"{base}/health", location)
    except ValueError:
        return repr(location)
    return target.rstrip("/").removesuffix("health")


def _redirects(test: "Callable[[SplitResult, SplitResult], bool]") -> "Callable[[str, Reply], bool]":
    """A test of (requested address, target) for redirects."""

    def fits(base: str, reply: Reply) -> bool:
        try:
            asked = urlsplit(f"{base}/health")
            led = urlsplit(urljoin(asked.geturl(), reply.headers.get("location", "")))
        except ValueError:
            return False
        return 300 <= reply.status < 400 and test(asked, led)

    return fits


def _status(*numbers: int) -> "Callable[[str, Reply], bool]":
    return lambda _, reply: reply.status in numbers


def _whole_path_taken(base: str, reply: Reply) -> bool:
    """Whether the service takes every path for its root: then a lookup at an unknown path succeeds."""
    return _is_our_404(reply) and ask(f"{base}/doctor-no-page?key=00000000-0000-0000-0000-000000000000").status == 200


def _is_our_404(reply: Reply) -> bool:
    return reply.status == 404 and reply.body.strip() == str(NothingHere())


def _bare(host: str | None) -> str:
    return (host or "").removeprefix("www.")


SIGNS = (
    Sign("no answer", _status(0), "is the host name right, is the web server running? see its error log"),
    Sign(
        "the script's own source is shown",
        lambda _, reply: reply.body.startswith("#!") and OURS in reply.body,
        "neither mod_fcgid nor CGI is enabled: ask the host for one of them; until then 'n2k deploy --remove'",
    ),
    Sign(
        "a bot check answers",
        lambda _, reply: "cf-mitigated" in reply.headers or bool(BOT_CHECK.search(reply.body)),
        "switch it off for this address: scripts in-world cannot pass it",
    ),
    Sign(
        "a redirect to a login page",
        _redirects(lambda _, led: bool(LOGIN_PATHS.search(led.path))),
        "remove the password from this folder: scripts cannot log in",
    ),
    Sign(
        "a redirect to https",
        _redirects(
            lambda asked, led: (asked.scheme, led.scheme) == ("http", "https") and _bare(asked.hostname) == _bare(led.hostname)
        ),
        "use the target address in scripts: a redirected POST loses its fields",
    ),
    Sign(
        "a redirect to the name with or without www",
        _redirects(lambda asked, led: asked.hostname != led.hostname and _bare(asked.hostname) == _bare(led.hostname)),
        "use the target address in scripts: a redirected POST loses its fields",
    ),
    Sign(
        "a redirect that adds or takes a slash",
        _redirects(lambda asked, led: asked.path != led.path and asked.path.strip("/") == led.path.strip("/")),
        "a rule before our block redirects: exclude this folder, a redirected POST loses its fields",
    ),
    Sign(
        "a redirect elsewhere",
        lambda _, reply: 300 <= reply.status < 400,
        "if the target is the right address, use it in scripts: a redirected POST loses its fields",
    ),
    Sign("401: a password is asked for", _status(401, 407), "remove the password from this folder: scripts have none"),
    Sign(
        "a filter of the host refuses",
        lambda _, reply: reply.status == 406 or (reply.status in (403, 501) and bool(FILTER.search(reply.body))),
        "switch mod_security off for this folder, in the control panel or by the host",
    ),
    Sign(
        "403: the web server may not",
        _status(403),
        f"chmod o+x the folders above, or {LINKS_ON}; the error log says which",
    ),
    Sign(
        "404: n2k answers, but does not receive the path",
        _whole_path_taken,
        "SCRIPT_NAME has the whole path: in nginx set it last, below the line 'include fastcgi_params'",
    ),
    Sign(
        "404: n2k answers, and knows no such page",
        lambda _, reply: _is_our_404(reply),
        "is the address right? in a folder SCRIPT_NAME must be the path of that folder, such as '/n2k'",
    ),
    Sign(
        "404: there is no such page",
        _status(404, 410),
        "does this address serve that folder, is .htaccess in effect, does the script exist? run 'n2k deploy' again",
    ),
    Sign("429: too many requests for the host", _status(429), "wait, and ask the host to raise its limit for this address"),
    Sign("500: the script does not start", _status(500), "see the web server's error log; run the script by hand"),
    Sign(
        "nobody answers behind the web server",
        _status(502, 504),
        "is 'n2k fcgi' running, and can the web server connect to its socket?",
    ),
    Sign(
        "503: the service says what is missing",
        lambda _, reply: reply.status == 503 and reply.is_ours_in_form,
        "do what it says, on the server; it then works without a restart",
    ),
    Sign(
        "503: the web server has no process for it",
        _status(503),
        "does the script crash, or is the account at its limit? see the error log",
    ),
    Sign(
        "a login page answers",
        lambda _, reply: bool(LOGIN_FORM.search(reply.body)),
        "remove the password from this folder: scripts cannot log in",
    ),
    Sign("a foreign site answers", lambda _, reply: True, "is the folder right? is .htaccess in effect?"),
)
"""The first that fits counts; the last one always fits."""
