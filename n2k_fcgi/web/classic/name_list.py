"""W-Hat's ``/name2key.csv``: the whole list of one grid, made while it is sent."""

import contextlib

from n2k_fcgi.errors import SwitchedOff
from n2k_fcgi.model.choices import Permission, Scope
from n2k_fcgi.service.access.tokens import refuse_other_grid
from n2k_fcgi.service.dumps.name_list import NameList
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import TEXT, Answer, fitting_lines, text
from n2k_fcgi.web.services import Services


def name_list(request: Request, services: Services) -> Answer:
    """200 and one line per avatar, ``key,First Last``, of ``grid=`` or the default grid. Scripts get whole lines only."""
    if services.csv is Permission.OFF:
        raise SwitchedOff(what="/name2key.csv", setting=Scope.CSV)
    token = None if services.csv is Permission.OPEN else services.access().may(request, Scope.CSV, Scope.READ)
    grid = services.grids.one(services.grids.wanted(request.fields().get("grid")))
    refuse_other_grid(token, grid)
    room = request.kept_bytes(request.fields())
    with contextlib.ExitStack() as unless_sent:
        slot = unless_sent.enter_context(contextlib.closing(services.list_slots().take())) if room is None else None
        names = unless_sent.enter_context(contextlib.closing(NameList(services.directory, grid, slot)))
        if room is None:
            unless_sent.pop_all()
            return Answer(200, b"", TEXT, (), names.generation_name, names)
        first = next(iter(names), b"").decode()
    return text(fitting_lines(first.splitlines(), room), names.generation_name)
