"""``n2k deploy``: what it writes, keeps and refuses."""

import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import markupsafe
import pytest

from n2k_fcgi.deploy.installation import PACKAGES, places_of_packages
from n2k_fcgi.deploy.script import first_lines
from n2k_fcgi.deploy.webroot import likely_url
from tests.support.asking import over_cgi
from tests.support.hosting import REPOSITORY, Account

REFUSED = 82


@pytest.fixture
def account(tmp_path: Path) -> Account:
    """A home with data, nothing deployed."""
    return Account(tmp_path / "home")


def identities(account: Account) -> list[tuple[int, int, bytes]]:
    """Inode, time and bytes of the files that deploy writes."""
    return [(f.stat().st_ino, f.stat().st_mtime_ns, f.read_bytes()) for f in (account.script, account.htaccess)]


def test_writes_an_executable_script_with_absolute_paths(account: Account) -> None:
    """Mode 755, LF line ends, this interpreter isolated and without ``site``, the absolute path of the data directory."""
    account.n2k("deploy", str(account.site))
    text = account.script.read_bytes()
    assert stat.S_IMODE(account.script.stat().st_mode) == 0o755
    assert text.startswith(f"#!{sys.executable} -IS\n".encode())
    assert b"\r" not in text
    assert repr(str(account.data)).encode() in text


def test_the_script_answers_as_plain_cgi(account: Account) -> None:
    """Run as a CGI script, with a bare environment, it answers a lookup."""
    account.n2k("deploy", str(account.site))
    reply = over_cgi(str(account.script), {})("GET", "/?name=masakazu.kojima", {}, b"")
    assert (reply.status, reply.body) == (200, b"a27b84f0-2757-4176-9579-43a181d4a5a0")


def test_another_python_of_the_same_name_looks_for_its_packages_itself(account: Account) -> None:
    """After an update of Python in place the folders that the script names are the old one's: it answers all the same."""
    account.n2k("deploy", str(account.site))
    text = account.script.read_text()
    account.script.write_text(text.replace(f"== {sys.version_info[:2]!r} and", "== (3, 3) and"))
    assert account.script.read_text() != text
    reply = over_cgi(str(account.script), {})("GET", "/?name=masakazu.kojima", {}, b"")
    assert (reply.status, reply.body) == (200, b"a27b84f0-2757-4176-9579-43a181d4a5a0")


@pytest.mark.parametrize("gone", PACKAGES)
def test_packages_that_have_moved_are_looked_for(account: Account, gone: str) -> None:
    """After an installation in another way one may be elsewhere: the script answers nevertheless, and the doctor tells."""
    account.n2k("deploy", str(account.site))
    text = account.script.read_text()
    place = places_of_packages()[PACKAGES.index(gone)]
    folders = re.search(r"sys\.path \+= (\[.*\])", text)
    assert folders is not None and repr(place) in text
    moved = text.replace(repr(place), repr("/nowhere/" + gone)).replace(folders[1], "['/nowhere']")
    account.script.write_text(moved)
    reply = over_cgi(str(account.script), {})("GET", "/?name=masakazu.kojima", {}, b"")
    assert (reply.status, reply.body) == (200, b"a27b84f0-2757-4176-9579-43a181d4a5a0")
    found = account.run("doctor", "--web-dir", str(account.site)).stdout
    assert f"warning  script: {account.script} names /nowhere/{gone}, which is not there" in found
    account.n2k("deploy", str(account.site))
    assert f"ok       script: {account.script}" in account.run("doctor", "--web-dir", str(account.site)).stdout


def test_an_interpreter_that_has_moved_is_named_by_the_doctor(account: Account) -> None:
    """The virtual environment was renamed: nothing starts the script, whichever way it starts its interpreter."""
    account.n2k("deploy", str(account.site))
    text = account.script.read_text()
    for first in ("#!/gone/python -IS\n", '#!/bin/sh\n"exec" "/gone/python" "-I" "$0" "$@"\n'):
        account.script.write_text(first + text.partition("\n")[2])
        found = account.run("doctor", "--web-dir", str(account.site)).stdout
        assert f"problem  script: {account.script} is started by /gone/python, which is not there" in found


def test_a_script_that_is_not_ours_any_more_is_named_by_the_doctor(account: Account) -> None:
    """An upload went wrong: what deploy will refuse is told before."""
    account.n2k("deploy", str(account.site))
    account.script.write_text("")
    found = account.run("doctor", "--web-dir", str(account.site)).stdout
    assert f"problem  script: {account.script} is not ours, but the block starts it: move it elsewhere" in found
    assert "not ours" in refused(account)


HOOK = """
import sys
import sysconfig
import venv
from importlib.util import spec_from_file_location

class Finder:
    def find_spec(name, path, target=None):
        if name == "markupsafe":
            return spec_from_file_location(name, {file!r}, submodule_search_locations=[{folder!r}])

sys.meta_path.insert(0, Finder)
"""


def installed(tools: Path, *, but: str) -> tuple[Path, list[Path]]:
    """Make a virtual environment with links to all packages, except those called *but*…: its folder of packages, and those."""
    venv.create(tools, symlinks=True, with_pip=False)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(tools)}))
    left_out = []
    for entry in (*Path(sysconfig.get_path("purelib")).iterdir(), REPOSITORY / "n2k_fcgi"):
        if entry.name.lower().startswith(but):
            left_out.append(entry)
        elif entry.suffix != ".pth" and not entry.name.startswith("__editable__"):
            (packages / entry.name).symlink_to(entry)
    return packages, left_out


def deployed_by(tools: Path, account: Account) -> "subprocess.CompletedProcess[str]":
    """Deploy with the Python of that environment."""
    command = [tools / "bin" / "python", "-m", "n2k_fcgi", "--dir", account.data, "-q", "deploy", account.site]
    return subprocess.run(command, cwd="/", env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False)


def test_packages_that_only_site_finds_keep_it(tmp_path: Path) -> None:
    """Where a hook of the installation finds a package that is in no folder of the path, the script starts with ``site``."""
    account = Account(tmp_path / "home")
    packages, _ = installed(tmp_path / "tools", but="markupsafe")
    folder = Path(str(markupsafe.__file__)).parent
    (packages / "hook.py").write_text(HOOK.format(file=str(folder / "__init__.py"), folder=str(folder)))
    (packages / "hook.pth").write_text("import hook\n")
    assert deployed_by(tmp_path / "tools", account).returncode == 0
    assert account.script.read_text().startswith(f"#!{tmp_path}/tools/bin/python -I\n")
    reply = over_cgi(str(account.script), {})("GET", "/api/v1/avatars?name=masakazu.kojima", {}, b"")
    assert reply.status == 200


def test_a_second_run_changes_nothing(account: Account) -> None:
    """Bytes, inodes and times are the same, and it says so."""
    account.n2k("deploy", str(account.site))
    before = identities(account)
    assert account.n2k("deploy", str(account.site)).count("unchanged: ") == 2
    assert identities(account) == before


def test_another_text_comes_by_rename(account: Account) -> None:
    """A changed script is a new inode, by which mod_fcgid notices it; no temporary file is left."""
    account.n2k("deploy", str(account.site))
    inode = account.script.stat().st_ino
    account.script.write_text(account.script.read_text().replace("(code ", "(code 0"))
    account.n2k("deploy", str(account.site))
    assert account.script.stat().st_ino != inode
    assert sorted(entry.name for entry in account.site.iterdir()) == [".htaccess", "dispatch.fcgi"]


@pytest.mark.measured
def test_a_wrong_mode_is_mended_in_place(account: Account) -> None:
    """A script that lost its x bits gets them back without a new inode."""
    account.n2k("deploy", str(account.site))
    inode = account.script.stat().st_ino
    account.script.chmod(0o644)
    account.n2k("deploy", str(account.site))
    assert (account.script.stat().st_ino, stat.S_IMODE(account.script.stat().st_mode)) == (inode, 0o755)


@pytest.mark.parametrize(
    "before", [b"", b"# mine\nDeny from 192.0.2.1\n", b"# no end of line", b"# caf\xe9\r\nOptions -Indexes\r\n"]
)
def test_the_owners_lines_stay(account: Account, before: bytes) -> None:
    """Lines above and below the block keep every byte, when it is added and when it is replaced."""
    account.htaccess.write_bytes(before)
    account.n2k("deploy", str(account.site))
    added = account.htaccess.read_bytes()
    assert added.startswith(before)
    below = b"# below, mine too\r\n"
    account.htaccess.write_bytes(added.replace(b"ExecCGI", b"OldThing") + below)
    account.n2k("deploy", str(account.site))
    assert account.htaccess.read_bytes() == added + below


def test_the_block_has_no_carriage_return_and_is_there_once(account: Account) -> None:
    """Three deployments under different names leave one block, with LF line ends."""
    for name in ("dispatch.fcgi", "other.fcgi", "dispatch.fcgi"):
        account.n2k("deploy", str(account.site), "--name", name)
    text = account.htaccess.read_bytes()
    assert text.count(b"# BEGIN n2k_fcgi\n") == text.count(b"# END n2k_fcgi\n") == 1
    assert b"\r" not in text and b"other" not in text


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_htaccess_keeps_its_mode(account: Account, mode: int) -> None:
    """The owner's mode is kept when the file is replaced."""
    account.htaccess.write_text("# mine\n")
    account.htaccess.chmod(mode)
    account.n2k("deploy", str(account.site))
    assert stat.S_IMODE(account.htaccess.stat().st_mode) == mode


def test_a_new_htaccess_can_be_read_by_the_web_server(account: Account) -> None:
    """Mode 644, whatever the umask says."""
    subprocess.run(
        [
            "sh",
            "-c",
            'umask 077; exec "$@"',
            "sh",
            sys.executable,
            "-m",
            "n2k_fcgi",
            "--dir",
            account.data,
            "-q",
            "deploy",
            account.site,
        ],
        check=True,
        cwd=REPOSITORY,
        capture_output=True,
    )
    assert stat.S_IMODE(account.htaccess.stat().st_mode) == 0o644


def test_a_linked_htaccess_stays_a_link(account: Account) -> None:
    """Where .htaccess is a symbolic link, its target gets the block."""
    target = account.home / "shared.htaccess"
    target.write_text("# mine\n")
    account.htaccess.symlink_to(target)
    account.n2k("deploy", str(account.site))
    assert account.htaccess.is_symlink() and b"# BEGIN n2k_fcgi" in target.read_bytes()


def refused(account: Account, *arguments: str) -> str:
    """Deploy, expecting a refusal that changes nothing in the site's folder; the message."""
    before = {entry.name: entry.read_bytes() for entry in account.site.iterdir() if entry.is_file()}
    done = account.run("deploy", str(account.site), *arguments)
    assert done.returncode == REFUSED, done.stderr
    assert {entry.name: entry.read_bytes() for entry in account.site.iterdir() if entry.is_file()} == before
    return done.stderr


def test_refuses_a_script_that_is_not_ours(account: Account) -> None:
    """The dispatch.fcgi of another program is kept."""
    account.script.write_text("#!/bin/sh\necho mine\n")
    assert "not ours" in refused(account)


@pytest.mark.parametrize("marks", [b"# BEGIN n2k_fcgi\n", b"# END n2k_fcgi\n# BEGIN n2k_fcgi\n", b"# END n2k_fcgi\n"])
def test_refuses_broken_marks(account: Account, marks: bytes) -> None:
    """The beginning and the end of the block are never guessed."""
    account.htaccess.write_bytes(b"# mine\n" + marks + b"# mine\n")
    assert "repair it by hand" in refused(account)


@pytest.mark.parametrize("name", [".htaccess", "a/b.fcgi", "..", "", "-", "a b.fcgi", "x\ny"])
def test_refuses_odd_script_names(account: Account, name: str) -> None:
    """A name that needs quoting, is hidden, or is a path is refused."""
    assert "not a file name" in refused(account, "--name", name)


def test_refuses_without_data(account: Account) -> None:
    """For a missing data directory the message has the command that creates one."""
    shutil.rmtree(account.data)
    assert "init" in refused(account)


def test_refuses_a_missing_folder(account: Account) -> None:
    """A missing folder is not created: the web server would not serve it."""
    done = account.run("deploy", str(account.home / "nowhere"))
    assert done.returncode == REFUSED and "no such folder" in done.stderr


@pytest.mark.parametrize(
    ("data", "site"),
    [
        ("site/data", "site"),
        ("public_html/n2k-data", "public_html/example.com/n2k"),
        ("HTDOCS/data", "HTDOCS/a"),
        ("data", "data/web"),
    ],
)
def test_refuses_data_within_reach_of_the_web(account: Account, data: str, site: str) -> None:
    """Data below the site or below a web root, or data that contains the site, is refused."""
    moved = account.home / data
    moved.parent.mkdir(parents=True, exist_ok=True)
    account.data.rename(moved)
    account.data, account.site = moved, account.home / site
    account.site.mkdir(parents=True, exist_ok=True)
    assert "web" in refused(account)


@pytest.mark.measured
def test_refuses_data_reached_through_a_link(account: Account) -> None:
    """A symbolic link does not hide that the data is below the site."""
    inside = account.site / "hidden"
    account.data.rename(inside)
    account.data.symlink_to(inside)
    assert "web root" in refused(account)


@pytest.mark.measured
def test_refuses_a_site_that_anybody_can_write(account: Account) -> None:
    """Any user could replace the script there."""
    account.site.chmod(0o777)
    assert "anybody can change" in refused(account)


def test_refuses_code_that_anybody_can_write(account: Account) -> None:
    """Any user could replace a package below a world-writable folder."""
    folder = account.home / "open"
    shutil.copytree(REPOSITORY / "n2k_fcgi", folder / "n2k_fcgi")
    folder.chmod(0o777)
    done = subprocess.run(
        [sys.executable, "-m", "n2k_fcgi", "--dir", account.data, "deploy", account.site],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(folder)},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == REFUSED and "anybody can change" in done.stderr
    assert list(account.site.iterdir()) == []


def test_refuses_packages_that_anybody_can_write(tmp_path: Path) -> None:
    """Any user could replace what a worker imports, in a folder that a .pth file adds to the path."""
    account = Account(tmp_path / "home")
    packages, left_out = installed(tmp_path / "tools", but="loguru")
    others = tmp_path / "others"
    others.mkdir()
    for entry in left_out:
        (others / entry.name).symlink_to(entry)
    (packages / "others.pth").write_text(f"{others}\n")
    for mode, code in ((0o777, REFUSED), (0o755, 0)):
        others.chmod(mode)
        done = deployed_by(tmp_path / "tools", account)
        assert done.returncode == code, done.stderr
        assert (f"anybody can change {others} and thus the code: chmod o-w it" in done.stderr) == (code == REFUSED)


def test_a_refusal_is_told_whole(account: Account) -> None:
    """Paths of hosts are long, and what to do comes last."""
    account.site = account.site / ("long" * 40)
    account.site.mkdir(parents=True)
    account.site.chmod(0o777)
    assert refused(account).endswith("chmod o-w it, or move elsewhere\n")


def test_a_path_with_a_space_or_too_long_goes_through_the_shell(tmp_path: Path) -> None:
    """The first two lines are valid for sh and for Python: the script runs in the right interpreter."""
    folder = tmp_path / ("with space " + "x" * 120)
    folder.mkdir()
    (folder / "python").symlink_to(sys.executable)
    script = tmp_path / "script"
    script.write_text(first_lines(str(folder / "python")) + "\nimport sys\nprint(sys.flags.isolated, sys.argv[1:])\n")
    script.chmod(0o755)
    done = subprocess.run([script, "a b", "c"], capture_output=True, text=True, check=True)
    assert done.stdout == "1 ['a b', 'c']\n"


def test_settings_of_the_shell_are_warned_of(account: Account) -> None:
    """Settings of the shell's environment do not reach the web server's processes: a warning says so."""
    done = account.run("deploy", str(account.site), env={"N2K_LOG_LEVEL": "DEBUG"})
    assert done.returncode == 0 and "warning: N2K_LOG_LEVEL" in done.stderr


def test_a_settings_file_elsewhere_is_named_in_the_script(account: Account) -> None:
    """With --config the script passes on the absolute path of the file."""
    elsewhere = account.home / "n2k.conf"
    elsewhere.write_text("[n2k]\nlog_level = DEBUG\n")
    account.n2k("--config", str(elsewhere), "deploy", str(account.site))
    assert f"config={str(elsewhere)!r}" in account.script.read_text()


@pytest.mark.parametrize(
    ("folder", "url"),
    [
        ("home/you/example.com", "https://example.com/"),
        ("home/you/www.example.co.uk/n2k/v1", "https://www.example.co.uk/n2k/v1/"),
        ("home/you/public_html/n2k", "https://YOUR-SITE/n2k/"),
        ("home/you/example.com/public_html/n2k", "https://example.com/n2k/"),
        ("srv/n2k", "https://YOUR-SITE/"),
    ],
)
def test_the_address_to_try_is_read_from_the_folder(tmp_path: Path, folder: str, url: str) -> None:
    """Hosts name the folder of a site after its domain, or public_html."""
    assert likely_url(tmp_path / folder) == url
