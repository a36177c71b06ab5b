"""A clock that was wrong by years for a while: data written meanwhile does not win for ever and blocks nothing."""

import subprocess
import sys

import pytest

from n2k_fcgi.service.directory.keeping import DOUBT
from tests.support.commands import PEOPLE, Commands, Done
from tests.support.sandbox import GOVERNOR, MASAKAZU, csv
from tests.support.traces import KEY

DAY = 86_400
OTHER = "11111111-2222-3333-4444-555555555555"
YEARS = 14 * 365 * DAY

CODE = """
import sys, time
right, shift = time.time, int(sys.argv.pop(1))
time.time = lambda: right() + shift
from n2k_fcgi.cli import main
main()
"""


def wrongly(n2k: Commands, shift: int, *arguments: object, stdin: bytes = b"") -> Done:
    """Run a command in a process whose clock is *shift* seconds ahead (negative: behind)."""
    command = [sys.executable, "-c", CODE, str(shift), "--dir", str(n2k.data_dir), *map(str, arguments)]
    done = subprocess.run(command, env=n2k.environment(), input=stdin, capture_output=True, timeout=60)
    return Done(done.returncode, done.stdout, done.stderr)


def names(n2k: Commands) -> list[str]:
    """The names of the generations, oldest first, the live one with a star."""
    return [line[:2].strip() + line[2:].split()[0] for line in n2k("generations").out.splitlines()]


@pytest.mark.parametrize("shift", [YEARS, -YEARS, 3 * DAY])
def test_the_next_dump_wins_over_one_of_a_wrong_clock(n2k: Commands, shift: int) -> None:
    """It is neither refused nor merged as older, and becomes the live one; other avatars are kept."""
    n2k("init")
    assert wrongly(n2k, shift, "import", "-", stdin=PEOPLE).code == 0
    renamed = n2k.data_dir.parent / "renamed.csv"
    renamed.write_text(csv((MASAKAZU, "Renamed Resident")))
    assert n2k("import", "--force", renamed).code == 0
    assert n2k("lookup", MASAKAZU).out.startswith("Renamed Resident\t")
    assert n2k("lookup", GOVERNOR).out.startswith("Governor Linden\t")
    assert names(n2k)[-1] == "*" + n2k.live()
    assert n2k("check").code == 0


def test_an_update_after_one_of_a_wrong_clock(n2k: Commands) -> None:
    """The dump of the nightly run is not refused as older than a time in the future; one that is really older is."""
    n2k("init")
    assert wrongly(n2k, YEARS, "import", "-", stdin=PEOPLE).code == 0
    dump = n2k.data_dir.parent / "dump.csv"
    dump.write_bytes(PEOPLE + csv(("99999999-2222-3333-4444-555555555555", "Late Comer")).encode())
    assert n2k("update", dump).code == 0
    assert n2k("lookup", "Late Comer").code == 0
    dump.write_bytes(dump.read_bytes() + csv(("99999999-2222-3333-4444-555555555556", "Later Comer")).encode())
    refused = n2k("update", "--as-of", "2020-01-01", dump)
    assert refused.code == 74 and "in the future" not in refused.err


def test_names_of_generations_do_not_grow(n2k: Commands) -> None:
    """After one of the future each is a millisecond later; ``generations`` lists them in order."""
    n2k("init")
    assert wrongly(n2k, YEARS, "import", "-", stdin=PEOPLE).code == 0
    seen = [n2k.live()]
    for _ in range(4):
        assert n2k("import", "--force", "-", stdin=PEOPLE).code == 0
        seen.append(n2k.live())
    assert seen == sorted(set(seen)) and {len(name) for name in seen} == {len("20261121T064000.123Z")}
    assert names(n2k) == [seen[1], *seen[-2:-1], "*" + seen[-1]], "the whole one without future times, and the latest two"
    assert wrongly(n2k, -YEARS, "import", "--force", "-", stdin=PEOPLE).code == 0
    assert n2k.live() > seen[-1] and len(n2k.live()) == len(seen[-1])


def test_an_avatar_seen_in_the_future_is_seen_now_when_it_comes_again(n2k: Commands) -> None:
    """Then a later dump may rename it, as usual; its former name has no later time either."""
    n2k("init")
    key = "99999999-2222-3333-4444-555555555555"
    assert wrongly(n2k, YEARS, "register", "--grid", "Mine", "First Name", key).code == 0
    assert n2k("register", "--grid", "Mine", "Second Name", key).code == 0
    assert "seen 20" in n2k("lookup", "--history", key).out and "seen 204" not in n2k("lookup", "--history", key).out
    later = csv((key, "Third Name")).encode()
    assert wrongly(n2k, DAY // 2, "import", "--grid", "Mine", "-", stdin=later).code == 0
    assert wrongly(n2k, DAY // 2, "lookup", "--grid", "Mine", key).out.startswith("Third Name\t")


def test_a_limit_that_was_used_up_in_the_future_locks_nobody_out(n2k: Commands) -> None:
    """Nor one used up in the past: the first write with the right clock is accepted."""
    n2k("init")
    for shift in (YEARS, -YEARS, 0):
        done = wrongly(n2k, shift, "register", f"Shift{shift % 97} Resident", f"{shift % 9999:08x}-2222-3333-4444-555555555555")
        assert done.code == 0, done


def test_a_clock_that_is_ahead_for_a_night_drops_no_capture(n2k: Commands) -> None:
    """Update and purge say so in one line, also after a registration of that night; with the right clock, nothing."""
    n2k("init")
    dump = n2k.data_dir.parent / "dump.csv"
    dump.write_bytes(PEOPLE)
    n2k.put("n2k.ini", "[n2k]\nkeep_days = 365\n")
    assert n2k("register", "Quillon Ash", KEY).code == n2k("-q", "update", dump).code == 0
    assert wrongly(n2k, YEARS, "register", "Vexworth Ash", OTHER).code == 0
    for command in (("-q", "update", dump), ("-q", "import", "--force", dump), ("-q", "purge")):
        done = wrongly(n2k, YEARS, *command)
        assert (done.code, done.err) == (0, DOUBT + "\n"), command
    assert n2k("-q", "update", dump).err == "" and n2k("-q", "purge").err == ""
    assert n2k("lookup", KEY).code == n2k("lookup", OTHER).code == 0


def test_a_clock_that_says_so_for_two_nights_is_right(n2k: Commands) -> None:
    """A directory that nobody used for longer than ``keep_days``: the first night asks, as it were, and the next one drops."""
    n2k("init")
    n2k.put("n2k.ini", "[n2k]\nkeep_days = 365\n")
    assert n2k("register", "Quillon Ash", KEY).code == 0
    later = 400 * DAY
    for hours in (0, 1, 11):  # several times in one night is not another night
        assert wrongly(n2k, later + hours * 3_600, "-q", "purge").err == DOUBT + "\n"
    assert n2k("lookup", KEY).code == 0
    assert wrongly(n2k, later + DAY, "-q", "purge").err == ""
    assert n2k("lookup", KEY).code == 17
