"""A reader's own machine, after docs/deploy.md: an account, a folder for sockets, and the web servers that the page names."""

import contextlib
import os
import shlex
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.commands import N2K
from tests.support.foreground import foreground
from tests.support.hosting import Account
from tests.support.processes import SECONDS, eventually, running

NGINX = """
daemon off;
{user}
pid nginx.pid;
events {{ }}
http {{
access_log off;
client_body_temp_path body;
fastcgi_temp_path fastcgi;
proxy_temp_path proxy;
scgi_temp_path scgi;
uwsgi_temp_path uwsgi;
{snippet}
}}
"""
"""Paths are relative to the folder given by -p."""

LIGHTTPD = """
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{docroot}"
{snippet}
"""


def _accepts(path: Path) -> bool:
    """Whether somebody listens there: the file is there a moment before."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
        probe.connect(str(path))
        return True
    return False


class Machine:
    """The page's example: ``/home/you`` with data, a folder for n2k in the site, the command, and ``/run/n2k`` for sockets."""

    def __init__(self, home: Path, run: Path) -> None:
        self.account = Account(home)
        self.account.site /= "n2k"
        self.account.site.mkdir()
        self.run = run
        programs = home / "n2k" / "bin"
        programs.mkdir(parents=True)
        (programs / "n2k").symlink_to(N2K)

    def own(self, snippet: str) -> str:
        """*snippet* with the folders of the example changed to this machine's."""
        return snippet.replace("/home/you", str(self.account.home)).replace("/run/n2k", str(self.run))

    @contextlib.contextmanager
    def service(self, command: str) -> Iterator[None]:
        """Run a command line that listens on ``/run/n2k/fcgi.sock`` while the block runs."""
        with (
            (self.run / "service.log").open("wb") as log,
            running(
                shlex.split(self.own(command)), stdin=subprocess.DEVNULL, stderr=log, HOME=str(self.account.home)
            ) as process,
        ):
            assert eventually(lambda: _accepts(self.run / "fcgi.sock")), (self.run / "service.log").read_text()
            yield
            process.terminate()
            assert process.wait(SECONDS) == 0

    @contextlib.contextmanager
    def nginx(self, snippet: str, port: int) -> Iterator[None]:
        """nginx with a ``server`` block."""
        # As root its workers would be somebody who may not connect: what the group is for on a real machine.
        user = "user root root;" if os.getuid() == 0 else ""
        config = self.run / "nginx.conf"
        config.write_text(NGINX.format(user=user, snippet=self.own(snippet)))
        with foreground("nginx", "-e", "stderr", "-p", str(self.run), "-c", str(config), port=port, log=self.run / "nginx.log"):
            yield

    @contextlib.contextmanager
    def lighttpd(self, snippet: str, port: int) -> Iterator[None]:
        """lighttpd with a ``fastcgi.server``."""
        config = self.run / "lighttpd.conf"
        config.write_text(LIGHTTPD.format(port=port, docroot=self.account.site, snippet=self.own(snippet)))
        with foreground("lighttpd", "-D", "-f", str(config), port=port, log=self.run / "lighttpd.log"):
            yield
