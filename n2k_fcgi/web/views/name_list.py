"""W-Hat's ``/name2key.csv``: the whole list of one grid, made as it is sent."""

from n2k_fcgi.errors import SwitchedOff
from n2k_fcgi.service.name_list import NameList
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import TEXT, Answer, fitting_lines, text
from n2k_fcgi.web.services import Services


def name_list(request: Request, services: Services) -> Answer:
    """200 and a line an avatar, ``key,First Last``; the grid asked for, else the default one. Scripts get whole lines only."""
    if not services.is_csv_open:
        raise SwitchedOff(what="/name2key.csv", setting="csv")
    grid, strict = request.asked_grid(services.known_grids, services.grids)
    room = request.room()
    names = NameList(services.directory, grid if grid and strict else services.default_grid)
    if room is None:
        return Answer(200, b"", TEXT, generation=names.generation_name, stream=names)
    try:
        first = next(iter(names), b"").decode()
    finally:
        names.close()
    return text(fitting_lines(first.splitlines(), room), names.generation_name)
