"""The WSGI application: route, view, answer. The only place where errors become HTTP statuses."""

from __future__ import annotations

import sys
import time

from n2k_fcgi import TYPE_CHECKING, late, logs
from n2k_fcgi.errors import N2KError, NoMemory, NothingHere, OnlyAPage, is_no_memory
from n2k_fcgi.web import express
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import options, respond

if TYPE_CHECKING:
    from collections.abc import Iterable

    from n2k_fcgi.web.decoding import Environ
    from n2k_fcgi.web.responses import Answer, Headers, StartResponse
    from n2k_fcgi.web.services import Services

UNEXPECTED = "internal error: the log of the server says what happened"


class Application:
    """Answers requests with *services*; ``max_body`` in bytes."""

    def __init__(self, services: Services, max_body: int) -> None:
        self._services = services
        self._counts = services.counts
        self._max_body = max_body

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """PEP 3333."""
        return respond(self.answer(environ), environ, start_response)

    def answer(self, environ: Environ) -> Answer:
        """Return the answer to any request, also if an error occurs."""
        started = time.perf_counter_ns()
        request = Request(environ, self._max_body)
        try:
            fast = express.lookup(request) or express.address(request)
            found = self._by_routes(request) if fast is None else fast[0](request, self._services, **fast[1])
        except Exception as problem:  # noqa: BLE001 - the last resort of the application
            found = self._failed(problem, request)
        self._counts.answered(request.kind, found.status, time.perf_counter_ns() - started, request.found)
        return found._replace(private=True) if request.wants_token else found

    def lookup(self, environ: Environ) -> Answer | None:
        """``answer`` to a lookup, which reads no other variables than LOOKUP_VARIABLES; None: it is another request."""
        started = time.perf_counter_ns()
        request = Request(environ, self._max_body)
        try:
            fast = express.lookup(request)
            if fast is None:
                return None
            found = fast[0](request, self._services, **fast[1])
        except Exception as problem:  # noqa: BLE001 - as above
            found = self._failed(problem, request)
        self._counts.answered(request.kind, found.status, time.perf_counter_ns() - started, request.found)
        return found

    def _by_routes(self, request: Request) -> Answer:
        if "werkzeug.routing" not in sys.modules:
            late.refuse_without_room()
            with late.uncollected():  # looking for garbage takes a tenth of an import
                late.parts_of("werkzeug")
                __import__("n2k_fcgi.web.routes")
        from werkzeug.exceptions import HTTPException, MethodNotAllowed  # late: the fast path does without Werkzeug

        from n2k_fcgi.web.areas import KINDS, area_of, view_of
        from n2k_fcgi.web.routes import bound  # late: it imports Werkzeug

        method = request.method
        adapter = bound(area_of(request), request.path)
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
        request.kind = KINDS[endpoint, method.upper() or "GET"]  # as Werkzeug reads a method
        return view_of(endpoint)(request, self._services, **values)

    def _failed(self, problem: Exception, request: Request) -> Answer:
        """Return the answer when *problem* was raised. Call it where that is handled: the unexpected is logged in full."""
        if isinstance(problem, N2KError):
            if problem.limit:
                self._counts.add(f"limits.{problem.limit}")
            return error_answer(problem, request)
        if is_no_memory(problem):
            return error_answer(NoMemory(), request)
        logs.error(f"unexpected error answering {request.method}", traceback=True)
        return _error(request, 500, UNEXPECTED)


def _allow(methods: Iterable[str]) -> str:
    return ", ".join(sorted({*methods, "OPTIONS"}))


def _nothing_here(request: Request) -> NothingHere:
    from n2k_fcgi.web.areas import area_of  # late: lookups have few errors

    hint = area_of(request).hint
    return NothingHere(how=hint) if hint else NothingHere()


def _error(request: Request, status: int, message: str, headers: Headers = ()) -> Answer:
    """Return an error in the form of the request's area."""
    from n2k_fcgi.web.areas import area_of  # late: as above

    return area_of(request).error(request, status, message, headers)


class Unavailable:
    """Answers every request with *problem*; it reads no body."""

    def __init__(self, problem: N2KError) -> None:
        self._problem = problem

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """PEP 3333."""
        return respond(self.answer(environ), environ, start_response)

    def lookup(self, environ: Environ) -> Answer | None:
        """None: there are no lookups."""
        return None

    def answer(self, environ: Environ) -> Answer:
        """Return the problem in the form of the request's area."""
        return error_answer(self._problem, Request(environ, 0))


def error_answer(problem: N2KError, request: Request) -> Answer:
    """One plain line, no path. Our own faults are logged, with the path; those of callers are not, or they fill the log."""
    headers: Headers = ()
    if problem.status == 401:
        headers = (("WWW-Authenticate", "Bearer"),)
    elif isinstance(problem, (NothingHere, OnlyAPage)):
        headers = (("Vary", "Accept"),)
    elif problem.retry_after:
        headers = (("Retry-After", str(problem.retry_after)),)
    if problem.status >= 500:
        logs.error(f"{problem.status} {problem}")
    else:
        logs.debug(f"{problem.status} {problem}")
    return _error(request, problem.status, problem.told, headers)
