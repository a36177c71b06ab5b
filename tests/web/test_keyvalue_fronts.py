"""Bodies of values through both servers of ``n2k serve``; ``tests/deploy`` sends them through web servers."""

from pathlib import Path

import pytest

from tests.support.shop import prepare_shop
from tests.support.standalone import WITHOUT_GRANIAN, serving
from tests.support.value_bodies import send_all_kinds


@pytest.mark.parametrize("program", [("-m", "n2k_fcgi"), ("-c", WITHOUT_GRANIAN)], ids=["granian", "werkzeug"])
def test_bodies(tmp_path: Path, program: tuple[str, ...]) -> None:
    """A chunked value is stored whole, an empty one as empty; one that is too large is not stored in part."""
    token = prepare_shop(tmp_path / "data")
    with serving(tmp_path / "data", program=program) as (host, port, _):
        send_all_kinds(host, port, token)
