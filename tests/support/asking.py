"""Ways to ask a front end: a WSGI application in process, an HTTP server, a CGI script."""

import http.client
import io
import subprocess
from collections.abc import Callable
from typing import Any

from tests.support.fastcgi_client import PARAMS, STDIN, Address, Client, begin, pairs, stream
from tests.support.golden import Ask, Reply


def cgi_environ(method: str, target: str, headers: dict[str, str], body: bytes, mount: str = "") -> dict[str, str]:
    """The variables that Apache gives a script mounted as ``<mount>/dispatch.fcgi`` behind a rewrite."""
    query = target.partition("?")[2]
    environ = {
        "REQUEST_METHOD": method,
        "REQUEST_URI": mount + target,
        "SCRIPT_NAME": f"{mount}/dispatch.fcgi",
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "GATEWAY_INTERFACE": "CGI/1.1",
    }
    if body:
        environ["CONTENT_LENGTH"] = str(len(body))
    for name, value in headers.items():
        variable = name.upper().replace("-", "_")
        environ[variable if variable == "CONTENT_TYPE" else "HTTP_" + variable] = value
    return environ


def wsgi(application: Callable[..., Any], mount: str = "") -> Ask:
    """Call *application* in this process."""

    def ask(method: str, target: str, headers: dict[str, str], body: bytes) -> Reply:
        got: dict[str, Any] = {}

        def start_response(status: str, fields: list[tuple[str, str]]) -> None:
            got["status"] = int(status.split(" ")[0])
            got["headers"] = {name.lower(): value for name, value in fields}

        environ: dict[str, Any] = dict(cgi_environ(method, target, headers, body, mount))
        environ["wsgi.input"] = io.BytesIO(body)
        blocks = application(environ, start_response)
        try:
            answered = b"".join(blocks)
        finally:
            getattr(blocks, "close", lambda: None)()
        return Reply(got["status"], got["headers"], answered)

    return ask


def over_http(host: str, port: int, mount: str = "") -> Ask:
    """Ask an HTTP server, one connection a request."""

    def ask(method: str, target: str, headers: dict[str, str], body: bytes) -> Reply:
        connection = http.client.HTTPConnection(host, port, timeout=30)
        try:
            connection.putrequest(method, mount + target, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            if body or method == "POST":
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders()
            if body:
                connection.send(body)
            response = connection.getresponse()
            fields = {name.lower(): response.getheader(name, "") for name in response.headers}  # of several, one list
            return Reply(response.status, fields, response.read())
        finally:
            connection.close()

    return ask


def over_cgi(command: list[str], environment: dict[str, str], mount: str = "") -> Ask:
    """Run *command* once a request, as a web server's CGI module does."""

    def ask(method: str, target: str, headers: dict[str, str], body: bytes) -> Reply:
        environ = {**environment, **cgi_environ(method, target, headers, body, mount)}
        done = subprocess.run(command, env=environ, input=body, capture_output=True, check=True, timeout=60)
        return parse_cgi(done.stdout)

    return ask


def over_fastcgi(address: Address, mount: str = "") -> Ask:
    """Ask a FastCGI server, one connection a request, as mod_fcgid does."""

    def ask(method: str, target: str, headers: dict[str, str], body: bytes) -> Reply:
        params = pairs(cgi_environ(method, target, headers, body, mount))
        with Client(address) as client:
            client.send(begin() + stream(PARAMS, 1, params) + stream(STDIN, 1, body))
            answer = client.answer()
        return Reply(int(answer.status.split(" ")[0]), {k.lower(): v for k, v in answer.headers.items()}, answer.body)

    return ask


def parse_cgi(output: bytes) -> Reply:
    """Read a CGI or FastCGI answer: headers with ``Status``, an empty line, the body."""
    head, _, body = output.replace(b"\r\n", b"\n", output[: output.find(b"\n\r\n") + 4].count(b"\r\n")).partition(b"\n\n")
    headers = {}
    for line in head.decode("latin-1").split("\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return Reply(int(headers.pop("status", "200").split(" ")[0]), headers, body)
