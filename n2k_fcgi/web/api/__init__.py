"""The area of programs: JSON in and out, below ``/api/v1``, as ``openapi.json`` beside this file describes it."""

from __future__ import annotations

from n2k_fcgi.model.choices import Kind
from n2k_fcgi.web.area import Area, Route
from n2k_fcgi.web.json_bodies import error
from n2k_fcgi.web.requests import token_in_headers

AREA = Area(
    folder="api",
    prefixes=(b"/api",),
    routes=(
        Route("/api/v1/openapi.json", "overview.openapi"),
        Route("/api/v1/avatars", "avatars.named", kind=Kind.LOOKUP),
        Route("/api/v1/avatars", "avatars.register", ("POST",), Kind.REGISTER),
        Route("/api/v1/avatars/<key>", "avatars.with_key", kind=Kind.LOOKUP),
        Route("/api/v1/avatars/<key>/history", "avatars.history", kind=Kind.LOOKUP),
        Route("/api/v1/lookup", "bulk.lookup", ("POST",), Kind.LOOKUP),
        Route("/api/v1/search", "searching.search_names", kind=Kind.SEARCH),
        Route("/api/v1/forgotten", "forgotten.forget", ("POST",), Kind.FORGET),
        Route("/api/v1/forgotten/<key>", "forgotten.undo", ("DELETE",), Kind.FORGET),
        Route("/api/v1/pending", "pending.waiting", kind=Kind.PENDING),
        Route("/api/v1/pending", "pending.add", ("POST",), Kind.PENDING),
        Route("/api/v1/pending/unknown", "pending.mark_unknown", ("POST",), Kind.PENDING),
        Route("/api/v1/switchdb", "switching.switch", ("POST",), Kind.OWNER),
        Route("/api/v1/conflicts", "overview.conflicts", kind=Kind.OWNER),
        Route("/api/v1/usage", "overview.usage", kind=Kind.OWNER),
        Route("/api/v1/statistics", "overview.statistics", kind=Kind.OWNER),
        Route("/api/v1/status", "status.status", kind=Kind.OWNER),
        Route("/api/v1/generations", "overview.generations", kind=Kind.OWNER),
    ),
    error=error,
    token=token_in_headers,
    hint="see /api/v1/openapi.json for what can be asked",
)
