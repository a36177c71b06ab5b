"""Several copies of the script, and which request goes to which of them.

mod_fcgid has processes of its own for each file (its inode). A request sleeps for a second when all processes of its file are
busy, and only after that is another one started. With copies there are more processes, and fewer requests for each.

A request is assigned by a digest of its caller's port and its first line. The port alone does not do: Linux gives even ports
to outgoing connections first (net/ipv4/inet_hashtables.c), so that its last digit tells five callers apart; it is 0 where
mod_remoteip replaces the caller's address; and requests of one connection share it.
"""

from itertools import chain

MOST = 10
"""The most copies: each is a process or more."""

_DIGEST = "md5('%{REMOTE_PORT} %{THE_REQUEST}')"
"""Of Apache's expressions (ap_expr), in hexadecimal digits."""


def names_of(name: str, spread: int) -> list[str]:
    """The file names of *spread* copies: ``dispatch.fcgi``, ``dispatch-2.fcgi``, and so on."""
    stem, dot, suffix = name.rpartition(".") if "." in name else (name, "", "")
    return [name, *(f"{stem}-{number}{dot}{suffix}" for number in range(2, spread + 1))]


def choosing(names: list[str]) -> list[str]:
    """The rules that pass a request to one of *names*, each as likely as the others; the first gets what is left."""
    ends = (f"{0x10000 * part // len(names):04x}" for part in range(1, len(names)))
    rules = ((f'RewriteCond expr "{_DIGEST} < \'{end}\'"', f"RewriteRule ^ {name} [L]")
             for end, name in zip(ends, names[1:], strict=True))  # fmt: skip
    return [*chain.from_iterable(rules), f"RewriteRule ^ {names[0]} [L]"]
