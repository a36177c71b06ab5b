"""The WSGI application: route, view, answer. The only place where errors become HTTP statuses."""

import sys
from collections.abc import Callable, Iterable
from typing import Any

from n2k_fcgi import late, logs
from n2k_fcgi.errors import N2KError, NoMemory, NothingHere
from n2k_fcgi.web import express
from n2k_fcgi.web.requests import Environ, Request
from n2k_fcgi.web.responses import REASONS, Answer, Headers, error
from n2k_fcgi.web.services import Services

StartResponse = Callable[..., Any]

UNEXPECTED = "internal error: the log of the server says what happened"


class Application:
    """Answers requests with *services*; ``max_body`` in bytes."""

    def __init__(self, services: Services, max_body: int) -> None:
        self._services = services
        self._max_body = max_body

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """PEP 3333."""
        return respond(self.answer(Request(environ, self._max_body)), environ, start_response)

    def answer(self, request: Request) -> Answer:
        """The answer to a request, whatever happens."""
        try:
            return self._route(request)
        except N2KError as problem:
            return error_answer(problem, request)
        except MemoryError:
            return error_answer(NoMemory(), request)
        except Exception:  # noqa: BLE001 - the last resort of this front end
            logs.error(f"unexpected error answering {request.method}", traceback=True)
            return error(500, UNEXPECTED)

    def _route(self, request: Request) -> Answer:
        short = express.lookup(request)
        if short is not None:
            view, values = short
            return view(request, self._services, **values)
        return self._through_table(request)

    def _through_table(self, request: Request) -> Answer:
        if "werkzeug.routing" not in sys.modules:
            late.refuse_without_room()
        from werkzeug.exceptions import HTTPException, MethodNotAllowed

        from n2k_fcgi.web.routes import ROUTES
        from n2k_fcgi.web.views import VIEWS

        method = request.method
        adapter = ROUTES.bind("", path_info=request.path)
        if method == "OPTIONS":
            if not adapter.allowed_methods():
                raise NothingHere
            return Answer(200, b"", headers=(("Allow", _allow(adapter.allowed_methods())),))
        try:
            endpoint, values = adapter.match(method=method)
        except MethodNotAllowed as problem:
            allow = _allow(problem.valid_methods or ())
            return error(405, f"method not allowed here: use {allow}", (("Allow", allow),))
        except HTTPException:
            raise NothingHere from None
        return VIEWS[endpoint](request, self._services, **values)


def _allow(methods: Iterable[str]) -> str:
    return ", ".join(sorted({*methods, "OPTIONS"}))


def error_answer(problem: N2KError, request: Request) -> Answer:
    """One plain line. A fault of ours is logged; a caller's mistake is not (he could fill the log)."""
    headers: Headers = ()
    if problem.status == 401:
        headers = (("WWW-Authenticate", "Bearer"),)
    elif isinstance(problem, NothingHere):
        headers = (("Vary", "Accept"),)
    if problem.status >= 500:
        logs.error(f"{problem.status} {problem}")
    else:
        logs.debug(f"{problem.status} {problem}")
    return error(problem.status, str(problem), headers)


def respond(answer: Answer, environ: Environ, start_response: StartResponse) -> list[bytes]:
    """Send an answer the WSGI way; a HEAD request gets the headers alone."""
    headers = [
        ("Content-Type", answer.content_type),
        ("Content-Length", str(len(answer.body))),
        ("X-Content-Type-Options", "nosniff"),
        *answer.headers,
    ]
    if answer.generation:
        headers.append(("X-N2K-Generation", answer.generation))
    start_response(REASONS[answer.status], headers)
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [answer.body]
