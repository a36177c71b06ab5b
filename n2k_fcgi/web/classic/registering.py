"""Registering at the root: ``?name=`` and ``?key=`` together."""

from __future__ import annotations

import time

from n2k_fcgi import TYPE_CHECKING, logs
from n2k_fcgi.model.keys import format_key
from n2k_fcgi.model.names import parse_name
from n2k_fcgi.service.access.tokens import refuse_other_grid
from n2k_fcgi.service.directory.register import Offer
from n2k_fcgi.web.responses import text

if TYPE_CHECKING:
    from n2k_fcgi.web.requests import Request
    from n2k_fcgi.web.responses import Answer
    from n2k_fcgi.web.services import Services


def register(request: Request, services: Services, fields: dict[str, str]) -> Answer:
    """Bind a name to a key: 200 and one sentence once it is durable."""
    started = time.perf_counter()
    parsed = parse_name(fields["name"], services.grids)
    wanted = parsed.on(request.wanted(services.grids, fields.get("grid")))
    offer = Offer(parsed, fields["key"], services.grids.one(wanted))
    access = services.access()
    token = access.may_register(request)
    refuse_other_grid(token, offer.grid)
    access.count(request, token)
    done = services.registrar().register(offer, request.source(), token.id if token else "")
    capture = done.capture
    word = "Registered" if done.is_new else "Known:"
    logs.timed(f"register {parsed.canonical} {capture.key.hex()} on {capture.grid}", started)
    return text(f"{word} {capture.name} {format_key(capture.key)} on {capture.grid}\n")
