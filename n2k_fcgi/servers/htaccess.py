"""The marked block in a site's ``.htaccess``: what it says, and how it gets between the owner's lines.

Each line of the block was tried with Apache 2.4 and mod_fcgid. Why they are as they are:

* ``<Files>`` and not ``AddHandler``: other ``.fcgi`` files of the site keep their handler. Without mod_fcgid the script
  is run as plain CGI.
* ``-MultiViews``: else a ``health.html`` in the folder makes ``/health`` 404.
* ``CGIPassAuth`` would need AuthConfig and break the folder where that is not allowed; the rewrite needs FileInfo alone.
* Rewriting to the bare script keeps the request in REQUEST_URI as it was sent. The usual ``^(.*)$ script/$1`` refuses
  ``%3F`` and ``%25`` and turns other characters.
* No ``RewriteCond ... !-f``: it would let every file in the folder be fetched. Only certificate renewal may.
"""

import re

from n2k_fcgi.errors import DeployRefused

BEGIN = "# BEGIN n2k_fcgi"
END = "# END n2k_fcgi"

_BLOCK = """\
{begin}
# Written by 'n2k deploy', which replaces these lines when it runs again. Yours go above or below.
Options +ExecCGI -MultiViews
<Files "{script}">
<IfModule mod_fcgid.c>
SetHandler fcgid-script
</IfModule>
<IfModule !mod_fcgid.c>
SetHandler cgi-script
</IfModule>
</Files>
RewriteEngine On
RewriteRule ^ - [E=HTTP_AUTHORIZATION:%{{HTTP:Authorization}}]
RewriteRule ^\\.well-known/acme-challenge/[A-Za-z0-9_-]+$ - [L]
RewriteRule ^{pattern}$ - [L]
RewriteRule ^ {script} [L]
{end}
"""

_MARKS = re.compile(rb"^[ \t]*(# BEGIN n2k_fcgi|# END n2k_fcgi)[ \t\r]*$\n?", re.MULTILINE)


def block(script: str) -> bytes:
    """The block, for the script of that file name beside it."""
    return _BLOCK.format(begin=BEGIN, end=END, script=script, pattern=re.escape(script)).encode("ascii")


def merged(before: bytes, new_block: bytes) -> bytes:
    """*before* with the block put where the old one is, else at the end; every other byte stays.

    Raises DeployRefused when the marks of an old block do not make one pair.
    """
    marks = list(_MARKS.finditer(before))
    if not marks:
        return before + (b"\n" if before and not before.endswith(b"\n") else b"") + new_block
    if [mark[1].decode() for mark in marks] != [BEGIN, END]:
        raise DeployRefused(why=f".htaccess must hold one '{BEGIN}' and below it one '{END}': mend it by hand")
    return before[: marks[0].start()] + new_block + before[marks[1].end() :]
