"""``n2k deploy --spread N``: copies of the script, each with processes of its own, and the rules that choose one."""

import os
import re
import stat
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from n2k_fcgi.cli.examinations import crowding
from n2k_fcgi.deploy.occupancy import Occupancy, active, lost
from n2k_fcgi.deploy.spread import MOST, names_of
from n2k_fcgi.model.findings import Verdict
from tests.support.apache import MODULES, Apache, apache
from tests.support.golden import run_all
from tests.support.hosting import Account
from tests.support.parallel import in_parallel
from tests.support.processes import eventually, running

REFUSED = 82
MASAKAZU = b"a27b84f0-2757-4176-9579-43a181d4a5a0"


@pytest.fixture
def account(tmp_path: Path) -> Account:
    """A home with data, nothing deployed."""
    return Account(tmp_path / "home")


def spread(account: Account, number: int, *options: str) -> str:
    """Deploy that many copies; return what was printed."""
    return account.n2k("deploy", "--spread", str(number), *options, str(account.site))


def scripts(account: Account, name: str = "dispatch.fcgi") -> list[Path]:
    """The scripts in the site's folder, by number."""
    found = {file.name: file for file in account.site.iterdir() if file.suffix == ".fcgi"}
    expected = names_of(name, len(found))
    assert sorted(found) == sorted(expected)
    return [found[each] for each in expected]


def served_by(server: Apache, account: Account) -> dict[Path, list[int]]:
    """The processes of each script, once all of them have answered a lookup."""

    def all_answered() -> bool:
        in_parallel(4, lambda number: server.get(f"/?name=masakazu.kojima&n={number}.{time.monotonic_ns()}"))
        return all(server.ready_workers(script) for script in scripts(account))

    assert eventually(all_answered), server.error_log
    return {script: server.workers(script) for script in scripts(account)}


# --- what is written ----------------------------------------------------------------------------------------------------


def test_copies_are_files_of_their_own(account: Account) -> None:
    """Four scripts with one text, executable, with four inodes: mod_fcgid tells them apart by that."""
    spread(account, 4)
    files = scripts(account)
    assert [file.name for file in files] == ["dispatch.fcgi", "dispatch-2.fcgi", "dispatch-3.fcgi", "dispatch-4.fcgi"]
    assert len({file.stat().st_ino for file in files}) == 4
    assert len({file.read_bytes() for file in files}) == 1
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o755}


@pytest.mark.parametrize("again", [("--spread", "3"), ()])
def test_a_second_run_changes_nothing(account: Account, again: tuple[str, ...]) -> None:
    """The same number, given or not, as at an upgrade: bytes, inodes and times stay."""
    spread(account, 3)
    before = {file.name: (file.stat().st_ino, file.stat().st_mtime_ns) for file in account.site.iterdir()}
    assert account.n2k("deploy", *again, str(account.site)).count("unchanged: ") == 4
    assert {file.name: (file.stat().st_ino, file.stat().st_mtime_ns) for file in account.site.iterdir()} == before


def test_another_number_keeps_the_first_and_removes_the_superfluous(account: Account) -> None:
    """4, 2, 3, 1: scripts that stay keep their inodes, the others are removed and named, nothing else is left."""
    spread(account, 4)
    inodes = [file.stat().st_ino for file in scripts(account)]
    said = spread(account, 2)
    assert [file.stat().st_ino for file in scripts(account)] == inodes[:2]
    assert [line for line in said.splitlines() if line.startswith("removed: ")] == [
        f"removed: {account.site / name}" for name in ("dispatch-3.fcgi", "dispatch-4.fcgi")
    ]
    spread(account, 3)
    assert [file.stat().st_ino for file in scripts(account)[:2]] == inodes[:2]
    spread(account, 1)
    assert sorted(file.name for file in account.site.iterdir()) == [".htaccess", "dispatch.fcgi"]


def test_one_copy_is_what_is_written_without_the_option(account: Account) -> None:
    """--spread 1 has no conditions, and differs in no byte from a deployment that never had copies."""
    account.n2k("deploy", str(account.site))
    before = account.htaccess.read_bytes()
    assert b"RewriteCond" not in before
    spread(account, 5)
    assert account.htaccess.read_bytes() != before
    spread(account, 1)
    assert account.htaccess.read_bytes() == before


def test_the_owners_lines_stay(account: Account) -> None:
    """Lines above and below the block keep every byte through 4, 2 and none."""
    above, below = b"# mine\r\nOptions -Indexes\n", b"# below\n"
    account.htaccess.write_bytes(above)
    spread(account, 4)
    account.htaccess.write_bytes(account.htaccess.read_bytes() + below)
    spread(account, 2)
    text = account.htaccess.read_bytes()
    assert text.startswith(above) and text.endswith(below) and text.count(b"# BEGIN n2k_fcgi\n") == 1
    account.n2k("deploy", "--remove", str(account.site))
    assert account.htaccess.read_bytes() == above + below


def test_another_name(account: Account) -> None:
    """Copies are called after the script, with a dot in its name or not; those of the former name are removed."""
    for name in ("n2k.v1.fcgi", "n2k"):
        spread(account, 2, "--name", name)
        assert sorted(file.name for file in account.site.iterdir()) == sorted([".htaccess", *names_of(name, 2)])


def test_a_file_of_another_program_is_not_replaced(account: Account) -> None:
    """The name of a copy is taken: refused, the file is named, and nothing is written."""
    taken = account.site / "dispatch-3.fcgi"
    taken.write_text("#!/bin/sh\necho mine\n")
    done = account.run("deploy", "--spread", "4", "--yes", str(account.site))
    assert done.returncode == REFUSED and "dispatch-3.fcgi exists and is not ours" in done.stderr
    assert [file.name for file in account.site.iterdir()] == [taken.name]


def test_a_foreign_file_with_a_superfluous_name_stays(account: Account) -> None:
    """What replaced one of our copies since is not removed with them."""
    spread(account, 3)
    mine = account.site / "dispatch-3.fcgi"
    mine.write_text("#!/bin/sh\necho mine\n")
    spread(account, 1, "--yes")
    assert sorted(file.name for file in account.site.iterdir()) == [".htaccess", "dispatch-3.fcgi", "dispatch.fcgi"]


def test_the_name_is_kept_and_a_folder_in_its_way_is_named(account: Account) -> None:
    """A later deployment without --name keeps the one that is there."""
    spread(account, 2, "--name", "my.fcgi")
    account.n2k("deploy", str(account.site))
    assert sorted(file.name for file in account.site.iterdir()) == [".htaccess", "my-2.fcgi", "my.fcgi"]
    (account.site / "my-3.fcgi").mkdir()
    done = account.run("deploy", "--spread", "3", str(account.site))
    assert done.returncode == REFUSED and f"{account.site}/my-3.fcgi" in done.stderr


def test_copies_that_no_block_names_any_more_are_removed(account: Account) -> None:
    """Somebody deleted .htaccess by hand: the next deployment writes one script, and removes the copies of it."""
    spread(account, 3)
    account.htaccess.unlink()
    account.n2k("deploy", str(account.site))
    assert sorted(file.name for file in account.site.iterdir()) == [".htaccess", "dispatch.fcgi"]


@pytest.mark.parametrize("number", ["0", "11", "-1", "two"])
def test_odd_numbers_are_refused(account: Account, number: str) -> None:
    """1 to 10."""
    assert account.run("deploy", "--spread", number, str(account.site)).returncode == 2


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_links_to_one_file_become_files(account: Account, link: Callable[[Path, Path], None]) -> None:
    """A program against duplicates has linked the copies: the doctor says so, and another deployment mends it."""
    spread(account, 3)
    first, *others = scripts(account)
    for other in others:
        other.unlink()
        link(first, other)
    found = account.run("doctor", "--web-dir", str(account.site)).stdout
    assert "warning  script: of the 3 scripts some are links to one file" in found
    account.n2k("deploy", str(account.site))
    assert len({file.stat().st_ino for file in scripts(account)}) == 3
    assert f"ok       script: {first} and 2 more" in account.run("doctor", "--web-dir", str(account.site)).stdout


def test_the_doctor_examines_every_copy(account: Account) -> None:
    """One that is missing, or cannot be executed, is a problem, and is named."""
    spread(account, 3)
    last = scripts(account)[2]
    last.chmod(0o644)
    assert f"problem  script: {last} is not executable" in account.run("doctor", "--web-dir", str(account.site)).stdout
    last.unlink()
    found = account.run("doctor", "--web-dir", str(account.site)).stdout
    assert f"problem  script: {last} is missing, so one request in 3 is answered 404" in found
    assert f"run 'n2k deploy {account.site}' again" in found
    account.n2k("deploy", str(account.site))
    assert len(scripts(account)) == 3


# --- behind Apache ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mount", ["", "/below/n2k", "/dispatch-2.fcgi"])
def test_golden_cases(tmp_path: Path, mount: str) -> None:
    """Every golden case gets its answer from three scripts: at the root, in a folder, at a script's own address."""
    account = Account(tmp_path / "home")
    folder = account.site / mount.strip("/") if "." not in mount else account.site
    folder.mkdir(parents=True, exist_ok=True)
    account.n2k("deploy", "--spread", "3", str(folder))
    with apache(account.site) as server:
        assert run_all(server.asking(mount), account.golden) > 50
        assert "stderr:" not in server.error_log


def test_all_scripts_answer_in_processes_of_their_own(account: Account) -> None:
    """Four scripts, four disjoint sets of processes; the doctor counts them."""
    spread(account, 4)
    with apache(account.site) as server:
        pids = served_by(server, account)
        assert len({pid for each in pids.values() for pid in each}) == sum(map(len, pids.values())) >= 4
        said = account.run("doctor", f"{server.url}/", "--web-dir", str(account.site)).stdout
        counted = re.search(r"ok       workers: (\d+) workers of 4 scripts", said)
        assert counted is not None and int(counted[1]) >= 4, said


def test_fewer_scripts_leave_no_process_behind(account: Account) -> None:
    """4, 2, 1, none, below a running server: each time it answers, and the processes of what went end."""
    spread(account, 4)
    with apache(account.site) as server:
        for number in (2, 1):
            before = served_by(server, account)
            spread(account, number)
            kept = scripts(account)
            for script, pids in before.items():
                assert server.workers(script) == (pids if script in kept else [])
            assert {server.get(f"/?name=masakazu.kojima&n={n}").body for n in range(20)} == {MASAKAZU}
        account.n2k("deploy", "--remove", str(account.site))
        assert list(account.site.iterdir()) == []
        assert server.workers(account.site) == []


def test_an_update_replaces_every_process(account: Account) -> None:
    """Other code writes other scripts: all that ran end, and the next requests start new ones."""
    spread(account, 2)
    with apache(account.site) as server:
        before = served_by(server, account)
        for script in scripts(account):
            script.write_text(script.read_text().replace("(code ", "(code 0"))
        account.n2k("deploy", str(account.site))
        after = served_by(server, account)
        assert not {pid for each in before.values() for pid in each} & {pid for each in after.values() for pid in each}


def test_only_the_scripts_can_be_fetched(account: Account) -> None:
    """Other files answer like any unknown path, also one that is called like a copy."""
    spread(account, 3)
    for name in ("n2k.ini", "dispatch-4.fcgi", "dispatch-2.fcgi.bak"):
        (account.site / name).write_text("secret")
    with apache(account.site) as server:
        for name in ("n2k.ini", "dispatch-4.fcgi", "dispatch-2.fcgi.bak"):
            replies = [server.get(f"/{name}?n={n}") for n in range(10)]
            assert {reply.status for reply in replies} == {404} and not any(b"secret" in reply.body for reply in replies)
        for name in names_of("dispatch.fcgi", 3):
            assert server.get(f"/{name}?name=masakazu.kojima").body == MASAKAZU


def test_copies_run_as_plain_cgi_too(account: Account) -> None:
    """Without mod_fcgid each copy answers as a CGI script."""
    spread(account, 3)
    with apache(account.site, gateway="cgid") as server:
        assert {server.get(f"/?name=masakazu.kojima&n={n}").body for n in range(6)} == {MASAKAZU}


PROXIED = f"LoadModule remoteip_module {MODULES}/mod_remoteip.so\nRemoteIPHeader X-Caller\nRemoteIPInternalProxy 127.0.0.1"
"""A host that takes the caller's address from a proxy's header, whereupon REMOTE_PORT is 0."""


def through_proxy(server: Apache, number: int) -> bytes:
    """The answer to one of many different requests that a proxy passes on."""
    return server.asking()("GET", f"/?name=masakazu.kojima&n={number}", {"X-Caller": "192.0.2.7"}, b"").body


def test_behind_a_proxy_all_scripts_answer(account: Account) -> None:
    """Different requests go to different scripts, although all callers' ports look the same."""
    spread(account, 3)
    with apache(account.site, settings=PROXIED) as server:
        assert {through_proxy(server, number) for number in range(40)} == {MASAKAZU}
        assert all(len(server.workers(script)) == 1 for script in scripts(account))


@pytest.mark.parametrize("number", [2, 3, MOST])
def test_requests_are_spread_evenly(account: Account, number: int) -> None:
    """Of 600 requests each script gets its share, give or take four standard deviations; the same in every run."""
    spread(account, number)
    for script in scripts(account):
        script.write_text('#!/bin/sh\necho "Content-Type: text/plain"; echo; echo -n "$SCRIPT_NAME"\n')
    with apache(account.site, gateway="cgid", settings=PROXIED) as server:
        got = Counter(through_proxy(server, number) for number in range(600))
    expected = 600 / number
    assert set(got) == {b"/" + name.encode() for name in names_of("dispatch.fcgi", number)}
    assert all(abs(count - expected) < 4 * (expected * (1 - 1 / number)) ** 0.5 for count in got.values()), got


# --- advice -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("command", "is_busy"), [("while :; do :; done", True), ("exec sleep 600", False)])
def test_how_busy_a_process_is(command: str, is_busy: bool) -> None:
    """One that computes is always active, one that sleeps hardly; nothing is known of a young one, nor of one that is gone."""
    with running(["/bin/sh", "-c", command], stdin=None, stderr=None) as process:
        assert eventually(
            lambda: (active(process.pid, 0.1) or 0) > 0.5 if is_busy else 0 < (active(process.pid, 0.1) or 0) < 0.1
        )
        assert active(process.pid, 3600) is None
    assert active(process.pid, 0) is None


def test_the_share_of_requests_that_wait() -> None:
    """Erlang's loss formula, by values of a table: half an erlang on 1 and 2 lines, two on five."""
    assert lost(0.5, 1) == pytest.approx(0.3333, abs=1e-4)
    assert lost(0.5, 2) == pytest.approx(0.0769, abs=1e-4)
    assert lost(2.0, 5) == pytest.approx(0.0367, abs=1e-4)
    assert lost(0.0, 2) == 0


@pytest.mark.parametrize(
    ("taken", "verdict", "text"),
    [
        ([Occupancy(1, 0.05, 1)], Verdict.OK, "1 worker of 1 script; the requests keep 0.05 busy"),
        ([Occupancy(2, 0.0, 1)] * 2, Verdict.OK, "4 workers of 2 scripts; the requests keep 0.00 busy"),
        ([Occupancy(2, 0.0, 0)] * 2, Verdict.OK, "4 workers of 2 scripts, started less than a minute ago: too early to say"),
        ([Occupancy(2, 0.4, 2)], Verdict.WARNING, "about 5% of them wait for a second: n2k deploy --spread 7 /site"),
        ([Occupancy(2, 0.2, 2)] * 2, Verdict.WARNING, "n2k deploy --spread 7 /site"),
        ([Occupancy(4, 0.4, 4)], Verdict.OK, "4 workers"),
        ([Occupancy(2, 5.0, 2)], Verdict.WARNING, "--spread 10"),
        ([Occupancy(2, 0.4, 2)] * MOST, Verdict.WARNING, "FcgidMaxProcessesPerClass"),
    ],
)
def test_advice(taken: list[Occupancy], verdict: Verdict, text: str) -> None:
    """More scripts are advised when those that run are too few for their load, and not when they are idle."""
    finding = crowding.enough(taken, Path("/site"))
    assert finding.verdict == verdict and text in str(finding)
