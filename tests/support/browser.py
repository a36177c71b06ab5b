"""A real browser without a window, and pages whose scripts report that they ran."""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.processes import SECONDS

BROWSER = "chromium"


class Beacons:
    """A site of another origin: pages that tests give it, and a note of each name that is fetched as ``/ran/NAME``."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[str, bytes]] = {}
        """Path -> content type and body."""
        self.heard: set[str] = set()
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.heard.add(self.path.removeprefix("/ran/"))
                content_type, body = site.pages.get(self.path, ("text/plain", b""))
                self.send_response(200)
                self.send_header("Content-Type", content_type)
                self.send_header("Access-Control-Allow-Origin", "*")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        return f"http://127.0.0.1:{self.server.server_port}"

    def script(self, name: str) -> str:
        """JavaScript that reports *name*."""
        return f"new Image().src = '{self.url}/ran/{name}';"


@contextmanager
def beacons() -> Iterator[Beacons]:
    """Serve until the block ends."""
    site = Beacons()
    thread = threading.Thread(target=site.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield site
    finally:
        site.server.shutdown()
        thread.join(SECONDS)
        site.server.server_close()


def visit(url: str, profile: Path) -> str:
    """Open a page, wait until it has loaded and its timers of five seconds ran; return its document as it is then."""
    command = [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    command += [
        "--disable-background-networking",
        f"--user-data-dir={profile}",
        "--virtual-time-budget=5000",
        "--dump-dom",
        url,
    ]
    environment = {"PATH": os.environ["PATH"], "HOME": str(profile)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout
