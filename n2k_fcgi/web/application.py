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
from n2k_fcgi.web.responses import ALWAYS, ASKED_AGAIN, REASONS, Answer, Headers, options
from n2k_fcgi.web.services import Services

StartResponse = Callable[..., Any]

NOT_STORED = ("Cache-Control", "no-store")

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
        """The answer to a request, whatever happens. One that took a token, or wanted one, is for that caller alone."""
        answer = self._answer(request)
        return answer._replace(headers=(*answer.headers, NOT_STORED)) if request.wants_token else answer

    def _answer(self, request: Request) -> Answer:
        try:
            return self._route(request)
        except N2KError as problem:
            return error_answer(problem, request)
        except Exception as problem:  # noqa: BLE001 - the last resort of this front end
            if is_no_memory(problem):
                return error_answer(NoMemory(), request)
            logs.error(f"unexpected error answering {request.method}", traceback=True)
            return _error(request, 500, UNEXPECTED)

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

        from n2k_fcgi.web.routes import ROUTES, view_of

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
    """An error in the form of the area that was asked."""
    return area_of(request).error(request, status, message, headers)


def error_answer(problem: N2KError, request: Request) -> Answer:
    """One plain line, no path. A fault of ours is logged, path and all; a caller's mistake is not (he could fill the log)."""
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


def respond(answer: Answer, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Send an answer the WSGI way; a HEAD request gets the headers alone."""
    headers = [*ALWAYS, *answer.headers]
    if NOT_STORED not in answer.headers:
        headers.append(ASKED_AGAIN)
    if answer.status != 304:  # which says of the length only what the whole answer would (RFC 9110, 15.4.5)
        headers.insert(0, ("Content-Type", answer.content_type))
        if answer.stream is None:
            headers.insert(1, ("Content-Length", str(len(answer.body))))
    if answer.generation:
        headers.append(("X-N2K-Generation", answer.generation))
    start_response(REASONS[answer.status], headers)
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
