"""The kinds of deployment: what each writes and refuses, and how one takes another's place."""

import os
import re
import stat
import subprocess
import sys
import time
import tokenize
from pathlib import Path

import pytest

from n2k_fcgi.deploy.script import first_lines
from n2k_fcgi.deploy.workers import hosted_in
from tests.support.apache import apache
from tests.support.asking import over_cgi
from tests.support.hosted_python import HOSTED
from tests.support.hosting import Account
from tests.support.passenger import app_of, panel
from tests.support.processes import eventually

REFUSED = 82
KINDS = ("fcgid", "cgi", "passenger")
MASAKAZU = b"a27b84f0-2757-4176-9579-43a181d4a5a0"
PANEL = """\
# DO NOT REMOVE. CLOUDLINUX PASSENGER CONFIGURATION BEGIN
PassengerAppRoot "{app}"
PassengerBaseURI "/n2k"
PassengerPython "{python}"
# DO NOT REMOVE. CLOUDLINUX PASSENGER CONFIGURATION END
"""


def deployed(account: Account, kind: str, *options: str) -> str:
    """Deploy; what was printed."""
    return account.n2k("deploy", "--as", kind, *options, str(account.site))


def found(account: Account) -> dict[str, tuple[int, int, bytes]]:
    """Inode, time and bytes of each file that a deployment may write."""
    places = [path for folder in (account.site, app_of(account)) if folder.exists() for path in folder.rglob("*")]
    return {
        str(path.relative_to(account.home)): (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes())
        for path in places
        if path.is_file()
    }


WRITTEN = {
    "fcgid": ["example.com/n2k/.htaccess", "example.com/n2k/dispatch.fcgi"],
    "cgi": ["example.com/n2k/.htaccess", "example.com/n2k/n2k.cgi"],
    "passenger": ["example.com/n2k/.htaccess", "n2k-data-passenger/passenger_wsgi.py", "n2k-data-passenger/tmp/restart.txt"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_run_changes_nothing(account: Account, kind: str) -> None:
    """Bytes, inodes and times stay, with --as and without: the folder keeps its kind."""
    deployed(account, kind)
    before = found(account)
    assert sorted(before) == WRITTEN[kind]
    for again in ((), ("--as", kind)):
        assert account.n2k("deploy", *again, str(account.site)).count("unchanged: ") == 2
        assert found(account) == before


@pytest.mark.parametrize("old", KINDS)
@pytest.mark.parametrize("new", KINDS)
def test_another_kind_takes_the_place_of_the_old_one_and_of_nothing_else(account: Account, old: str, new: str) -> None:
    """Its files and its lines go; the owner's lines keep every byte, and other files of the folder stay."""
    above, below = b"# mine\r\nOptions -Indexes\n", b"# below\n"
    mine = {"page.html": "page", "other.cgi": "#!/bin/sh\necho mine\n", "other.fcgi": "#!/bin/sh\necho mine\n"}
    for name, text in mine.items():
        (account.site / name).write_text(text)
    account.htaccess.write_bytes(above)
    deployed(account, old, "--yes")
    account.htaccess.write_bytes(account.htaccess.read_bytes() + below)
    deployed(account, new)
    text = account.htaccess.read_bytes()
    assert text.startswith(above + b"# BEGIN n2k_fcgi\n") and text.endswith(b"# END n2k_fcgi\n" + below)
    assert sorted(found(account)) == sorted([*WRITTEN[new], *(f"example.com/n2k/{name}" for name in mine)])
    assert {name: (account.site / name).read_text() for name in mine} == mine
    account.n2k("deploy", "--remove", str(account.site))
    assert sorted(found(account)) == sorted(["example.com/n2k/.htaccess", *(f"example.com/n2k/{name}" for name in mine)])
    assert account.htaccess.read_bytes() == above + below


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_after_removal(account: Account, kind: str) -> None:
    """Neither in the web folder nor beside the data."""
    deployed(account, kind)
    account.n2k("deploy", "--remove", str(account.site))
    assert list(account.site.iterdir()) == [] and not app_of(account).exists()


def test_copies_are_removed_with_their_kind(account: Account) -> None:
    """All of them."""
    deployed(account, "fcgid", "--spread", "3")
    assert deployed(account, "cgi").count("removed: ") == 3
    assert sorted(found(account)) == WRITTEN["cgi"]


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("cgi", ("--spread", "2"), "--spread is not for cgi: only mod_fcgid (--as fcgid) has processes for each copy"),
        ("passenger", ("--spread", "2"), "--spread is not for passenger: only mod_fcgid"),
        ("passenger", ("--name", "x.py"), "--name is not for passenger"),
        ("fcgid", ("--app", "/tmp/x"), "--app is not for fcgid"),
        ("cgi", ("--app", "/tmp/x"), "--app is not for cgi"),
    ],
)
def test_an_option_of_another_kind_is_refused(account: Account, kind: str, options: tuple[str, ...], said: str) -> None:
    """With the reason, before anything is written."""
    done = account.run("deploy", "--as", kind, *options, str(account.site))
    assert done.returncode == REFUSED and said in done.stderr
    assert found(account) == {}


# --- CGI ----------------------------------------------------------------------------------------------------------------


def test_the_script_of_cgi_answers_in_a_bare_environment(account: Account) -> None:
    """It is executable, and starts the interpreter in the same way as that of FastCGI."""
    deployed(account, "cgi")
    script = account.site / "n2k.cgi"
    assert stat.S_IMODE(script.stat().st_mode) == 0o755
    reply = over_cgi([str(script)], {})("GET", "/?name=masakazu.kojima", {}, b"")
    assert (reply.status, reply.body) == (200, MASAKAZU)


def test_only_the_script_can_be_fetched_by_cgi(account: Account) -> None:
    """Other files are answered by the service, which knows none; certificates are renewed."""
    challenge = account.site / ".well-known" / "acme-challenge" / "x"
    challenge.parent.mkdir(parents=True)
    challenge.write_text("challenge")
    for name in ("secret.txt", "health.html", "n2k.cgi.bak"):
        (account.site / name).write_text("secret")
    deployed(account, "cgi", "--yes")
    with apache(account.site.parent, gateway="cgid") as server:
        for name in (".htaccess", "secret.txt", "n2k.cgi.bak", "health.html"):
            reply = server.get(f"/n2k/{name}")
            assert reply.status == 404 and b"nothing here" in reply.body
        assert server.get("/n2k/health").body == server.get("/n2k/n2k.cgi/health").body == b"alive\n"
        assert server.get("/n2k/.well-known/acme-challenge/x").body == b"challenge"


def test_mod_fcgid_beside_it_does_not_take_the_script(account: Account) -> None:
    """Asked for CGI, it is CGI, although the host runs FastCGI: no process stays."""
    deployed(account, "cgi")
    with apache(account.site.parent, gateway="fcgid+cgid") as server:
        assert server.get("/n2k/?name=masakazu.kojima").body == MASAKAZU
        assert eventually(lambda: server.workers(account.site / "n2k.cgi") == [])


# --- Passenger ----------------------------------------------------------------------------------------------------------


def test_no_file_of_the_folder_is_handed_out_by_passenger(account: Account) -> None:
    """Passenger serves every file that is there, were it not for the block."""
    challenge = account.site / ".well-known" / "acme-challenge" / "x"
    challenge.parent.mkdir(parents=True)
    challenge.write_text("challenge")
    for name in ("secret.txt", "health.html", "folder/page.html", "folder/index.html"):
        (account.site / name).parent.mkdir(exist_ok=True)
        (account.site / name).write_text("secret")
    with apache(account.site.parent, gateway="passenger", settings=panel(app_of(account), "/n2k")) as server:
        assert server.get("/n2k/secret.txt").body == b"secret"
        deployed(account, "passenger", "--yes")
        for name in (".htaccess", "secret.txt", "health.html", "folder/page.html", "folder/", "passenger_wsgi.py"):
            reply = server.get(f"/n2k/{name}")
            assert reply.status in (403, 404) and b"secret" not in reply.body, name
        assert server.get("/n2k/?name=masakazu.kojima").body == MASAKAZU
        assert server.get("/n2k/.well-known/acme-challenge/x").body == b"challenge"
        assert server.get("/n2k/health").status == 404  # Passenger looks for health.html: the one name that hides a page


def test_a_front_page_is_refused_for_passenger(account: Account) -> None:
    """Passenger would look at it first at the address of lookups, whatever our rules say: also with --yes."""
    (account.site / "index.html").write_text("mine")
    done = account.run("deploy", "--as", "passenger", "--yes", str(account.site))
    assert done.returncode == REFUSED and "Passenger takes index.html" in done.stderr
    assert [entry.name for entry in account.site.iterdir()] == ["index.html"] and not app_of(account).exists()


def test_a_changed_application_is_loaded_anew(account: Account) -> None:
    """``tmp/restart.txt`` tells Passenger; after the removal its processes end."""
    deployed(account, "passenger")
    with apache(account.site.parent, gateway="passenger", settings=panel(app_of(account), "/n2k")) as server:
        assert server.get("/n2k/?name=masakazu.kojima").body == MASAKAZU
        first = {worker.pid for worker in hosted_in(app_of(account))}
        assert len(first) == 1
        wsgi = app_of(account) / "passenger_wsgi.py"
        wsgi.write_text(wsgi.read_text() + "# as an older version wrote it\n")
        deployed(account, "passenger")

        def is_new() -> bool:
            assert server.get("/n2k/?name=masakazu.kojima").body == MASAKAZU
            return bool({worker.pid for worker in hosted_in(app_of(account))} - first)

        assert eventually(is_new)
        assert "stopped: workers" in account.n2k("deploy", "--remove", str(account.site))
        assert eventually(lambda: not hosted_in(app_of(account)))


def test_the_loader_begins_again_in_the_interpreter_that_has_n2k(account: Account) -> None:
    """Whatever Python the panel has chosen: one of another version hands over; one of the same version finds the packages."""
    deployed(account, "passenger")
    wsgi = app_of(account) / "passenger_wsgi.py"
    settings = panel(app_of(account), "/n2k", "/usr/bin/python3")
    with apache(account.site.parent, gateway="passenger", settings=settings) as server:
        assert server.get("/n2k/?name=masakazu.kojima").body == MASAKAZU
        (same,) = hosted_in(app_of(account))
        assert os.path.realpath(f"/proc/{same.pid}/exe") == os.path.realpath("/usr/bin/python3")
    text = wsgi.read_text()
    wsgi.write_text(text.replace("PYTHON, INTERPRETER, FOLDERS = (3, ", "PYTHON, INTERPRETER, FOLDERS = (2, "))
    assert wsgi.read_text() != text
    os.utime(wsgi, (time.time() + 2,) * 2)  # Passenger's loader keeps compiled code for a file of the same size and second
    with apache(account.site.parent, gateway="passenger", settings=settings) as server:
        assert server.get("/n2k/?name=masakazu.kojima").body == MASAKAZU
        (other,) = hosted_in(app_of(account))
        assert os.path.realpath(f"/proc/{other.pid}/exe") == os.path.realpath(HOSTED)


def test_the_file_can_be_read_by_any_python(account: Account) -> None:
    """Up to the point where it hands over there is no syntax that only later versions have."""
    deployed(account, "passenger")
    text = (app_of(account) / "passenger_wsgi.py").read_text("ascii")
    assert not re.search(r"""\bf["']""", text) and "*sys.argv" not in text and "print" not in text
    assert text.isascii()


def test_the_panels_lines_say_where_the_application_is_and_stay(account: Account) -> None:
    """Those of CloudLinux's panel, above our block: the file is written where they say, and they keep every byte."""
    app = account.home / "names"
    lines = PANEL.format(app=app, python=sys.executable)
    account.htaccess.write_text(lines)
    (app / "public").mkdir(parents=True)
    done = account.run("deploy", "--as", "passenger", str(account.site))
    assert done.returncode == 0 and "control panel" not in done.stderr
    assert (app / "passenger_wsgi.py").exists() and not app_of(account).exists()
    assert account.htaccess.read_text().startswith(lines + "# BEGIN n2k_fcgi\n")
    account.n2k("deploy", "--remove", str(account.site))
    assert account.htaccess.read_text() == lines and sorted(entry.name for entry in app.iterdir()) == ["public"]


def test_without_the_panels_lines_it_says_what_to_enter(account: Account) -> None:
    """The application's folder, and its file; the page about it."""
    done = account.run("deploy", "--as", "passenger", str(account.site))
    assert f"the application's root must be {app_of(account)}, its file passenger_wsgi.py" in done.stderr
    assert "docs/hosting/passenger.md" in done.stderr


def test_another_folder_for_the_application(account: Account) -> None:
    """As asked for, and kept by later deployments; the former one goes."""
    deployed(account, "passenger")
    app = account.home / "elsewhere"
    deployed(account, "passenger", "--app", str(app))
    assert (app / "passenger_wsgi.py").exists() and not app_of(account).exists()
    assert account.n2k("deploy", str(account.site)).count("unchanged: ") == 2
    deployed(account, "cgi")
    assert not app.exists()


def test_a_new_application_can_be_read_by_the_web_server(account: Account) -> None:
    """Modes 755 and 644, whatever the umask says."""
    command = ["sh", "-c", 'umask 077; exec "$@"', "sh", HOSTED, "-m", "n2k_fcgi", "--dir", account.data, "-q"]
    subprocess.run([*command, "deploy", "--as", "passenger", account.site], cwd=Path(__file__).parents[2], check=True)
    app = app_of(account)
    modes = [
        stat.S_IMODE(path.stat().st_mode) for path in (app, app / "tmp", app / "passenger_wsgi.py", app / "tmp/restart.txt")
    ]
    assert modes == [0o755, 0o755, 0o644, 0o644]


def refused(account: Account, app: Path) -> str:
    """Expect a refusal that writes nothing; the message."""
    before = found(account)
    done = account.run("deploy", "--as", "passenger", "--app", str(app), str(account.site))
    assert done.returncode == REFUSED, done.stderr
    assert found(account) == before
    return done.stderr


def test_an_application_within_reach_of_the_web_is_refused(account: Account) -> None:
    """Below the web folder, below a usual web root, in the data directory, in a folder that anybody can change."""
    assert "below the web root" in refused(account, account.site / "app")
    (account.home / "public_html").mkdir()
    assert "below the web root" in refused(account, account.home / "public_html" / "app")
    assert "in the data directory" in refused(account, account.data / "app")
    open_to_all = account.home / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    assert "anybody can change" in refused(account, open_to_all / "app")
    assert "no such folder" in refused(account, account.home / "nowhere" / "app")


def test_an_application_that_the_owner_has_replaced_stays_as_it_is(account: Account) -> None:
    """With his own passenger_wsgi.py in the folder, what is beside it is his, too: --remove takes the block alone."""
    account.n2k("deploy", "--as", "passenger", str(account.site))
    app = app_of(account)
    (app / "passenger_wsgi.py").write_text("application = None\n")
    account.n2k("deploy", "--remove", str(account.site))
    assert (app / "passenger_wsgi.py").exists() and (app / "tmp" / "restart.txt").exists()


def test_an_application_beside_the_web_folder_in_the_folder_of_the_domain_is_refused(account: Account) -> None:
    """The host serves ~/example.com, also while no page is in it; a folder beside public_html is none of the site."""
    served = account.home / "example.org"
    (served / "n2k").mkdir(parents=True)
    done = account.run("deploy", "--as", "passenger", "--app", str(served / "app"), str(served / "n2k"))
    assert done.returncode == REFUSED and f"below the web root {served}" in done.stderr and not (served / "app").exists()
    inner = served / "public_html" / "n2k"
    inner.mkdir(parents=True)
    account.n2k("deploy", "--as", "passenger", "--app", str(served / "app"), str(inner))
    assert (served / "app" / "passenger_wsgi.py").exists()


def test_a_panel_that_names_another_folder_is_pointed_out(account: Account) -> None:
    """The server would load the panel's application, not the one that was asked for."""
    panels = account.home / "panel"
    account.htaccess.write_text(f'PassengerAppRoot "{panels}"\n')
    done = account.run("deploy", "--as", "passenger", "--app", str(account.home / "mine"), str(account.site))
    assert done.returncode == 0 and f"the panel names another folder, {panels}: deploy with --app {panels}" in done.stderr


def test_an_application_that_is_not_ours_is_refused(account: Account) -> None:
    """The panel's example, or another program: it says what to do, and changes nothing."""
    app = account.home / "app"
    app.mkdir()
    (app / "passenger_wsgi.py").write_text("def application(environ, start_response): ...\n")
    assert "passenger_wsgi.py exists and is not ours: rename it, or choose --app" in refused(account, app)


def test_the_application_of_another_web_folder_is_refused(account: Account) -> None:
    """It would be removed with either."""
    deployed(account, "passenger")
    other = account.site.parent / "other"
    other.mkdir()
    done = account.run("deploy", "--as", "passenger", str(other))
    assert done.returncode == REFUSED and "serves another web folder: choose --app" in done.stderr


@pytest.mark.parametrize("name", ["encoding=x", "my coding: utf-7 site", "coding: utf-7 +AAo-raise SystemExit(3)+AAo-"])
def test_no_folder_is_taken_for_an_encoding(account: Account, name: str) -> None:
    """Python takes ``coding: NAME`` in a comment of the first two lines for the encoding of the file: no path is there."""
    account.site = account.site.parent / name
    account.site.mkdir()
    deployed(account, "passenger")
    wsgi = app_of(account) / "passenger_wsgi.py"
    with wsgi.open("rb") as file:
        assert tokenize.detect_encoding(file.readline) == ("utf-8", wsgi.read_bytes().splitlines(keepends=True)[:2])
    loaded = subprocess.run([HOSTED, wsgi.name], cwd=app_of(account), capture_output=True, text=True, check=False)
    assert loaded.returncode == 0, loaded.stderr
    assert account.n2k("deploy", str(account.site)).count("unchanged: ") == 2


@pytest.mark.parametrize(
    "interpreter", ["/opt/coding=x/bin/python3", "/opt/encoding:utf-7/python3", "/opt/a coding: x/python3"]
)
def test_no_interpreter_is_taken_for_an_encoding(interpreter: str) -> None:
    """Neither is its path, which the first line of a script has."""
    lines = [line.encode() + b"\n" for line in (first_lines(interpreter) + "\nimport os\n").splitlines()]
    assert tokenize.detect_encoding(iter(lines).__next__)[0] == "utf-8"


# --- the doctor ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "name"), [("cgi", "n2k.cgi"), ("passenger", "passenger_wsgi.py")])
def test_the_doctor_knows_the_kind(account: Account, kind: str, name: str) -> None:
    """It names the file, finds one of other code, and one that is missing."""
    deployed(account, kind)
    (path,) = [path for folder in (account.site, account.home) for path in folder.glob(f"**/{name}")][:1]

    def said() -> str:
        return account.run("doctor", "--web-dir", str(account.site)).stdout

    assert f"ok       script: {path}\n" in said() and "workers" not in said()
    path.write_text(path.read_text().replace("(code ", "(code 0"))
    assert f"warning  script: {path} was written by other code" in said()
    path.unlink()
    assert f"problem  script: {path} is missing" in said()
