"""Links in a web folder, and data within reach of other sites: deploy writes only the intended files, and publishes no data."""

import os
from pathlib import Path

import pytest

from n2k_fcgi.deploy.htaccess import BEGIN, END, Unsafe, file_of
from tests.support.hosting import Account

REFUSED, NOT_REMOVED = 82, 88


@pytest.fixture
def account(tmp_path: Path) -> Account:
    """A home with data, nothing deployed."""
    return Account(tmp_path / "home")


@pytest.mark.parametrize("to", ["nowhere", ".htaccess", "/nowhere/at/all"])
def test_a_link_that_leads_to_no_file_of_the_owner_is_refused(account: Account, to: str) -> None:
    """A dangling link, a loop, or a link to a system file: neither deploy nor --remove follows it or writes anything."""
    account.htaccess.symlink_to(to)
    done = account.run("deploy", str(account.site))
    assert done.returncode == REFUSED and "remove the link" in done.stderr
    assert [entry.name for entry in account.site.iterdir()] == [".htaccess"]
    done = account.run("deploy", "--remove", str(account.site))
    assert done.returncode == NOT_REMOVED and "remove the link" in done.stderr
    assert not (account.site / "nowhere").exists()


def test_a_link_to_another_users_file_is_refused(account: Account) -> None:
    """A user who can create links in the folder could make root, or us, write any file: its owner must be the folder's."""
    target = account.home / "precious"
    target.write_text("precious\n")
    account.htaccess.symlink_to(target)
    assert file_of(account.site) == target
    if os.getuid() == 0:
        os.chown(account.site, 65534, 65534)
        with pytest.raises(Unsafe, match="remove the link"):
            file_of(account.site)
        assert account.run("deploy", str(account.site)).returncode == REFUSED
        os.chown(target, 65534, 65534)
        assert file_of(account.site) == target
    else:
        account.htaccess.unlink()
        account.htaccess.symlink_to("/etc/passwd")
        assert account.run("deploy", str(account.site)).returncode == REFUSED


def test_a_link_within_the_folder_is_followed_and_stays(account: Account) -> None:
    """The block is added to the target and removed again; the link and its target belong to the owner."""
    (account.site / ".rules").touch()
    account.htaccess.symlink_to(".rules")
    account.n2k("deploy", str(account.site))
    assert account.htaccess.is_symlink() and b"# BEGIN n2k_fcgi" in (account.site / ".rules").read_bytes()
    account.n2k("deploy", "--remove", str(account.site))
    assert account.htaccess.is_symlink() and (account.site / ".rules").read_bytes() == b""


def test_a_linked_script_is_not_written_through(account: Account) -> None:
    """A dispatch.fcgi that is a link to another script of ours becomes a file; the target keeps its bytes."""
    elsewhere = account.home / "elsewhere"
    elsewhere.write_text(text := "#!/old/python -I\n# Written by 'n2k deploy' long ago\n")
    account.script.symlink_to(elsewhere)
    account.n2k("deploy", str(account.site))
    assert not account.script.is_symlink() and elsewhere.read_text() == text


@pytest.mark.parametrize(
    ("data", "page"),
    [
        ("other.org/public_html/n2k-data", None),
        ("public_html/n2k-data", None),
        ("domains/other.org/httpdocs/private/data", None),
        ("other.org/n2k-data", "index.html"),
        ("www.other.org/a/b/data", ".htaccess"),
    ],
)
def test_data_in_another_site_is_refused(account: Account, data: str, page: str | None) -> None:
    """Data in a folder that hosts serve, or in one with a domain's name and a site in it, would be published."""
    moved = account.home / data
    moved.parent.mkdir(parents=True)
    account.data.rename(moved)
    account.data = moved
    if page:
        (account.home / data.split("/")[0] / page).touch()
    done = account.run("deploy", str(account.site))
    assert done.returncode == REFUSED and "the data is below the web root" in done.stderr
    assert "problem  web root" in account.run("doctor").stdout


def test_data_below_another_deployed_folder_is_refused(account: Account) -> None:
    """Whatever that is called: our block says that the web reaches it. Rules of others do not, as in many a home folder."""
    deployed = account.home / "lookups"
    deployed.mkdir()
    (deployed / ".htaccess").write_text("AddHandler application/x-httpd-php .php\n")
    moved = deployed / "sub" / "data"
    moved.parent.mkdir()
    account.data.rename(moved)
    account.data = moved
    account.n2k("deploy", str(account.site))
    account.n2k("deploy", "--remove", str(account.site))
    (deployed / ".htaccess").write_text(f"{BEGIN}\n{END}\n")
    done = account.run("deploy", str(account.site))
    assert done.returncode == REFUSED and f"the data is below the web root {deployed}" in done.stderr
    assert "problem  web root" in account.run("doctor").stdout


def test_data_behind_a_link_that_is_called_as_web_roots_are_is_refused(account: Account) -> None:
    """The site is elsewhere then, and the home folder has a link to it."""
    (account.home / "disk7").mkdir()
    (account.home / "public_html").symlink_to(account.home / "disk7")
    account.data.rename(account.home / "disk7" / "data")
    account.data = account.home / "public_html" / "data"
    done = account.run("deploy", str(account.site))
    assert done.returncode == REFUSED and "the data is below the web root" in done.stderr and "public_html" in done.stderr


@pytest.mark.parametrize("data", ["data.d/n2k", "other.org/n2k-data", "n2k.data"])
def test_data_elsewhere_is_let_be(account: Account, data: str) -> None:
    """A dot in a folder's name, or a domain's name without a site, is accepted."""
    moved = account.home / data
    moved.parent.mkdir(parents=True, exist_ok=True)
    account.data.rename(moved)
    account.data = moved
    account.n2k("deploy", str(account.site))


@pytest.mark.parametrize("name", [".htaccess", "dispatch.fcgi"])
@pytest.mark.parametrize("kind", ["pipe", "device", "too large"])
def test_what_is_no_file_to_read_is_refused_at_once(account: Account, name: str, kind: str) -> None:
    """A pipe would block for ever, a device or a huge file use all memory: deploy names the kind and the reason."""
    place = account.site / name
    if kind == "pipe":
        os.mkfifo(place)
        why = "it is not a regular file"
    elif kind == "device":
        if name == ".htaccess" and os.getuid() == 0:
            os.mkfifo(account.home / "pipe")
            place.symlink_to(account.home / "pipe")  # root's own, as the devices are: the link is followed
        else:
            place.symlink_to("/dev/zero")
        why = "it is not a regular file" if name == "dispatch.fcgi" or os.getuid() == 0 else "remove the link"
    else:
        with place.open("wb") as file:
            file.truncate(64 << 30)
        why = "it is larger than 1048576 bytes"
    done = account.run("deploy", str(account.site))
    assert done.returncode == REFUSED and why in done.stderr
    assert [entry.name for entry in account.site.iterdir()] == [name]
    done = account.run("deploy", "--remove", str(account.site))
    assert done.returncode == (NOT_REMOVED if name == ".htaccess" else 0), done.stderr
    assert [entry.name for entry in account.site.iterdir()] == [name]


@pytest.mark.parametrize("where", ["above", "beside"])
def test_a_pipe_among_the_neighbours_holds_nobody_up(account: Account, where: str) -> None:
    """Rules in parent and child folders are read, too: a pipe counts as a file without rules."""
    folder = account.site.parent if where == "above" else account.site / "blog"
    folder.mkdir(exist_ok=True)
    os.mkfifo(folder / ".htaccess")
    account.n2k("deploy", str(account.site))
    done = account.run("doctor")
    assert "Traceback" not in done.stderr
    account.n2k("deploy", "--remove", str(account.site))
