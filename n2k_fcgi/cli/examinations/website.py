"""The service as its callers see it: through the web server, at its public address."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import quote, quote_plus, urlsplit

from n2k_fcgi.cli.examinations import signs
from n2k_fcgi.cli.examinations.asking import Reply, ask
from n2k_fcgi.cli.examinations.findings import OK, Finding, ok, problem, warning
from n2k_fcgi.errors import PythonLacks
from n2k_fcgi.interpreter import needed

AWKWARD = "Odd % + ? & # é"
"""A name that arrives only when no server on the way decodes, cuts or rewrites it. Nobody is called so."""


class Known(NamedTuple):
    """What the answers are compared with."""

    generation: str = ""
    """The live generation here, '' when there is none."""
    name: str = ""
    """A name in it, '' when there is none."""
    key: str = ""
    """That name's key."""
    token: str = ""
    """A token of this directory, '' when there is none to try."""
    code: str = ""
    """The digest of the code that is installed here."""


def examine(url: str, known: Known) -> Iterator[Finding]:
    """Ask *url*, and stop when nobody of ours answers there."""
    base = url.rstrip("/")
    if base.startswith("https:"):
        try:
            needed("ssl")
        except PythonLacks as refusal:
            yield warning("address", f"not asked: {refusal}", f"ask by hand, as in: curl {base}/health")
            return
    reply = ask(f"{base}/health")
    alive = health(base, reply)
    yield alive
    if alive.verdict != OK:
        return
    yield code(reply, known)
    served = ready(base, known)
    yield served
    is_ours = served.verdict == OK
    if is_ours and known.name:
        yield lookup(base, known)
    yield awkward_query(base)
    yield awkward_path(base)
    yield hidden(base)
    yield authorization(base, known, is_ours=is_ours)


def health(base: str, reply: Reply) -> Finding:
    """Whether the process answers, itself and as it said it; else what is in the way."""
    sign = signs.read(base, reply)
    if sign is not None:
        return problem("address", f"{sign.title}, {signs.detail(base, reply)}", sign.advice)
    if "content-encoding" in reply.headers:
        return problem("address", "the answer is compressed without being asked", "switch that off for text/plain")
    return ok("address", f"{with_slash(base)} answers, not compressed")


def code(reply: Reply, known: Known) -> Finding:
    """Whether the process was started with the code that is installed here."""
    running = reply.headers.get("x-n2k-code", "")
    if running == known.code:
        return ok("code", f"it runs what is installed here ({running})")
    what = f"it runs other code ({running}) than is installed here" if running else "it does not say which code it runs"
    advice = "after an update run 'n2k deploy' again; 'n2k fcgi' and 'n2k serve' must be started again"
    return warning("code", f"{what} ({known.code})", advice)


def with_slash(base: str) -> str:
    """The address for scripts: a folder's ends with a slash, else Apache redirects, and a POST loses its fields."""
    last = urlsplit(base).path.rpartition("/")[2]
    return base if "." in last else f"{base}/"


def ready(base: str, known: Known) -> Finding:
    """Whether it can look names up, in the data directory that we look at."""
    reply = ask(f"{base}/ready")
    if reply.status != 200:
        return problem("readiness", f"{reply.status} {reply.body.strip()}", "do what it says, on the server")
    theirs = reply.headers.get("x-n2k-generation", "")
    if theirs != known.generation:
        what = f"it serves generation {theirs or '?'}, here it is {known.generation or 'none'}"
        return warning("readiness", what, "it has another data directory than this command: see --dir")
    return ok("readiness", f"serves generation {theirs}")


def lookup(base: str, known: Known) -> Finding:
    """Whether a name of the live generation gets its key."""
    reply = ask(f"{base}/?name={quote_plus(known.name)}")
    if _is_our_503(reply):
        return _not_seen("lookup", reply)
    if (reply.status, reply.body) != (200, known.key):
        what = f"{known.name!r} got {reply.status} {reply.body.strip()[:60]!r} and not {known.key}"
        return problem("lookup", what, "run 'n2k check'; is a cache between?")
    kept = reply.headers.get("cache-control", "")
    if not {"no-cache", "no-store"} & set(kept.replace(" ", "").split(",")):
        what = f"{known.name!r} got its key, and caches may keep that (Cache-Control: {kept or 'none'}, ours is no-cache)"
        return warning("lookup", what, "have the web server leave that header as it is (nginx: 'expires off;')")
    return ok("lookup", f"{known.name!r} got its key")


def awkward_query(base: str) -> Finding:
    """Whether all characters arrive in a query: the sentence for people repeats the name."""
    reply = ask(f"{base}/?compat=false&name={quote_plus(AWKWARD)}")
    if _is_our_503(reply):
        return _not_seen("query", reply)
    spoken = " ".join(AWKWARD.replace("+", " ").split())
    if reply.status != 200 or spoken not in reply.body:
        return problem("query", f"{AWKWARD!r} came back as {reply.status} {reply.body.strip()[:60]!r}", _REWRITE)
    return ok("query", f"{AWKWARD!r} arrived whole")


def awkward_path(base: str) -> Finding:
    """Whether they arrive in a path: our own refusal of such a name shows it."""
    reply = ask(f"{base}/name2key/{quote(AWKWARD)}")
    if _is_our_503(reply):
        return _not_seen("path", reply)
    if (reply.status, reply.body.strip()) != (400, "Invalid name"):
        return problem("path", f"{AWKWARD!r} in a path got {reply.status} {reply.body.strip()[:60]!r}", _REWRITE)
    return ok("path", f"{AWKWARD!r} arrived whole")


def _is_our_503(reply: Reply) -> bool:
    return reply.status == 503 and reply.is_ours_in_form


def _not_seen(subject: str, reply: Reply) -> Finding:
    """The service answers, but not what was asked: that shows nothing of the way there."""
    return warning(subject, f"not seen: {reply.status} {reply.body.strip()[:120]}", "mend that first, then ask again")


def hidden(base: str) -> Finding:
    """Whether files beside the script stay there."""
    for name in (".htaccess", "n2k.ini", "token", "captures.mdb", "CURRENT"):
        reply = ask(f"{base}/{name}")
        if reply.status == 200:
            return problem("files", f"{base}/{name} can be fetched", "run 'n2k deploy' again; if it stays so, move the data")
    return ok("files", "none could be fetched")


def authorization(base: str, known: Known, *, is_ours: bool) -> Finding:
    """Whether both headers with a token get through, shown by a registration that is refused for its key only."""
    if not known.token:
        return warning("token", "there is none here to try", "'n2k token create --scope register' makes one")
    if not is_ours or not is_private(base):
        why = "it would go unencrypted" if is_ours else "this may be somebody else's server"
        return warning("token", f"not tried: {why}", "give an https address that serves this data directory")
    for header, value in (("X-N2K-Token", known.token), ("Authorization", f"Bearer {known.token}")):
        reply = ask(f"{base}/", "name=Doctor+Test&key=none", {header: value})
        if reply.status == 403:
            return ok("token", reply.body.strip())
        if reply.status != 400:
            what = f"sent as {header} it got {reply.status} {reply.body.strip()[:60]!r}"
            return problem("token", what, "was it revoked? does the web server pass the header on?")
    return ok("token", "accepted as X-N2K-Token and as Authorization")


def is_private(base: str) -> bool:
    """Whether nobody on the way can read what we send."""
    parts = urlsplit(base)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


_REWRITE = "the rewriting changes it: use the block that 'n2k deploy' writes, and no rule of your own before it"
