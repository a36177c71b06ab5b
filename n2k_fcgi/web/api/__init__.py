"""The area of programs: JSON in and out, below ``/api/v1``, as ``openapi.json`` beside this file describes it."""

from __future__ import annotations

from n2k_fcgi.web.area import Area, Route
from n2k_fcgi.web.json_bodies import error
from n2k_fcgi.web.requests import token_in_headers

AREA = Area(
    folder="api",
    prefixes=(b"/api",),
    routes=(
        Route("/api/v1/openapi.json", "overview.openapi"),
        Route("/api/v1/avatars", "avatars.named"),
        Route("/api/v1/avatars", "avatars.register", ("POST",)),
        Route("/api/v1/avatars/<key>", "avatars.with_key"),
        Route("/api/v1/avatars/<key>/history", "avatars.history"),
        Route("/api/v1/lookup", "bulk.lookup", ("POST",)),
        Route("/api/v1/search", "searching.search_names"),
        Route("/api/v1/forgotten", "forgotten.forget", ("POST",)),
        Route("/api/v1/forgotten/<key>", "forgotten.undo", ("DELETE",)),
        Route("/api/v1/pending", "pending.waiting"),
        Route("/api/v1/pending", "pending.add", ("POST",)),
        Route("/api/v1/pending/unknown", "pending.mark_unknown", ("POST",)),
        Route("/api/v1/switchdb", "switching.switch", ("POST",)),
        Route("/api/v1/conflicts", "overview.conflicts"),
        Route("/api/v1/statistics", "overview.statistics"),
        Route("/api/v1/generations", "overview.generations"),
    ),
    error=error,
    token=token_in_headers,
    hint="see /api/v1/openapi.json for what can be asked",
)
