"""``n2k lsl``: scripts to paste, and how a running service treats their tokens."""

import re
from collections.abc import Callable

import pytest

from n2k_fcgi import __version__
from n2k_fcgi.service.scripts.catalogue import SCRIPTS, filled_in, literal
from tests.support.commands import Commands, on_terminal

URL = "https://example.com/dispatch.fcgi"
VERSION = re.escape(__version__)
OF_A_GRID = [name for name in SCRIPTS if name not in ("keyvalue", "visitors")]
OUR_TOKEN = re.compile(r'^string TOKEN = "(n2k_\w+)";$', re.MULTILINE)


def tokens(n2k: Commands) -> list[list[str]]:
    """The output of ``n2k token list``: scopes, grid and state of each; the note names the script that it was made for."""
    lines = [line.split("\t") for line in n2k("token", "list").out.splitlines()]
    assert all(line[-1].startswith("n2k lsl ") for line in lines)
    return [[*line[1:3], line[4]] for line in lines]


def test_the_list_says_what_each_is_for(n2k: Commands) -> None:
    """One line per script: name and purpose; no token is made."""
    done = n2k("lsl", "--list")
    assert (done.code, done.err) == (0, "")
    lines = [line.split("\t") for line in done.out.splitlines()]
    assert [name for name, _ in lines] == list(SCRIPTS)
    assert dict(lines)["gate"] == "registers avatars that walk through this object."
    assert not n2k.data_dir.exists()


@pytest.mark.parametrize("name", OF_A_GRID)
def test_a_script_comes_filled_in(n2k: Commands, name: str) -> None:
    """The file with address, a new token of the smallest scope, and grid filled in; messages are on standard error."""
    done = n2k("lsl", "--url", URL, name)
    assert done.code == 0
    token = (re.findall(r'^string TOKEN = "(n2k_\w+)";$', done.out, re.MULTILINE) or [""])[0]
    head, _, script = done.out.partition("\n")
    assert script == filled_in(SCRIPTS[name], url=URL, token=token, grid="Production")
    about = f"token {token.split('_')[1]}" if token else "no token"
    assert re.fullmatch(rf"// By n2k lsl {VERSION} on 20\d\d-\d\d-\d\d: for {URL}/, grid Production, {about}\.", head)
    assert f'\nstring URL = "{URL}/";\n' in done.out
    scope = SCRIPTS[name].scope
    assert (scope is None) == (token == "")
    if scope is None:
        assert not n2k.data_dir.exists()
    else:
        assert tokens(n2k) == [[scope, "Production", "active"]]
        token_id = token.split("_")[1]
        assert f"token {token_id} ({scope}) is for this script only; 'n2k token revoke {token_id}' revokes it\n" in done.err
        assert token not in done.err
    assert "for the grid Production; for another one use --grid" in done.err


def test_keyvalue_gets_a_namespace(n2k: Commands) -> None:
    """Its token permits that one only, on every grid; the namespace is made. An existing one keeps its quota."""
    n2k("token", "create", "--scope", "keyvalue", "--namespace", "shop", "--quota", "1M", "--note", "n2k lsl by hand")
    for namespace in ("shop", "games"):
        done = n2k("lsl", "--url", URL, "--namespace", namespace, "--note", "counter", "keyvalue")
        (token,) = OUR_TOKEN.findall(done.out)
        assert done.out.partition("\n")[2] == filled_in(SCRIPTS["keyvalue"], url=URL, token=token)
        head = f": for {URL}/, namespace {namespace}, token {token.split('_')[1]}; counter."
        assert done.out.splitlines()[0].endswith(head) and "grid" not in done.err
        assert tokens(n2k)[-1] == [f"keyvalue:{namespace}", "-", "active"]
    assert [path.name for path in sorted((n2k.data_dir / "keyvalue").iterdir())] == ["games", "shop"]
    again = n2k("token", "create", "--scope", "keyvalue", "--namespace", "shop", "--read-only")
    assert "namespace shop: 1048576 bytes and 100000 keys at most" in again.err


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (["keyvalue"], 2, "add --namespace NS, such as --namespace shop"),
        (["--namespace", "shop", "touch"], 2, "--namespace: only for a new token of keyvalue"),
        (["--namespace", "shop", "--token", "none", "keyvalue"], 2, "--namespace: only for a new token of keyvalue"),
        (["--namespace", "shop", "--list"], 2, "--namespace: only for a new token of keyvalue"),
        (["--namespace", "My shop", "keyvalue"], 101, "bad namespace 'My shop'"),
        (["--token", "-", "visitors"], 2, "visitors needs no token: omit --token"),
    ],
)
def test_a_namespace_belongs_to_keyvalue(n2k: Commands, arguments: list[str], code: int, why: str) -> None:
    """Missing, superfluous or misspelt: refused, and nothing is made."""
    done = n2k("lsl", "--url", URL, *arguments)
    assert (done.code, done.out, n2k.data_dir.exists()) == (code, "", False) and why in done.err


@pytest.mark.measured
def test_visitors_needs_nothing(n2k: Commands) -> None:
    """It asks keyvalue, not the service: no address, no token, no grid; the note is in its first line."""
    done = n2k("lsl", "--note", "lobby", "visitors")
    head, _, script = done.out.partition("\n")
    assert (done.code, done.err, script, n2k.data_dir.exists()) == (0, "", SCRIPTS["visitors"].text, False)
    assert re.fullmatch(rf"// By n2k lsl {VERSION} on 20\d\d-\d\d-\d\d; lobby\.", head)


@pytest.mark.measured
def test_quiet_is_quiet(n2k: Commands) -> None:
    """With -q only the script is printed."""
    done = n2k("-q", "lsl", "--url", "http://127.0.0.1:3000", "touch")
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize(
    ("grid", "written", "bound"),
    [("production", "Production", "Production"), ("TESTING", "Testing", "Testing"), ("opensim", "OpenSim", "-")],
)
def test_the_token_is_bound_where_no_visitors_come(n2k: Commands, grid: str, written: str, bound: str) -> None:
    """On Second Life's grids, which have no visitors; elsewhere visitors bring their own grids."""
    done = n2k("lsl", "--url", URL, "--grid", grid, "gate")
    assert f'\nstring GRID = "{written}";\n' in done.out
    assert tokens(n2k) == [["register", bound, "active"]]


def test_the_settings_say_address_and_grid(n2k: Commands) -> None:
    """From the settings file, unless an option overrides it."""
    n2k("init")
    (n2k.data_dir / "n2k.ini").write_text(f"[n2k]\nurl = {URL}\ndefault_grid = OpenSim\n")
    lines = n2k("lsl", "query").out.splitlines()
    assert f'string URL = "{URL}/";' in lines and 'string GRID = "OpenSim";' in lines
    lines = n2k("lsl", "--url", "http://elsewhere.example", "--grid", "Testing", "query").out.splitlines()
    assert 'string URL = "http://elsewhere.example/";' in lines and 'string GRID = "Testing";' in lines


@pytest.mark.parametrize("note", ["by the front door", "Tür zum Büro", "ends with \\", 'says "hello"; /* and more'])
def test_a_note_is_kept_with_the_token(n2k: Commands, note: str) -> None:
    """The list shows it after the script's name; the first line of the script, a comment, has it, too."""
    done = n2k("lsl", "--url", URL, "--note", f" {note} ", "gate")
    n2k("lsl", "--url", URL, "touch")
    notes = {line.split("\t")[6] for line in n2k("token", "list").out.splitlines()}
    assert notes == {f"n2k lsl gate: {note}", "n2k lsl touch"}
    head, second, *_ = done.out.splitlines()
    assert head.startswith("// ") and head.endswith(f"; {note}.") and second.startswith("// gate.lsl: ")
    assert len(OUR_TOKEN.findall(done.out)) == 1 and done.out.count(OUR_TOKEN.findall(done.out)[0]) == 1


@pytest.mark.parametrize("note", ["two\nlines", "x" * 61, "\x1b[31m"])
def test_a_note_is_one_short_line(n2k: Commands, note: str) -> None:
    """Text that would end the comment or control the terminal is refused, and no token is made."""
    done = n2k("lsl", "--url", URL, "--note", note, "gate")
    assert (done.code, done.out) == (2, "") and "a note is one line of at most 60 characters" in done.err
    assert not n2k.data_dir.exists()


@pytest.mark.parametrize("name", [*OF_A_GRID, "keyvalue"])
def test_a_second_address_comes_filled_in(n2k: Commands, name: str) -> None:
    """With its slash, in SPARE; its token is the user's to paste, and one sentence says so. query needs none."""
    done = n2k("lsl", "--url", URL, "--spare", "https://other.example/n2k", "--token", "none", name)
    assert done.code == 0
    assert '\nstring SPARE = "https://other.example/n2k/";\n' in done.out and f'\nstring URL = "{URL}/";\n' in done.out
    assert name == "query" or '\nstring SPARE_TOKEN = "";\n' in done.out
    said = f"its SPARE_TOKEN is empty: paste one of https://other.example/n2k/ with the scope {SCRIPTS[name].scope}\n"
    assert (said in done.err) == (name != "query")
    assert '\nstring SPARE = "";\n' in n2k("lsl", "--url", URL, "--token", "none", name).out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--spare", "ftp://other.example/", "touch"], "must be an address such as https://example.com/n2k/"),
        (["--spare", "https://other.example/", "visitors"], "visitors asks no service: omit --spare"),
    ],
)
def test_a_bad_second_address(n2k: Commands, arguments: list[str], why: str) -> None:
    """Usage, exit code 2; no token is made."""
    done = n2k("lsl", "--url", URL, *arguments)
    assert (done.code, done.out, n2k.data_dir.exists()) == (2, "", False) and why in done.err


@pytest.mark.parametrize("name", [*OF_A_GRID, "keyvalue"])
def test_a_script_to_look_at_makes_no_token(n2k: Commands, name: str) -> None:
    """--token none keeps the line of the file and makes no token; address and grid are filled in."""
    done = n2k("lsl", "--url", URL, "--token", "none", name)
    assert (done.code, n2k.data_dir.exists()) == (0, False)
    assert done.out.partition("\n")[2] == filled_in(SCRIPTS[name], url=URL, token="", grid="Production")
    assert done.out.splitlines()[0].endswith(", no token.")
    scope = SCRIPTS[name].scope
    assert (f"its TOKEN is empty: it needs one with the scope {scope}\n" in done.err) == (scope is not None)


@pytest.mark.parametrize("form", ["{line}", "{secret}\n", "  {secret}", "{secret}\r\nmore\n"], ids=repr)
def test_a_token_may_come_on_standard_input(n2k: Commands, form: str) -> None:
    """The secret alone, or the line of ``n2k token create``; no other token is made, and none is shown."""
    line = n2k("token", "create", "--scope", "register", "--grid", "Production").out
    secret = line.split()[-1]
    done = n2k("lsl", "--url", URL, "--token", "-", "touch", stdin=form.format(line=line, secret=secret).encode())
    assert (done.code, OUR_TOKEN.findall(done.out)) == (0, [secret])
    assert f", token {secret.split('_')[1]}." in done.out.splitlines()[0] and secret not in done.err
    assert len(n2k("token", "list").out.splitlines()) == 1 and "warning" not in done.err


@pytest.mark.measured
def test_a_token_is_asked_for_on_a_terminal(n2k: Commands) -> None:
    """Typed characters are not shown."""
    secret = n2k("token", "create", "--scope", "register").out.split()[-1]
    with on_terminal(n2k.command("lsl", "--url", URL, "--token", "-", "touch"), n2k.environment()) as terminal:
        terminal.wait_for("token: ")
        terminal.type(f"{secret}\n")
        assert terminal.rest().count(secret) == 1  # in the script
    assert terminal.process.returncode == 0


def test_a_token_that_does_not_fit_is_refused(n2k: Commands) -> None:
    """Another scope, another grid: 31, as from the service. For one that this directory does not know there is a warning."""
    line = n2k("token", "create", "--scope", "register", "--grid", "Production").out.encode()
    for arguments, why in (
        (["forget"], "it lacks the scope 'forget'"),
        (["--grid", "OpenSim", "gate"], "it is for the grid 'Production' only"),
    ):
        done = n2k("lsl", "--url", URL, "--token", "-", *arguments, stdin=line)
        assert (done.code, done.out, done.err) == (31, "", f"n2k: this token does not permit it: {why}\n")
    name = line.decode().split()[0]
    n2k("token", "revoke", name)
    other = f"n2k_{'0' * 12}_{'1' * 64}".encode()
    for given, shown in ((line, name), (other, "0" * 12)):
        done = n2k("lsl", "--url", URL, "--token", "-", "touch", stdin=given)
        assert done.code == 0
        assert f"warning: the token {shown} is revoked, or not of {n2k.data_dir}\n" in done.err
    elsewhere = Commands(n2k.data_dir.parent / "elsewhere")
    done = elsewhere("lsl", "--url", URL, "--token", "-", "touch", stdin=other)
    assert (done.code, "warning" in done.err, elsewhere.data_dir.exists()) == (0, False, False)


@pytest.mark.parametrize("given", [b"", b"\n", b"nonsense\n", b"n2k_0123456789ab_00\n"])
def test_what_is_no_token_is_refused(n2k: Commands, given: bytes) -> None:
    """Nothing, or other text, on standard input: usage, exit code 2, and the text is not repeated."""
    done = n2k("lsl", "--url", URL, "--token", "-", "touch", stdin=given)
    assert (done.code, done.out) == (2, "") and "no token on standard input" in done.err
    assert not given.strip() or given.decode().strip() not in done.err


@pytest.mark.measured
def test_a_secret_is_no_word_of_a_command_line(n2k: Commands) -> None:
    """Other users can see it there: refused, and not repeated. A script without a token accepts none."""
    secret = f"n2k_{'0' * 12}_{'1' * 64}"
    done = n2k("lsl", "--url", URL, "--token", secret, "touch")
    assert (done.code, done.out) == (2, "") and "--token is 'none' or '-'" in done.err and secret not in done.err
    done = n2k("lsl", "--url", URL, "--token", "-", "query", stdin=secret.encode())
    assert (done.code, done.out) == (2, "") and "query needs no token: omit --token" in done.err


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("https://example.com", "https://example.com/"),
        ("https://example.com/n2k", "https://example.com/n2k/"),
        ("https://example.com/n2k/", "https://example.com/n2k/"),
        ("https://example.com:8443/a/b", "https://example.com:8443/a/b/"),
        ("https://example.com/n2k//", "https://example.com/n2k/"),
    ],
)
def test_the_address_is_written_with_its_slash(n2k: Commands, url: str, written: str) -> None:
    """Whether it was given with one or without: a redirect would lose the fields of a POST."""
    assert f'\nstring URL = "{written}";\n' in n2k("lsl", "--url", url, "query").out


@pytest.mark.parametrize(
    ("grids", "default", "said"),
    [
        (
            "Production, Mine, Other = OpenSim",
            "Mine",
            "for the grid Mine; for another one use --grid (the settings have Production, Other)",
        ),
        (
            "Production, Testing",
            "Production",
            "for the grid Production; for another one use --grid (the settings have Testing)",
        ),
        ("Mine", "Mine", "for the grid Mine; for another one use --grid\n"),
    ],
)
def test_it_says_for_which_grid(n2k: Commands, grids: str, default: str, said: str) -> None:
    """If no grid is given and the settings have several; not with --grid, nor for the kiosk, which has no grid."""
    n2k("init")
    (n2k.data_dir / "n2k.ini").write_text(f"[n2k]\nurl = {URL}\ngrids = {grids}\ndefault_grid = {default}\n")
    for name in ("touch", "query"):
        done = n2k("lsl", name)
        assert said in done.err
        assert f'\nstring GRID = "{default}";\n' in done.out
    assert said in n2k("lsl", "forget").err, "its token is bound to the grid, or to none"
    assert "for the grid" not in n2k("lsl", "--grid", default, "touch").err + n2k("lsl", "--grid", default, "forget").err


def test_without_an_address_nothing_is_made(n2k: Commands) -> None:
    """The refusal says what to do, and no token is made."""
    done = n2k("lsl", "touch")
    assert (done.code, done.out) == (85, "")
    file = n2k.data_dir / "n2k.ini"
    assert done.err == f"n2k: the public address of this service is not known: give --url https://..., or set 'url' in {file}\n"
    assert not n2k.data_dir.exists()


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("https://example.com/n2k", "https://example.com/n2k/"),
        ("https://example.com/n2k/", "https://example.com/n2k/"),
        ("https://example.com", "https://example.com/"),
        ("https://example.com/a.b/n2k", "https://example.com/a.b/n2k/"),
        ("https://example.com/n2k/dispatch.fcgi", "https://example.com/n2k/dispatch.fcgi/"),
        ("https://example.com/dispatch.fcgi/", "https://example.com/dispatch.fcgi/"),
    ],
)
def test_the_address_of_a_folder_gets_its_slash(n2k: Commands, url: str, written: str) -> None:
    """Without it Apache redirects, and a redirected POST loses its fields; after a script's name it is harmless."""
    assert f'string URL = "{written}";' in n2k("lsl", "--url", url, "query").out.splitlines()


@pytest.mark.parametrize(
    "url",
    ["example.com", "ftp://example.com/", "https://", "https://example.com/?a=b", "https://example.com/#x", "https://a b/",
     "https://user:secret@example.com/", 'https://example.com/"', "https://example.com/\\", "https://example.com:x/",
     "https://example.com/" + "x" * 250, "https://exämple.com/"],
)  # fmt: skip
def test_a_bad_address_is_refused(n2k: Commands, url: str) -> None:
    """One that cannot be followed by a path or a query, or would end the string in the script."""
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
    """A warning only: a simulator may run on this machine."""
    done = n2k("lsl", "--url", "http://localhost:3000/", "query")
    assert done.code == 0
    assert "warning: http://localhost:3000/ is this machine's own address: no other host reaches it\n" in done.err


@pytest.mark.parametrize("text", ["", 'a "quoted" word', "back\\slash", '\\"', "Grid Ünï"])
def test_a_literal_is_what_lsl_reads(text: str) -> None:
    """LSL reads every text back from its literal unchanged."""
    unescaped: Callable[[str], str] = lambda inner: re.sub(r"\\(.)", r"\1", inner)  # noqa: E731
    written = literal(text)
    assert re.fullmatch(r'"(?:[^"\\]|\\.)*"', written)
    assert unescaped(written[1:-1]) == text
