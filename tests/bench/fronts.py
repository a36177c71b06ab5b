"""Web servers before a FastCGI program, ours or a peer, and our standalone server: started for a measurement, then stopped."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.load import spawned
from tests.support.apache import apache

PEER_RULES = """
Options +ExecCGI
AddHandler {handler} .fcgi
RewriteEngine On
RewriteCond %{{REQUEST_URI}} !hello.fcgi
RewriteRule ^ hello.fcgi [L]
"""
NGINX = """
{user}
pid {run}/pid;
error_log {run}/error.log;
worker_processes 1;
daemon off;
events {{ worker_connections 256; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    client_body_temp_path {run}/body;
    fastcgi_temp_path {run}/fastcgi;
    proxy_temp_path {run}/proxy;
    uwsgi_temp_path {run}/uwsgi;
    scgi_temp_path {run}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            include /etc/nginx/fastcgi_params;
            fastcgi_param SCRIPT_NAME "";
            fastcgi_pass unix:{socket};
        }}
    }}
}}
"""

Front = tuple[int, list[int]]
"""Port, and the processes whose CPU is counted, with all below them."""


@contextlib.contextmanager
def mod_fcgid(site: Path) -> Iterator[Front]:
    """Apache before the folder *site*."""
    with apache(site) as server:
        yield server.port, [server.process.pid]


@contextlib.contextmanager
def mod_cgid(site: Path) -> Iterator[Front]:
    """Apache without mod_fcgid before the folder *site*."""
    with apache(site, gateway="cgid") as server:
        yield server.port, [server.process.pid]


def peer_site(folder: Path, program: Path, handler: str = "fcgid-script") -> Path:
    """A folder below *folder* in which Apache's *handler* runs *program* for every request."""
    site = folder / "peer"
    site.mkdir(exist_ok=True)
    (site / ".htaccess").write_text(PEER_RULES.format(handler=handler))
    (site / "hello.fcgi").unlink(missing_ok=True)
    shutil.copy(program, site / "hello.fcgi")
    return site


@contextlib.contextmanager
def nginx(command: list[str], path: Path) -> Iterator[Front]:
    """nginx before one worker."""
    with tempfile.TemporaryDirectory(dir="/tmp") as run, spawned(command, path) as worker:
        port = _free_port()
        config = Path(run) / "nginx.conf"
        user = "user root;" if os.getuid() == 0 else ""  # else its workers may not connect to our socket
        config.write_text(NGINX.format(run=run, port=port, socket=path, user=user))
        with _listening(["nginx", "-e", f"{run}/error.log", "-c", str(config)], port) as pid:
            yield port, [pid, worker.pid]


@contextlib.contextmanager
def standalone(data: Path) -> Iterator[Front]:
    """``n2k serve``."""
    port = _free_port()
    command = [sys.executable, "-m", "n2k_fcgi", "-q", "--dir", str(data), "serve", "--port", str(port)]
    with _listening(command, port) as pid:
        yield port, [pid]


@contextlib.contextmanager
def _listening(command: list[str], port: int) -> Iterator[int]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(200):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.05)
            yield process.pid
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
