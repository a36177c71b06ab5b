"""The scripts: each with this service's address, ready to be copied, and never with a token."""

import json
import re

import pytest

from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.service.scripts.catalogue import SCRIPTS, filled_in
from tests.support.people import Page, visiting
from tests.support.sandbox import Sandbox

ROOT = "http://localhost/"


def test_all_of_them_are_listed(sandbox: Sandbox) -> None:
    """With their purposes; each has its page."""
    with visiting(sandbox) as visitor:
        page = visitor.page("/scripts")
        listed = json.loads(visitor.get("/scripts?format=json").body)["scripts"]
        assert [each["name"] for each in listed] == list(SCRIPTS)
        for script in SCRIPTS.values():
            assert script.purpose in page.text
            assert f"{script.name}.lsl" in visitor.page(f"/scripts/{script.name}").text


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("grid", ["Production", "OpenSim"])
def test_a_script_is_the_one_that_the_command_prints(sandbox: Sandbox, name: str, grid: str) -> None:
    """On its page, as a file, and as JSON: the address and the grid are filled in, letter by letter; TOKEN is empty."""
    token = create_token(sandbox.store.tokens, ("admin",)).text
    expected = filled_in(SCRIPTS[name], url=ROOT, grid=grid)
    with visiting(sandbox) as visitor:
        reply = visitor.get(f"/scripts/{name}?grid={grid}", X_N2K_Token=token)
        (shown,) = Page(reply.body).of_tag("code", id="source")
        assert shown == expected
        as_file = visitor.get(f"/scripts/{name}.lsl?grid={grid}", X_N2K_Token=token)
        assert as_file.body.decode() == expected and as_file.headers["content-type"] == "text/plain; charset=utf-8"
        assert f'filename="{name}.lsl"' in as_file.headers["content-disposition"]
        assert json.loads(visitor.get(f"/scripts/{name}?grid={grid}&format=json").body)["text"] == expected
        assert token.encode() not in reply.body + as_file.body
    assert not re.search(r'(?m)^string \w*TOKEN = "[^"]', expected)


def test_what_is_no_script_is_not_found(sandbox: Sandbox) -> None:
    """No file of ours is read by a name from outside."""
    with visiting(sandbox) as visitor:
        for name in ("nothing", "..%2Fsetup", "README", "touch.lsl.lsl", "README.md"):
            assert visitor.get(f"/scripts/{name}").status == 404
        assert visitor.get("/scripts/touch?grid=%00").status == 400
