"""The rules that pass every request of a folder to a script, for the kinds that have one.

Each line was tested with Apache 2.4, mod_fcgid and mod_cgid. The reasons:

* ``<FilesMatch>`` instead of ``AddHandler``: other scripts of the site keep their handler.
* ``-MultiViews``: else a ``health.html`` in the folder makes ``/health`` a 404.
* ``CGIPassAuth`` would need AuthConfig and break the folder where that is not allowed; the rewrite needs FileInfo only.
* Rewriting to the bare script keeps the request in REQUEST_URI as it was sent. The usual ``^(.*)$ script/$1`` refuses
  ``%3F`` and ``%25`` and alters other characters.
* A request for a script by its own address stays with it, whatever follows: the path below is found by that address.
* No ``RewriteCond ... !-f``: it would let every file in the folder be fetched. Only certificate renewal may.
"""

import re

from n2k_fcgi.deploy.spread import choosing

CERTIFICATES = "RewriteRule ^\\.well-known/acme-challenge/[A-Za-z0-9_-]+$ - [L]"


def rewriting(scripts: list[str], handler: list[str]) -> list[str]:
    """The lines for the scripts with these file names, run by the *handler*'s lines."""
    pattern = "|".join(map(re.escape, scripts))
    return [
        "Options +ExecCGI -MultiViews",
        f'<FilesMatch "^({pattern})$">',
        *handler,
        "</FilesMatch>",
        "RewriteEngine On",
        "RewriteRule ^ - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]",
        CERTIFICATES,
        f"RewriteRule ^({pattern})(/|$) $1 [L]",
        *choosing(scripts),
    ]
