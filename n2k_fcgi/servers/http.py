"""Standalone HTTP: granian when it is installed, else Werkzeug's own server with a warning.

Each worker is a process that runs the application in one thread (``asgi``). The application is made in the worker: an open LMDB
environment must not cross ``fork()``.
"""

import json
import os
import resource
import signal
import socket
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from n2k_fcgi import logs
from n2k_fcgi.errors import CannotListen, NoMemory, is_no_memory
from n2k_fcgi.model.choices import Front
from n2k_fcgi.servers.listeners import why_not
from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.servers.wsgi import Environ, StartResponse, WSGIApplication

if TYPE_CHECKING:
    from n2k_fcgi.servers.asgi import Asgi  # late: in granian's workers only

_FLAGS = "_N2K_WORKER"
"""Passes the command line to a spawned worker: granian passes on nothing but the environment."""

KILL_AFTER = 5
"""Seconds that workers get to end: one that is starting misses the signal (tried), and we would wait for ever."""

GRANIAN_ADDRESSES = 512 * 1024 * 1024
"""Bytes of address space below which granian is not started: without memory it ends with a crash report (200 MB tried)."""


class Mounted:
    """Serves *application* below *prefix*, with 404 elsewhere. (granian's own option answers elsewhere as at the root.)"""

    def __init__(self, application: WSGIApplication, prefix: str) -> None:
        self._application = application
        self._prefix = prefix

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """PEP 3333."""
        path: str = environ.get("PATH_INFO", "")
        if path != self._prefix and not path.startswith(self._prefix + "/"):
            body = f"nothing here: ask below {self._prefix}/\n".encode()
            start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
            return [body]
        environ["SCRIPT_NAME"] = self._prefix
        environ["PATH_INFO"] = path[len(self._prefix) :]
        return self._application(environ, start_response)


def why_no_granian() -> str:
    """Why granian cannot be used; '' if it can. Raises NoMemory."""
    addresses = resource.getrlimit(resource.RLIMIT_AS)[0]
    if addresses != resource.RLIM_INFINITY and addresses < GRANIAN_ADDRESSES:
        return "granian needs more addresses than 'ulimit -v' allows here"
    try:
        import granian  # noqa: F401 - it needs modules that some Pythons lack
    except ImportError as error:
        if is_no_memory(error):
            raise NoMemory(what="granian") from None
        if error.name == "granian" and isinstance(error, ModuleNotFoundError):
            return "granian is missing (pip install 'n2k_fcgi[server]')"
        return f"granian does not run on this Python ({error})"
    return ""


def clean_prefix(prefix: str) -> str:
    """``/x`` of ``x``, ``/x`` or ``/x/``; '' for the root."""
    stripped = prefix.strip("/")
    return f"/{stripped}" if stripped else ""


def free_port(host: str, port: int) -> int:
    """*port*, or a free one for 0. Raises CannotListen when it is taken."""
    try:
        info = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(info[0], socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(info[4])
            chosen: int = probe.getsockname()[1]
    except OSError as error:
        raise CannotListen(address=f"{host}:{port}", why=why_not(error, "--port")) from None
    return chosen


def serve_granian(flags: Mapping[str, str], *, host: str, port: int, workers: int, prefix: str, access_log: bool) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight are answered. *port* must be free."""
    from granian import Granian  # late: an extra, perhaps not installed
    from granian.constants import HTTPModes, Interfaces

    os.environ[_FLAGS] = json.dumps([dict(flags), prefix])
    server = Granian(
        "n2k_fcgi.servers.http:worker_application",
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        # Not HTTP/2: granian then waits for the first bytes of a connection without a limit, and a thousand connections that
        # send nothing stop it (tried). With HTTP/1 alone it waits 30 s, as for each request's headers.
        http=HTTPModes.http1,
        workers=workers,
        websockets=False,
        factory=True,
        respawn_failed_workers=True,
        workers_kill_timeout=KILL_AFTER,
        log_access=access_log,
        log_level="warning",  # type: ignore[arg-type]
        log_dictconfig={"handlers": {"console": _stream("generic"), "access": _stream("access")}},
    )
    server.serve()


def _stream(form: str) -> dict[str, str]:
    """A log handler of granian on standard error: standard output has the address."""
    return {"formatter": form, "class": "logging.StreamHandler", "stream": "ext://sys.stderr"}


def worker_application() -> "Asgi":
    """Called by granian in each worker."""
    from n2k_fcgi.servers.asgi import Asgi  # late: in granian's workers only

    flags, prefix = json.loads(os.environ[_FLAGS])
    return Asgi(
        lambda: LiveApplication(flags, front=Front.STANDALONE),
        lambda application: Mounted(application, prefix) if prefix else application,
    )


def serve_werkzeug(flags: Mapping[str, str], *, host: str, port: int, prefix: str, access_log: bool) -> None:
    """Serve with Werkzeug's single-threaded server until SIGTERM or SIGINT."""
    from werkzeug.serving import WSGIRequestHandler, make_server  # late: only if granian is not used

    class Handler(WSGIRequestHandler):
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            if access_log:
                super().log_request(code, size)

    application = LiveApplication(flags, front=Front.STANDALONE)
    mounted: Any = Mounted(application, prefix) if prefix else application
    server = make_server(host, port, mounted, request_handler=Handler)

    server.service_actions = application.rest  # type: ignore[method-assign]  # between requests, twice per second

    def stop(*_: object) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    try:
        server.serve_forever()
    finally:
        server.server_close()
        application.close()
        logs.shut_down()
