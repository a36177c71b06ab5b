"""The service as callers see it: through the web server, at its public address."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import quote, quote_plus, urlsplit

from n2k_fcgi.cli.examinations import signs
from n2k_fcgi.deploy.asking import Reply, ask
from n2k_fcgi.errors import PythonLacks, shown
from n2k_fcgi.interpreter import needed
from n2k_fcgi.model.findings import Finding, Verdict, ok, problem, warning

AWKWARD = "Odd % + ? & # é"
"""A name that arrives only if no server on the way decodes, cuts or rewrites it. No avatar has it."""


NO_GRID = "doctor"
"""Nobody is on that grid: its csv is empty."""


class Known(NamedTuple):
    """What the responses are compared with."""

    generation: str = ""
    """The live generation here; '': none."""
    name: str = ""
    """A name in it; '': none."""
    key: str = ""
    """That name's key."""
    token: str = ""
    """A token of this directory to try; '': none."""
    code: str = ""
    """The digest of the installed code."""


def examine(url: str, known: Known) -> Iterator[Finding]:
    """Examine *url*; stop if the service does not respond there."""
    base = url.rstrip("/")
    if base.startswith("https:"):
        try:
            needed("ssl")
        except PythonLacks as refusal:
            yield warning("address", f"not requested: {refusal}", f"request it by hand: curl {base}/health")
            return
    reply = ask(f"{base}/health")
    alive = health(base, reply)
    yield alive
    if alive.verdict != Verdict.OK:
        return
    yield code(reply, known)
    served = ready(base, known)
    yield served
    is_ours = served.verdict == Verdict.OK
    if is_ours and known.name:
        yield lookup(base, known)
    yield awkward_query(base)
    yield awkward_path(base)
    yield hidden(base)
    yield from harvesting(base)
    yield authorization(base, known, is_ours=is_ours)


def health(base: str, reply: Reply) -> Finding:
    """Whether the service itself responds, unaltered; otherwise the obstacle."""
    sign = signs.read(base, reply)
    if sign is not None:
        return problem("address", f"{sign.title}, {signs.detail(base, reply)}", sign.advice)
    if "content-encoding" in reply.headers:
        return problem("address", "the answer is compressed although not requested", "switch that off for text/plain")
    return ok("address", f"{with_slash(base)} answers, not compressed")


def code(reply: Reply, known: Known) -> Finding:
    """Whether the process runs the installed code."""
    running = reply.headers.get("x-n2k-code", "")
    if running == known.code:
        return ok("code", f"it runs the installed code ({running})")
    what = f"it runs other code ({shown(running)}) than is installed" if running else "it does not report its code"
    advice = "after an update run 'n2k deploy' again; restart 'n2k fcgi' and 'n2k serve'"
    return warning("code", f"{what} ({known.code})", advice)


def with_slash(base: str) -> str:
    """The address for scripts. That of a folder ends with a slash; otherwise Apache redirects, and a POST loses its fields."""
    last = urlsplit(base).path.rpartition("/")[2]
    return base if "." in last else f"{base}/"


def ready(base: str, known: Known) -> Finding:
    """Whether it can look names up, in the data directory of this command."""
    reply = ask(f"{base}/ready")
    if reply.status != 200:
        return problem(
            "readiness", f"{reply.status} {shown(reply.body.strip(), signs.SAID_CHARACTERS)}", "do what it says, on the server"
        )
    theirs = reply.headers.get("x-n2k-generation", "")
    if theirs != known.generation:
        what = f"it serves generation {shown(theirs) or '?'}, this command sees {known.generation or 'none'}"
        return warning("readiness", what, "it uses another data directory than this command: see --dir")
    return ok("readiness", f"serves generation {theirs}")


def lookup(base: str, known: Known) -> Finding:
    """Whether looking up a name of the live generation returns its key."""
    reply = ask(f"{base}/?name={quote_plus(known.name)}")
    if _is_our_503(reply):
        return _not_seen("lookup", reply)
    if (reply.status, reply.body) != (200, known.key):
        what = f"{known.name!r} got {reply.status} {reply.body.strip()[:60]!r} instead of {known.key}"
        return problem("lookup", what, "run 'n2k check'; is there a cache in between?")
    kept = reply.headers.get("cache-control", "")
    if not {"no-cache", "no-store"} & set(kept.replace(" ", "").split(",")):
        what = (
            f"{known.name!r} got its key, and caches may store that (Cache-Control: {shown(kept) or 'none'}, ours is no-cache)"
        )
        return warning("lookup", what, "configure the web server to keep that header (nginx: 'expires off;')")
    return ok("lookup", f"{known.name!r} got its key")


def awkward_query(base: str) -> Finding:
    """Whether all characters of a query arrive: the sentence with compat=false repeats the name."""
    reply = ask(f"{base}/?compat=false&name={quote_plus(AWKWARD)}")
    if _is_our_503(reply):
        return _not_seen("query", reply)
    spoken = " ".join(AWKWARD.replace("+", " ").split())
    if reply.status != 200 or spoken not in reply.body:
        return problem("query", f"{AWKWARD!r} came back as {reply.status} {reply.body.strip()[:60]!r}", _REWRITE)
    return ok("query", f"{AWKWARD!r} arrived unchanged")


def awkward_path(base: str) -> Finding:
    """Whether all characters of a path arrive: our error for an invalid name shows it."""
    reply = ask(f"{base}/name2key/{quote(AWKWARD)}")
    if _is_our_503(reply):
        return _not_seen("path", reply)
    if (reply.status, reply.body.strip()) != (400, "Invalid name"):
        return problem("path", f"{AWKWARD!r} in a path got {reply.status} {reply.body.strip()[:60]!r}", _REWRITE)
    return ok("path", f"{AWKWARD!r} arrived unchanged")


def _is_our_503(reply: Reply) -> bool:
    return reply.status == 503 and reply.is_ours_in_form


def _not_seen(subject: str, reply: Reply) -> Finding:
    """An error of the service itself: it shows nothing about the way there."""
    return warning(subject, f"not examined: {reply.status} {reply.body.strip()[:120]}", "fix that first, then run it again")


def hidden(base: str) -> Finding:
    """Whether files beside the script can be fetched."""
    for name in (".htaccess", "n2k.ini", "token", "captures.mdb", "CURRENT"):
        reply = ask(f"{base}/{name}")
        if reply.status == 200:
            return problem("files", f"{base}/{name} can be fetched", "run 'n2k deploy' again, or move the data")
    return ok("files", "none could be fetched")


def harvesting(base: str) -> Iterator[Finding]:
    """Whether anyone may copy the names: by the csv, or letter by letter by the search."""
    for subject, path in (("csv", f"name2key.csv?grid={NO_GRID}"), ("search", "api/v1/search?prefix=a&limit=1")):
        reply = ask(f"{base}/{path}")
        if reply.status in (401, 403):
            yield ok(subject, "closed to callers without a token" if reply.status == 401 else "switched off")
        elif reply.status not in (200, 429):
            yield _not_seen(subject, reply)
        elif is_public(base):
            advice = f"if no program of others needs it, set '{subject} = token' or 'off' (docs/privacy.md)"
            yield warning(subject, "open: anyone can copy the names of all avatars", advice)
        else:
            yield ok(subject, "open, at an address that is not public")


def authorization(base: str, known: Known, *, is_ours: bool) -> Finding:
    """Whether both headers with a token arrive: a registration with an invalid key is refused for the key only."""
    if not known.token:
        return warning("token", "no token here to try", "'n2k token create --scope register' makes one")
    if not is_ours or not is_private(base):
        why = "it would be sent unencrypted" if is_ours else "this may be another server"
        return warning("token", f"not tried: {why}", "use an https address that serves this data directory")
    for header, value in (("X-N2K-Token", known.token), ("Authorization", f"Bearer {known.token}")):
        reply = ask(f"{base}/", "name=Doctor+Test&key=none", {header: value})
        if reply.status == 403:
            return ok("token", shown(reply.body.strip(), signs.SAID_CHARACTERS))
        if reply.status != 400:
            what = f"sent as {header} it got {reply.status} {reply.body.strip()[:60]!r}"
            return problem("token", what, "was it revoked? does the web server forward the header?")
    return ok("token", "accepted as X-N2K-Token and as Authorization")


def is_public(base: str) -> bool:
    """Whether strangers may reach the address: unless it says otherwise itself."""
    host = urlsplit(base).hostname or ""
    try:
        return ip_address(host).is_global
    except ValueError:
        return host != "localhost"


def is_private(base: str) -> bool:
    """Whether requests cannot be read on the way."""
    parts = urlsplit(base)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


_REWRITE = "rewriting changes it: use the block of 'n2k deploy', without a rule of your own before it"
