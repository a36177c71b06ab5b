"""``n2k stats``: the counts of the directory, and what the service did."""

import json
import signal
import subprocess

from n2k_fcgi.cli.usage_lines import DAYS, HOURS, sparkline
from n2k_fcgi.servers.live import LiveApplication
from tests.support.asking import wsgi
from tests.support.commands import Commands, on_terminal
from tests.support.processes import SECONDS


def used(peopled: Commands) -> None:
    """Three hits, a miss, a registration."""
    application = LiveApplication({"data_dir": str(peopled.data_dir), "register": "open"})
    ask = wsgi(application)
    new = "/?name=A+B&key=00000000-0000-4000-8000-00000000c01d"
    for target in (*["/?name=governor.linden"] * 3, "/?name=nobody", new):
        assert ask("GET", target, {}, b"").status == 200
    application.close()


def test_what_the_service_did(peopled: Commands) -> None:
    """In lines that a script can read, no drawing among them, below the counts of the directory."""
    used(peopled)
    lines = dict(line.split(": ", 1) for line in peopled("stats").out.splitlines())
    assert lines["avatars"] == "3" and lines["captures"] == "1"
    assert lines["lookups in 24 hours"] == "4 (3 hits, 1 misses)"
    assert lines["answers in 24 hours"] == "lookup 4, register 1" and lines["by status"] == "200 5"
    assert lines["grids"] == "Production 100.0%" and lines[f"registered in {DAYS} days"] == "1"
    assert "50 % within" in lines["time to answer scripts"] and "ms" in lines["time to answer scripts"]
    assert lines[f"limits that bit in {DAYS} days"] == "none" and not [name for name in lines if name.endswith(("hour", "day"))]


def test_json_has_all_of_it(peopled: Commands) -> None:
    """One object, with the counts as before, and every hour and day."""
    used(peopled)
    told = json.loads(peopled("stats", "--json").out)
    assert told["avatars"] == 3
    usage = told["usage"]
    assert (len(usage["hours"]), len(usage["days"])) == (HOURS, DAYS)
    assert usage["hours"][-1]["hits"] + usage["hours"][-2]["hits"] == 3 and usage["total"]["misses"] == 1
    assert usage["total"]["registers"] == {"new": 1} and usage["total"]["by_kind"] == {"lookup": 4, "register": 1}


def test_imports_and_purges_are_counted(peopled: Commands) -> None:
    """By commands, which are no workers."""
    dump = peopled.data_dir.parent / "more.csv"
    dump.write_text("00000000-0000-4000-8000-00000000c01d,New Comer\n00000000-0000-4000-8000-00000000c02d,Other Comer\n")
    assert peopled("import", "--force", dump).code == 0
    assert peopled("forget", "00000000-0000-4000-8000-00000000c01d").code == 0
    assert peopled("purge").code == 0
    usage = json.loads(peopled("stats", "--json").out)["usage"]
    imports = usage["total"]["imports"]
    assert imports["rows"] >= 2 and imports["added"] >= 2 and imports["bytes"] > 1000 and imports["done"] >= 1
    assert usage["total"]["purges"] == {"done": 1, "names": 1} and usage["total"]["forgets"] == {"hidden": 1}
    assert usage["workers"] == []


def test_on_a_terminal_lines_are_drawn(peopled: Commands) -> None:
    """A sparkline for each hour and day."""
    used(peopled)
    with on_terminal(peopled.command("stats"), peopled.environment(LANG="C.UTF-8")) as terminal:
        shown = terminal.rest()
    assert "hits an hour: " in shown and "█" in shown and "3 at most" in shown and "registered a day: " in shown


def test_a_sparkline_is_as_high_as_its_values() -> None:
    """One character each; what is not 0 can be seen."""
    assert sparkline([0, 1, 4, 8, 1000]) == " ▁▁▁█" and sparkline([1, 2, 3, 4, 5, 6, 7, 8]) == "▁▂▃▄▅▆▇█"
    assert sparkline([0, 0]) == "  " and sparkline([]) == ""


def test_watching_goes_on_until_it_is_interrupted(peopled: Commands) -> None:
    """An object per line with --json, which sees what happens meanwhile."""
    with subprocess.Popen(
        peopled.command("stats", "--watch", "--json"), env=peopled.environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["usage"]["total"]["hits"] == 0
            used(peopled)
            while json.loads(process.stdout.readline())["usage"]["total"]["hits"] != 3:
                pass
            process.send_signal(signal.SIGINT)
            assert process.wait(SECONDS) == 1 or process.returncode == 130
        finally:
            process.kill()


def test_watching_in_a_pipe_separates_what_it_prints(peopled: Commands) -> None:
    """By an empty line after each time; no codes of a terminal."""
    with subprocess.Popen(
        peopled.command("stats", "--watch"), env=peopled.environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            first = list(iter(process.stdout.readline, "\n"))
            assert first[0] == process.stdout.readline() and "\x1b" not in "".join(first)
        finally:
            process.kill()


def test_a_directory_that_cannot_tell(peopled: Commands) -> None:
    """Damaged statistics are no reason to show no counts."""
    (peopled.data_dir / "statistics.mdb").write_bytes(b"nonsense" * 1000)
    done = peopled("stats")
    assert done.code == 0 and "avatars: 3\n" in done.out and "lookups in 24 hours: 0" in done.out
