"""FastCGI, on flup's classes: a protocol on the loop. ``dispatch.fcgi`` calls ``main``, ``n2k fcgi`` calls ``serving``."""

from __future__ import annotations

import gc

from n2k_fcgi import TYPE_CHECKING, late
from n2k_fcgi.servers.inheriting import is_listening

if TYPE_CHECKING:
    from n2k_fcgi.servers.limits import Limits


def main(limits: Limits | None = None, **flags: str) -> None:
    """Serve on the listening socket that the web server left on descriptor 0; without one, answer one request as CGI.

    *flags* are settings (``data_dir="/home/u/n2k-data"``), ``config``, the settings file, and ``code``, the digest of the
    code that was deployed. Each of the two ways imports what it needs: a CGI process lives for one answer.
    """
    is_worker = is_listening(0)
    with late.uncollected():  # looking for garbage takes a tenth of a cold start
        from n2k_fcgi.model.choices import Front
        from n2k_fcgi.servers.live import LiveApplication

        if is_worker:
            from n2k_fcgi.servers.fastcgi.serving import serve_inherited
        else:
            from n2k_fcgi.servers.cgi import answer_one
        gc.freeze()  # nor need what was imported be looked at later
    application = LiveApplication(flags, front=Front.FASTCGI if is_worker else Front.CGI, buffered_logs=is_worker)
    if not is_worker:
        answer_one(application, limits)
    try:
        serve_inherited(application, limits)
    finally:
        application.close()
