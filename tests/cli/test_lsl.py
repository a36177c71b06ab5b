"""``n2k lsl``: scripts to paste, and what a running service makes of them."""

import re
from collections.abc import Callable

import pytest

from n2k_fcgi.service.scripts import SCRIPTS, filled_in, literal
from tests.support.commands import Commands

URL = "https://example.com/dispatch.fcgi"


def tokens(n2k: Commands) -> list[list[str]]:
    """What ``n2k token list`` says: scopes, grid and state of each; its note says which script it was made for."""
    lines = [line.split("\t") for line in n2k("token", "list").out.splitlines()]
    assert all(line[-1].startswith("n2k lsl ") for line in lines)
    return [[*line[1:3], line[4]] for line in lines]


def test_the_list_says_what_each_is_for(n2k: Commands) -> None:
    """A line each: name and purpose; nothing is made for that."""
    done = n2k("lsl", "--list")
    assert (done.code, done.err) == (0, "")
    lines = [line.split("\t") for line in done.out.splitlines()]
    assert [name for name, _ in lines] == list(SCRIPTS)
    assert dict(lines)["gate"] == "registers whoever walks through this object."
    assert not n2k.data_dir.exists()


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_comes_filled_in(n2k: Commands, name: str) -> None:
    """The file, with address, a new token of the least scope, and grid in its lines; what else is said is no part of it."""
    done = n2k("lsl", "--url", URL, name)
    assert done.code == 0
    token = (re.findall(r'^string TOKEN = "(n2k_\w+)";$', done.out, re.MULTILINE) or [""])[0]
    assert done.out == filled_in(SCRIPTS[name], url=URL, token=token, grid="Production")
    assert f'\nstring URL = "{URL}";\n' in done.out
    scope = SCRIPTS[name].scope
    assert (scope is None) == (token == "")
    if scope is None:
        assert not n2k.data_dir.exists()
    else:
        assert tokens(n2k) == [[scope, "Production", "active"]]
        token_id = token.split("_")[1]
        assert f"token {token_id} ({scope}) is for this script only; 'n2k token revoke {token_id}' ends it\n" in done.err
        assert token not in done.err
    assert ("for the grid Production; for another say --grid" in done.err) == (name != "forget")


def test_quiet_is_quiet(n2k: Commands) -> None:
    """With -q nothing but the script."""
    done = n2k("-q", "lsl", "--url", "http://127.0.0.1:3000", "touch")
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize(
    ("grid", "written", "bound"),
    [("production", "Production", "Production"), ("TESTING", "Testing", "Testing"), ("opensim", "OpenSim", "-")],
)
def test_the_token_is_bound_where_no_visitors_come(n2k: Commands, grid: str, written: str, bound: str) -> None:
    """Second Life's grids know no visitors from others; elsewhere they bring their own grids along."""
    done = n2k("lsl", "--url", URL, "--grid", grid, "gate")
    assert f'\nstring GRID = "{written}";\n' in done.out
    assert tokens(n2k) == [["register", bound, "active"]]


def test_the_settings_say_address_and_grid(n2k: Commands) -> None:
    """From the file, unless an option says otherwise."""
    n2k("init")
    (n2k.data_dir / "n2k.ini").write_text(f"[n2k]\nurl = {URL}\ndefault_grid = OpenSim\n")
    lines = n2k("lsl", "query").out.splitlines()
    assert f'string URL = "{URL}";' in lines and 'string GRID = "OpenSim";' in lines
    lines = n2k("lsl", "--url", "http://elsewhere.example", "--grid", "Testing", "query").out.splitlines()
    assert 'string URL = "http://elsewhere.example/";' in lines and 'string GRID = "Testing";' in lines


def test_without_an_address_nothing_is_made(n2k: Commands) -> None:
    """A refusal that says what to do, and no token left behind."""
    done = n2k("lsl", "touch")
    assert (done.code, done.out) == (85, "")
    file = n2k.data_dir / "n2k.ini"
    assert done.err == f"n2k: where does the world reach this service? Say --url https://..., or set 'url' in {file}\n"
    assert not n2k.data_dir.exists()


@pytest.mark.parametrize(
    "url",
    ["example.com", "ftp://example.com/", "https://", "https://example.com/?a=b", "https://example.com/#x", "https://a b/",
     "https://user:secret@example.com/", 'https://example.com/"', "https://example.com/\\", "https://example.com:x/",
     "https://example.com/" + "x" * 250, "https://exämple.com/"],
)  # fmt: skip
def test_a_bad_address_is_refused(n2k: Commands, url: str) -> None:
    """What a path or a query cannot be put behind, and what would break out of the script's line."""
    done = n2k("lsl", "--url", url, "touch")
    assert (done.code, done.out) == (80, "")
    assert done.err.startswith("n2k: setting 'url' (command line): must be an address such as https://example.com/n2k/, ")
    assert not n2k.data_dir.exists()


@pytest.mark.parametrize("arguments", [[], ["touch", "--list"], ["nonsense"], ["touch.lsl"], ["touch", "gate"]])
def test_wrong_usage(n2k: Commands, arguments: list[str]) -> None:
    """Neither a name nor --list, both, an unknown name, two: usage, exit code 2."""
    done = n2k("lsl", "--url", URL, *arguments)
    assert (done.code, done.out) == (2, "")


def test_an_address_of_this_machine_is_warned_about(n2k: Commands) -> None:
    """It is written all the same: a simulator may run here."""
    done = n2k("lsl", "--url", "http://localhost:3000/", "query")
    assert done.code == 0
    assert "warning: http://localhost:3000/ is this machine's own address: no grid elsewhere reaches it\n" in done.err


@pytest.mark.parametrize("text", ["", 'a "quoted" word', "back\\slash", '\\"', "Grid Ünï"])
def test_a_literal_is_what_lsl_reads(text: str) -> None:
    """Every text comes out of its literal as it was."""
    unescaped: Callable[[str], str] = lambda inner: re.sub(r"\\(.)", r"\1", inner)  # noqa: E731
    written = literal(text)
    assert re.fullmatch(r'"(?:[^"\\]|\\.)*"', written)
    assert unescaped(written[1:-1]) == text
