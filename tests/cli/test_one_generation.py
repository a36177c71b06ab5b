"""One answer, one generation: whatever is published and pruned meanwhile, an answer reads CURRENT once and is complete."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from n2k_fcgi.files import PRIVATE
from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.store.lmdb.check import check_generations
from n2k_fcgi.store.lmdb.generation import Generation
from n2k_fcgi.store.lmdb.generations import Generations
from n2k_fcgi.wiring import directory
from tests.support.asking import wsgi
from tests.support.commands import Commands, Done
from tests.support.golden import CASES_FILE, Reply, prepare, run_all
from tests.support.restless import restless, turn
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, Sandbox, csv

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "n2k_fcgi"


def test_every_golden_case_while_another_generation_is_live_at_each_look(tmp_path: Path) -> None:
    """All requests get their usual answers, and none reads CURRENT twice."""
    golden = prepare(tmp_path / "data")
    application = LiveApplication({"data_dir": str(golden.data_dir)})
    ask = wsgi(application)
    counts = []
    with restless(golden.data_dir) as looks:

        def counting(method: str, target: str, headers: dict[str, str], body: bytes) -> Reply:
            before = looks.count
            reply = ask(method, target, headers, body)
            counts.append(looks.count - before)
            assert counts[-1] <= 1, f"{method} {target} looked {counts[-1]} times"
            return reply

        try:
            cases = run_all(counting, golden, skipped_headers=frozenset({"X-N2K-Generation"}))
        finally:
            application.close()
    assert cases == len(CASES_FILE.read_text("utf-8").splitlines())
    assert sum(counts) > cases / 3, "most cases answer from a generation"


@pytest.fixture
def renamed(n2k: Commands) -> Commands:
    """An avatar with three names, the last one from a capture, and two others."""
    n2k(
        "import", "--as-of", "2026-01-02", "-", stdin=csv((MASAKAZU, "Masakazu Kojima"), (GOVERNOR, "Governor Linden")).encode()
    )
    n2k("import", "--force", "--as-of", "2026-02-02", "-", stdin=csv((MASAKAZU, "Masakazu Newname")).encode())
    n2k("register", "Masakazu Newest", MASAKAZU)
    return n2k


def in_unrest(n2k: Commands, *arguments: str, stdin: bytes = b"") -> tuple[Done, int]:
    """The command with a data directory that has another generation each time CURRENT is read, and the number of reads."""
    report = n2k.data_dir.with_name("looks")
    environment = n2k.environment(N2K_DIR=str(n2k.data_dir), N2K_LOOKS=str(report))
    command = [sys.executable, "-m", "tests.support.restless", *arguments]
    done = subprocess.run(command, env=environment, cwd=ROOT, input=stdin, capture_output=True, timeout=60)
    return Done(done.returncode, done.stdout, done.stderr), int(report.read_text())


@pytest.mark.parametrize(
    "arguments",
    [
        ("lookup", MASAKAZU, "governor linden", "masakazu kojima"),
        ("lookup", "--history", "masakazu kojima", "governor linden"),
        ("lookup", "--history", "--json", MASAKAZU),
        ("search", "m"),
        ("export", "-"),
        ("export", "--format", "csv", "-"),
        ("stats", "--json"),
        ("check",),
        ("pending",),
        ("register", "New Comer", USERNAME),
        ("forget", "masakazu kojima"),
        ("forget", MASAKAZU),
    ],
)
def test_a_command_looks_once(renamed: Commands, arguments: tuple[str, ...]) -> None:
    """Whatever is published meanwhile, a command that answers prints its usual output, after one read of CURRENT."""
    done, looks = in_unrest(renamed, *arguments)
    assert done.code == 0 and looks == 1, done
    if arguments[0] not in ("forget", "register", "stats"):
        assert (done.raw, done.err) == ((quiet := renamed(*arguments)).raw, quiet.err)
    if arguments[0] == "forget":
        assert renamed("lookup", "masakazu kojima", "masakazu newname", "masakazu newest", MASAKAZU).out == ""
        assert in_unrest(renamed, "forget", "--undo", MASAKAZU)[0].err == "shown again\n"


def test_the_shell_looks_once_a_line(renamed: Commands) -> None:
    """Each line gets a complete answer; the shell itself reads CURRENT once at its start."""
    lines = ["masakazu kojima", f"all {MASAKAZU}", "all governor linden", f"key {GOVERNOR}", "stats", "nobody"]
    text = "\n".join(lines).encode()
    done, looks = in_unrest(renamed, "shell", stdin=text)
    quiet = renamed("shell", stdin=text)
    assert [line for line in done.out.splitlines() if "generation" not in line] == [
        line for line in quiet.out.splitlines() if "generation" not in line
    ]
    assert (done.code, done.out.count("\n"), looks) == (17, 8, 1 + len(lines))


def test_doctor_and_the_list_of_generations(renamed: Commands) -> None:
    """Neither reports a generation that was pruned meanwhile as damaged."""
    done, _ = in_unrest(renamed, "doctor")
    assert done.code == 0 and "damaged" not in done.out and "was found both ways" in done.out
    done, looks = in_unrest(renamed, "generations")
    assert done.code == 0 and looks == 1
    assert [line.split()[1] for line in done.out.splitlines() if line.startswith("*")] == [renamed.live()]


@pytest.mark.parametrize("method", ["current", "live", "listed"])
@pytest.mark.parametrize("times", [1, 5])
def test_what_is_pruned_between_its_name_and_its_file(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, method: str, times: int
) -> None:
    """CURRENT was read, then another generation was published and that one pruned: the other one answers, without an error."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")))
    sandbox.store.generations.close()
    really, turned = Generations.manifest, []

    def late(self: Generations, name: str) -> object:
        if len(turned) < times:
            turned.append(turn(sandbox.data_dir))
        return really(self, name)

    monkeypatch.setattr(Generations, "manifest", late)
    generations = Generations(sandbox.data_dir, PRIVATE, resident_limit=1 << 40)
    found = getattr(generations, method)()
    name = found[0] if method == "listed" else found.name
    assert name == turned[-1] and (method != "listed" or [m.name for m in found[1]] == [name])
    generations.close()


def test_a_check_passes_over_what_is_pruned_meanwhile(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the pruned generation nor CURRENT is reported."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")))
    really, turned = Generations.names, []

    def names(self: Generations) -> list[str]:
        found = really(self)
        if not turned:
            turned.append(turn(sandbox.data_dir))
        return found

    monkeypatch.setattr(Generations, "names", names)
    assert list(check_generations(sandbox.store.generations, None)) == []


def test_pages_are_given_back_of_what_was_pruned(sandbox: Sandbox) -> None:
    """A generation that an answer reads can be reopened although its file was removed."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")))
    view = directory(sandbox.store, sandbox.settings).held_view()
    turn(sandbox.data_dir)
    assert isinstance(view.generation, Generation)
    view.generation.reopen()
    assert view.name2key("masakazu.kojima") is not None
    assert sandbox.view().generation_name != view.generation_name
    assert view.name2key("masakazu.kojima") is not None
    view.release()
    view.release()
    mapped = [line for line in Path("/proc/self/maps").read_text().splitlines() if str(sandbox.data_dir) in line]
    assert not [line for line in mapped if line.endswith("data.mdb (deleted)")]


def test_only_the_directory_asks_for_the_live_generation() -> None:
    """Above the store only one module does, and passes it on in a view; the nightly run and exports have their own."""
    asking = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            is_look = isinstance(node, ast.Attribute) and node.attr in ("current", "hold", "current_name")
            if is_look and ast.unparse(node.value).endswith("generations"):
                asking.add(f"{path.relative_to(PACKAGE)}: {node.attr}")
    assert {each for each in asking if not each.startswith("store/")} == {
        "service/directory/lookup.py: current",
        "service/directory/lookup.py: hold",
        "cli/export_cmd.py: hold",
        "cli/grids.py: current",
        "cli/import_report.py: current_name",
    }
