"""``n2k deploy --as auto``: the host is asked, the best that answers is taken, and nothing of the probe stays."""

import os
import re
import signal
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from n2k_fcgi.deploy import passenger, probe
from n2k_fcgi.deploy.asking import Reply
from n2k_fcgi.deploy.choice import choose
from n2k_fcgi.deploy.kind import Deployment, Kind, Trial
from n2k_fcgi.deploy.leftovers import remove_leftovers
from n2k_fcgi.deploy.passenger import places
from n2k_fcgi.deploy.replacing import beside
from n2k_fcgi.deploy.script import OURS, PROBE
from n2k_fcgi.deploy.workers import workers
from n2k_fcgi.errors import DeployRefused, RemovalRefused
from n2k_fcgi.files import try_lock
from tests.support.apache import Apache, apache
from tests.support.hosted_python import HOSTED
from tests.support.hosting import REPOSITORY, Account
from tests.support.passenger import app_of, panel
from tests.support.processes import eventually

MASAKAZU = b"a27b84f0-2757-4176-9579-43a181d4a5a0"
SCRIPTS = {"fcgid": ["dispatch.fcgi"], "cgi": ["n2k.cgi"], "passenger": []}
ALL = "fcgid+cgid+passenger"


def host(account: Account, gateway: str, *, panels: bool = False) -> "AbstractContextManager[Apache]":
    """A server with these modules; *panels*: Passenger is set up for the folder, as a control panel does it."""
    settings = panel(app_of(account), "/n2k") if panels else ""
    return apache(account.site.parent, gateway=gateway, settings=settings)


def auto(account: Account, server: Apache, *options: str) -> str:
    """Ask the host; what was printed."""
    return account.n2k("deploy", "--as", "auto", "--url", f"{server.url}/n2k/", *options, str(account.site))


def leftovers(account: Account) -> list[str]:
    """Files that no kind of deployment has."""
    return [entry.name for entry in account.site.iterdir() if entry.name.startswith(probe.PREFIX)]


@pytest.mark.parametrize(
    ("gateway", "panels", "kind"),
    [
        (ALL, False, "fcgid"),
        (ALL, True, "passenger"),
        ("fcgid+cgid", False, "fcgid"),
        ("fcgid", False, "fcgid"),
        ("cgid+passenger", True, "passenger"),
        ("passenger", True, "passenger"),
        ("cgid+passenger", False, "cgi"),
        ("cgid", False, "cgi"),
    ],
)
def test_the_best_that_answers_is_taken(account: Account, gateway: str, panels: bool, kind: str) -> None:
    """Whichever modules are absent; the service answers then, and neither files nor processes of the probe are left.

    Where Passenger is set up for the folder, it takes the requests of FastCGI too, so that this does not answer.
    """
    with host(account, gateway, panels=panels) as server:
        said = auto(account, server)
        assert f"chosen: {kind}, the best that answers" in said and "asked for a file: served" in said
        assert ("FastCGI (mod_fcgid): answers 20 of 20 requests" in said) == (kind == "fcgid")
        assert eventually(lambda: server.get("/n2k/?name=masakazu.kojima").body == MASAKAZU), server.error_log
        assert sorted(entry.name for entry in account.site.iterdir()) == sorted({".htaccess", *SCRIPTS[kind]})
        assert app_of(account).exists() == (kind == "passenger")
        assert not [
            worker for worker in workers() if probe.PREFIX in str(worker.script) and str(account.home) in str(worker.script)
        ]


def test_what_was_found_is_said(account: Account) -> None:
    """A line for each way."""
    with host(account, "cgid") as server:
        said = auto(account, server)
    assert re.findall(r"^asked for (.*)$", said, re.MULTILINE) == [
        "a file: served",
        "FastCGI (mod_fcgid): does not answer (the script is run as cgi, after 0 good answers)",
        "Passenger: does not answer (status 404)",
        "CGI: answers",
    ]


def test_where_nothing_answers_a_new_folder_is_refused(account: Account) -> None:
    """A host that runs nothing, but serves files, would show the source of a script; a deployed folder stays as it is."""
    with host(account, "none") as server:
        again = ("deploy", "--as", "auto", "--url", f"{server.url}/n2k/", str(account.site))
        done = account.run(*again)
        assert done.returncode == 82 and "neither FastCGI nor Passenger nor CGI answers there" in done.stderr
        assert list(account.site.iterdir()) == []
        account.n2k("deploy", "--as", "cgi", str(account.site))
        done = account.run(*again)
        assert done.returncode == 0 and "chosen: cgi, as before, since nothing answers" in done.stdout
        assert "now find out why: n2k" in done.stderr and "it says 'alive'" not in done.stderr
    assert not leftovers(account)


def test_without_an_address_it_is_fcgid_and_a_line_says_so(account: Account) -> None:
    """Nothing is asked; with the setting it is, also without the option."""
    done = account.run("deploy", str(account.site))
    assert done.returncode == 0 and account.script.exists()
    told = f"the host was not asked how it runs programs, fcgid was taken; to ask it: n2k deploy {account.site} --as auto --url"
    assert told in done.stderr
    account.n2k("deploy", "--remove", str(account.site))
    with host(account, "cgid") as server:
        account.settings(f"url = {server.url}/n2k/")
        assert "chosen: cgi" in account.n2k("deploy", str(account.site))


def test_an_address_that_is_given_is_asked(account: Account) -> None:
    """Also where something is deployed: who gives it wants to know."""
    account.n2k("deploy", str(account.site))
    with host(account, "cgid") as server:
        assert "chosen: cgi" in account.n2k("deploy", "--url", f"{server.url}/n2k", str(account.site))
    done = account.run("deploy", "--patient", str(account.site))
    assert done.returncode == 2 and "--patient is for --as auto" in done.stderr


def test_an_address_that_serves_another_folder_is_found_out(account: Account) -> None:
    """The file is not served there: it stays as it is, and says why; another site's answers prove nothing."""
    with host(account, "cgid") as server:
        wrong = ("deploy", "--as", "auto", "--url", f"{server.url}/other/", str(account.site))
        assert "chosen: fcgid, since a file in this folder is not served at that address: status 404" in account.n2k(*wrong)
        account.n2k("deploy", "--as", "cgi", str(account.site))
        assert "chosen: cgi, since a file in this folder is not served" in account.n2k(*wrong)


@pytest.mark.parametrize("present", ["cgi", "passenger", "fcgid"])
def test_a_deployed_folder_is_asked_on_demand_only(account: Account, present: str) -> None:
    """Without --as, as at an upgrade, the kind stays and nobody is asked; auto asks, whatever rules are there."""
    with host(account, ALL, panels=True) as server:
        account.settings(f"url = {server.url}/n2k/")
        account.n2k("deploy", "--as", present, str(account.site))
        assert "asked" not in account.n2k("deploy", str(account.site))
        assert (account.site / SCRIPTS[present][0]).exists() if SCRIPTS[present] else app_of(account).exists()
        said = auto(account, server)
        assert "Passenger: answers" in said and "CGI: answers" in said and "chosen: passenger" in said
        assert eventually(lambda: server.get("/n2k/?name=masakazu.kojima").body == MASAKAZU), server.error_log
        assert [entry.name for entry in account.site.iterdir()] == [".htaccess"]


def test_fastcgi_that_fails_now_and_then_is_not_taken(account: Account) -> None:
    """In the idle minute something happens to it: the next best is taken, and how far it came is said."""
    with host(account, "fcgid+cgid") as server:
        paused = []

        def pause() -> None:
            paused.extend(account.site.glob(f"{probe.PREFIX}*/fcgid/dispatch.fcgi"))
            paused[0].unlink()

        found = probe.probe(Deployment(account.site, account.data), f"{server.url}/n2k/", pause)
        assert len(paused) == 1
        assert found.results[Kind.FCGID] == probe.Result(10, 20, "status 404")
        assert choose(found, None).kind is Kind.CGI


IMPATIENT = "from n2k_fcgi.cli import deploy_cmd, main; deploy_cmd.IDLE = 0.0; main()"


def test_patience_waits_in_the_middle(account: Account) -> None:
    """Once, for FastCGI alone; here for no time at all."""
    with host(account, "fcgid") as server:
        command = [HOSTED, "-c", IMPATIENT, "--dir", str(account.data), "deploy", "--url", f"{server.url}/n2k/", "--patient"]
        done = subprocess.run(
            [*command, str(account.site)],
            cwd=REPOSITORY,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stderr.count("waiting for 0 seconds") == 1 and "answers 20 of 20 requests" in done.stdout


def test_patience_is_for_asking(account: Account) -> None:
    """With a kind that is given there is nothing to wait for."""
    done = account.run("deploy", "--as", "cgi", "--patient", str(account.site))
    assert done.returncode == 2 and "--patient is for --as auto" in done.stderr


KILLED = """
import os, signal, sys
from n2k_fcgi.cli import main
from n2k_fcgi.deploy import probe

moment = sys.argv.pop(1)
real = probe.ask

def ask(url):
    if moment in url:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(url)

probe.ask = ask
main()
"""


@pytest.mark.parametrize("moment", ["/static/", "/fcgid/", "/passenger/", "/cgi/"])
def test_what_a_kill_leaves_goes_at_the_next_deployment(account: Account, moment: str) -> None:
    """Killed while it asks, in each of its steps: the site is as before, and the next deployment removes the probe."""
    with host(account, ALL, panels=True) as server:
        command = ["--dir", str(account.data), "deploy", "--as", "auto", "--url", f"{server.url}/n2k/", str(account.site)]
        done = subprocess.run(
            [HOSTED, "-c", KILLED, moment, *command],
            cwd=REPOSITORY,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
        left = leftovers(account)
        assert len(left) == 1 and not account.htaccess.exists()
        assert (app_of(account) / "passenger_wsgi.py").exists() == (moment in ("/passenger/", "/cgi/"))
        assert f"removed: {account.site / left[0]}, which a probe has left" in account.n2k(
            "deploy", "--as", "cgi", str(account.site)
        )
        assert sorted(entry.name for entry in account.site.iterdir()) == [".htaccess", "n2k.cgi"]
        assert not app_of(account).exists()


def test_a_probe_that_runs_is_not_removed_by_another_deployment(account: Account) -> None:
    """It holds a lock; when it has ended, its folder is gone anyway."""
    with host(account, "fcgid") as server:
        seen: list[str] = []

        def pause() -> None:
            account.n2k("deploy", "--as", "fcgid", str(account.site))
            seen.extend(leftovers(account))

        found = probe.probe(Deployment(account.site, account.data), f"{server.url}/n2k/", pause)
        assert len(seen) == 1 and found.results[Kind.FCGID].problem == ""
        assert not leftovers(account)


def test_nobody_can_guess_or_list_the_probe(account: Account) -> None:
    """Its name has 128 random bits, and no two are equal."""
    names = set()
    with host(account, "fcgid") as server:
        for _ in range(2):
            probe.probe(Deployment(account.site, account.data), f"{server.url}/n2k/", lambda: names.update(leftovers(account)))
    assert len(names) == 2 and all(re.fullmatch(r"n2k-probe-[0-9a-f]{32}", name) for name in names)


def test_a_folder_of_the_owner_with_a_like_name_stays(account: Account) -> None:
    """Only names that a probe makes are removed, and no link is followed."""
    (account.site / "n2k-probe-mine").mkdir()
    elsewhere = account.home / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").touch()
    (account.site / f"n2k-probe-{'0' * 32}").symlink_to(elsewhere)
    account.n2k("deploy", "--yes", str(account.site))
    assert (elsewhere / "precious").exists() and len(leftovers(account)) == 2


def planted(account: Account) -> Path:
    """A folder with a name that a probe may have."""
    folder = account.site / f"{probe.PREFIX}{'0' * 32}"
    folder.mkdir(mode=0o755)
    return folder


@pytest.mark.parametrize("command", [("--as", "cgi"), ("--remove",)])
def test_a_pipe_in_place_of_the_lock_holds_nobody_up(account: Account, command: tuple[str, ...]) -> None:
    """Opened as a file it would wait for a writer forever; nobody holds a lock there, so that the folder goes."""
    folder = planted(account)
    os.mkfifo(folder / "lock")
    assert f"removed: {folder}" in account.n2k("deploy", *command, str(account.site))
    assert not folder.exists()


@pytest.mark.parametrize(("command", "code"), [(("--as", "cgi"), 82), (("--remove",), 88)])
@pytest.mark.parametrize("thing", ["pipe", "link"])
def test_what_was_written_elsewhere_is_read_from_a_file_alone(
    account: Account, thing: str, command: tuple[str, ...], code: int
) -> None:
    """Neither from a pipe, nor through a link: it is refused, and what to do is said."""
    folder = planted(account)
    if thing == "pipe":
        os.mkfifo(folder / "elsewhere")
    else:
        (account.home / "list").write_text("")
        (folder / "elsewhere").symlink_to(account.home / "list")
    done = account.run("deploy", *command, str(account.site))
    assert done.returncode == code and str(folder / "elsewhere") in done.stderr, done.stderr
    assert folder.exists()


def victim(account: Account, app: Path) -> Path:
    """A folder that a link in *app*, which looks like a probe's, leads to: with an empty restart.txt."""
    folder = account.home / "victim"
    folder.mkdir()
    (folder / "restart.txt").touch()
    app.mkdir(mode=0o755)
    (app / "passenger_wsgi.py").write_text(f"{OURS}\n{PROBE}\n")
    (app / "tmp").symlink_to(folder)
    return folder


def suspect(folder: Path) -> str:
    """The warning about it."""
    return f"warning: {folder} is named as a probe is, but it may be from somebody else"


@pytest.mark.parametrize("command", [("--as", "cgi"), ("--remove",)])
@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_a_probe_that_others_could_write_is_not_believed(account: Account, command: tuple[str, ...], mode: int) -> None:
    """It stays, with all that its list names, and a warning names it."""
    folder = planted(account)
    app = account.home / "app"
    victim(account, app)
    (folder / "elsewhere").write_text(f"{app}/passenger_wsgi.py\n")
    folder.chmod(mode)
    done = account.run("deploy", *command, str(account.site))
    assert done.returncode == 0 and suspect(folder) in done.stderr, done.stderr
    assert folder.exists() and (app / "passenger_wsgi.py").exists()


@pytest.mark.parametrize("command", [("--as", "cgi"), ("--remove",)])
@pytest.mark.parametrize("held", [["restart.txt", "passenger_wsgi.cpython-311.pyc"], []])
def test_links_in_the_folder_of_an_application_are_not_followed(
    account: Account, command: tuple[str, ...], held: list[str]
) -> None:
    """The file of the probe goes, whatever else its list names; what the links lead to stays, and so do the links."""
    folder = planted(account)
    app = account.home / "app"
    target = victim(account, app)
    (app / "__pycache__").symlink_to(target)
    (target / "restart.txt").unlink()
    for name in held:
        (target / name).touch()
    named = [app / "passenger_wsgi.py", *places(app)]
    (folder / "elsewhere").write_text("".join(f"{path}\n" for path in named))
    account.n2k("deploy", *command, str(account.site))
    assert not folder.exists() and not (app / "passenger_wsgi.py").exists()
    assert sorted(path.name for path in target.iterdir()) == sorted(held)
    assert (app / "tmp").is_symlink() and (app / "__pycache__").is_symlink()


@pytest.mark.parametrize("way", ["link", "open", "open above"])
def test_an_application_that_others_may_have_made_is_left(account: Account, way: str) -> None:
    """Named by the list of our own probe, it is a link, or a folder that anybody can write to, or can put another one for."""
    folder = planted(account)
    (account.home / "above").mkdir()
    app = account.home / "above" / "app"
    victim(account, app)
    named = app
    if way == "link":
        named = account.home / "link"
        named.symlink_to(app)
    else:
        (app if way == "open" else app.parent).chmod(0o777)
    (folder / "elsewhere").write_text(f"{named}/passenger_wsgi.py\n")
    account.n2k("deploy", "--as", "cgi", str(account.site))
    assert not folder.exists() and (app / "passenger_wsgi.py").exists()


def test_an_application_that_serves_stays(account: Account) -> None:
    """The list of a probe names it, and it is no probe any more: it is that of another web folder."""
    account.n2k("deploy", "--as", "passenger", str(account.site))
    wsgi = app_of(account) / "passenger_wsgi.py"
    account.site = account.site.with_name("second")
    account.site.mkdir()
    folder = planted(account)
    (folder / "elsewhere").write_text("".join(f"{path}\n" for path in (wsgi, *places(wsgi.parent))))
    account.n2k("deploy", "--as", "cgi", str(account.site))
    assert not folder.exists() and wsgi.exists() and (wsgi.parent / "tmp" / "restart.txt").exists()


def test_a_link_in_place_of_the_file_of_a_probe_is_refused(account: Account) -> None:
    """Neither it nor what it leads to is read or removed, and what to do is said."""
    folder = planted(account)
    app = account.home / "app"
    app.mkdir(mode=0o755)
    (account.home / "text").write_text(f"{OURS}\n{PROBE}\n")
    (app / "passenger_wsgi.py").symlink_to(account.home / "text")
    (folder / "elsewhere").write_text(f"{app}/passenger_wsgi.py\n")
    done = account.run("deploy", "--as", "cgi", str(account.site))
    assert done.returncode == 82 and f"{app}/passenger_wsgi.py" in done.stderr and "by hand" in done.stderr
    assert (app / "passenger_wsgi.py").is_symlink() and (account.home / "text").exists()


def test_nobody_makes_a_killed_probe_look_as_if_it_ran(account: Account) -> None:
    """Its lock is a link to a file that somebody holds a lock of: that is no probe's, and the folder goes."""
    folder = planted(account)
    (folder / "lock").symlink_to(account.home / "held")
    with (account.home / "held").open("w") as held:
        assert try_lock(held.fileno())
        account.n2k("deploy", "--as", "cgi", str(account.site))
    assert not folder.exists()


def test_no_probe_is_put_into_the_folder_of_another_user(account: Account) -> None:
    """Such an application cannot be tried: it says why."""
    app_of(account).mkdir(mode=0o755)
    os.chown(app_of(account), 65534, -1)
    with pytest.raises(DeployRefused, match="belongs to another user"):
        passenger.trial(Deployment(account.site, account.data), b"", account.site / "probe", "0" * 32)


def test_a_folder_that_anybody_can_change_is_refused_before_leftovers_are_looked_at(account: Account) -> None:
    """With --remove, which works there, they stay."""
    folder = planted(account)
    account.site.chmod(0o777)
    done = account.run("deploy", "--as", "cgi", str(account.site))
    assert done.returncode == 82 and "anybody can change" in done.stderr and folder.exists()
    assert suspect(folder) not in done.stderr
    done = account.run("deploy", "--remove", str(account.site))
    assert done.returncode == 0 and suspect(folder) in done.stderr and folder.exists()


def test_a_probe_of_another_user_is_not_believed(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here it is the reader that is another user, which needs no rights."""
    folder = planted(account)
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    assert remove_leftovers(account.site, RemovalRefused) == ([], [folder])
    assert folder.exists()


@pytest.mark.parametrize("there", [[], ["tmp"], ["tmp", "tmp/restart.txt", "__pycache__"]])
@pytest.mark.parametrize("killed", [False, True])
def test_what_the_panel_made_stays(account: Account, there: list[str], *, killed: bool) -> None:
    """The application's folder, empty or not, before the probe of Passenger: it is as before, also after a kill."""
    app = app_of(account)
    app.mkdir()
    for name in there:
        (app / name).touch() if "." in name else (app / name).mkdir()
    with host(account, ALL, panels=True) as server:
        if killed:
            command = ["--dir", str(account.data), "deploy", "--as", "auto", "--url", f"{server.url}/n2k/", str(account.site)]
            environment = {"PATH": os.environ["PATH"]}
            program = [HOSTED, "-c", KILLED, "/cgi/", *command]
            done = subprocess.run(program, cwd=REPOSITORY, env=environment, capture_output=True, check=False)
            assert done.returncode == -signal.SIGKILL and (app / "passenger_wsgi.py").exists(), done.stderr
            account.n2k("deploy", "--as", "cgi", str(account.site))
        else:
            probe.probe(Deployment(account.site, account.data), f"{server.url}/n2k/", lambda: None)
    assert sorted(str(path.relative_to(app)) for path in app.rglob("*")) == sorted(there)


def test_what_a_probe_made_before_its_file_goes(account: Account) -> None:
    """Killed when it had made the folder of the application, and nothing in it."""
    folder, app = planted(account), app_of(account)
    app.mkdir(mode=0o755)
    (folder / "elsewhere").write_text(f"{app}/passenger_wsgi.py\n{app}\n")
    account.n2k("deploy", "--as", "cgi", str(account.site))
    assert not folder.exists() and not app.exists()


def test_what_a_probe_notes_cannot_be_fetched(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the server lists folders and runs as the account, too: no list shows the probe, and its own files are refused."""
    (account.site / ".htaccess").write_text("Options +Indexes\n")
    seen: list[tuple[str, int]] = []
    with host(account, "cgid") as server:
        asked = probe.ask

        def look(url: str) -> Reply:
            if "/passenger/" in url:
                (folder,) = account.site.glob("n2k-probe-*")
                listed = server.get("/n2k/")
                assert listed.status == 200 and folder.name not in listed.body.decode()
                for path in sorted(path for path in folder.iterdir() if path.is_file()):
                    path.chmod(0o644)  # as if the server were the owner
                    seen.append((path.name, server.get(f"/n2k/{folder.name}/{path.name}").status))
                seen.append(("", server.get(f"/n2k/{folder.name}/").status))
            return asked(url)

        monkeypatch.setattr(probe, "ask", look)
        found = probe.probe(Deployment(account.site, account.data), f"{server.url}/n2k/", lambda: None)
    assert seen == [(".htaccess", 403), ("elsewhere", 403), ("lock", 403), ("", 403)]
    assert not found.results[Kind.CGI].problem


@pytest.mark.parametrize("command", [("--as", "cgi"), ("--remove",)])
def test_a_probe_killed_before_a_rename_leaves_no_new_file(
    account: Account, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """In the folder of the application, which goes with them: the probe itself has noted where it writes."""
    app = app_of(account)

    def killed(self: object, trial: Trial, place: Path) -> None:
        if place.name == Kind.PASSENGER.value:
            monkeypatch.setattr(probe, "remove", lambda folder: None)
            monkeypatch.setattr(probe, "put_file", lambda file, text: stop(file.path))
        write(self, trial, place)

    def stop(path: Path) -> None:
        for new in (path, app / "tmp" / "restart.txt"):
            new.parent.mkdir(parents=True, exist_ok=True)
            beside(new).touch()
        raise KeyboardInterrupt

    with host(account, "none") as server:
        write = probe._Host.write
        monkeypatch.setattr(probe._Host, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            probe.probe(Deployment(account.site, account.data), f"{server.url}/n2k/", lambda: None)
    assert len(leftovers(account)) == 1 and len(list(app.rglob("*.new"))) == 2
    account.n2k("deploy", *command, str(account.site))
    assert leftovers(account) == [] and not app.exists()
