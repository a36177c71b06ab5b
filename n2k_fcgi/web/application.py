"""The WSGI application: route, view, answer. The only place where errors become HTTP statuses."""

import sys
from collections.abc import Callable, Iterable
from typing import Any

from n2k_fcgi import late, logs
from n2k_fcgi.errors import N2KError, NoMemory, NothingHere, is_no_memory
from n2k_fcgi.web import express
from n2k_fcgi.web.areas import area_of
from n2k_fcgi.web.decoding import Environ
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import REASONS, Answer, Headers, options, wsgi_headers
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
        request = Request(environ, self._max_body)
        return respond(self._answer(request), environ, start_response, private=request.wants_token)

    def _answer(self, request: Request) -> Answer:
        """Return the answer, also if an error occurs."""
        try:
            fast = express.lookup(request)
            if fast is None:
                return self._by_routes(request)
            view, values = fast
            return view(request, self._services, **values)
        except N2KError as problem:
            return error_answer(problem, request)
        except Exception as problem:  # noqa: BLE001 - the last resort of the application
            if is_no_memory(problem):
                return error_answer(NoMemory(), request)
            logs.error(f"unexpected error answering {request.method}", traceback=True)
            return _error(request, 500, UNEXPECTED)

    def _by_routes(self, request: Request) -> Answer:
        if "werkzeug.routing" not in sys.modules:
            late.refuse_without_room()
        from werkzeug.exceptions import HTTPException, MethodNotAllowed  # late: the fast path does without Werkzeug

        from n2k_fcgi.web.routes import ROUTES, view_of  # late: it imports Werkzeug

        method = request.method
        adapter = ROUTES.bind("", path_info=request.path)
        if method == "OPTIONS":
            if not adapter.allowed_methods():
                raise _nothing_here(request)
            return options(_allow(adapter.allowed_methods()))
        try:
            endpoint, values = adapter.match(method=method)
        except MethodNotAllowed as problem:
            allow = _allow(problem.valid_methods or ())
            return _error(request, 405, f"method not allowed here: use {allow}", (("Allow", allow),))
        except HTTPException:
            raise _nothing_here(request) from None
        return view_of(endpoint)(request, self._services, **values)


def _allow(methods: Iterable[str]) -> str:
    return ", ".join(sorted({*methods, "OPTIONS"}))


def _nothing_here(request: Request) -> NothingHere:
    hint = area_of(request).hint
    return NothingHere(how=hint) if hint else NothingHere()


def _error(request: Request, status: int, message: str, headers: Headers = ()) -> Answer:
    """Return an error in the form of the request's area."""
    return area_of(request).error(request, status, message, headers)


def error_answer(problem: N2KError, request: Request) -> Answer:
    """One plain line, no path. Our own faults are logged, with the path; those of callers are not, or they fill the log."""
    headers: Headers = ()
    if problem.status == 401:
        headers = (("WWW-Authenticate", "Bearer"),)
    elif isinstance(problem, NothingHere):
        headers = (("Vary", "Accept"),)
    elif problem.retry_after:
        headers = (("Retry-After", str(problem.retry_after)),)
    if problem.status >= 500:
        logs.error(f"{problem.status} {problem}")
    else:
        logs.debug(f"{problem.status} {problem}")
    return _error(request, problem.status, problem.told, headers)


def respond(answer: Answer, environ: Environ, start_response: StartResponse, *, private: bool = False) -> Iterable[bytes]:
    """Send an answer the WSGI way; a HEAD request gets the headers alone. *private*: for this caller alone, as with a token."""
    start_response(REASONS[answer.status], wsgi_headers(answer, private=private))
    is_head = environ.get("REQUEST_METHOD") == "HEAD"
    if answer.stream is None:
        return [] if is_head else [answer.body]
    if is_head:
        _close(answer.stream)
        return []
    return answer.stream


def _close(stream: Iterable[bytes]) -> None:
    close = getattr(stream, "close", None)
    if close is not None:
        close()
