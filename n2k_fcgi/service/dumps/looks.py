"""A look at the start of some content: are its lines rows?"""

from n2k_fcgi.errors import N2KError
from n2k_fcgi.model.grids import Grids
from n2k_fcgi.service.dumps.lines import Tally, batches


def why_no_rows(start: bytes, *, is_whole: bool) -> str:
    """Why the lines of content with this *start* are not rows for the most part; '' when they are."""
    whole_lines = start if is_whole else start[: start.rfind(b"\n") + 1]
    tally = Tally()
    try:
        rows = sum(batch.rows for batch in batches([whole_lines], tally, Grids(), lambda _grid, _seen: 0))
    except N2KError:
        return "no csv"
    if rows and rows >= tally.bad_lines:  # a header is a bad line
        return ""
    return tally.bad.most_common(1)[0][0] if tally.bad else "empty"
