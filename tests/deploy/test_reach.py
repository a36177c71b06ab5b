"""Whether the web server can enter: modes of the parent folders, and options without which Apache does not rewrite.

Apache as another user runs no script here: that user may not even see this machine's interpreter.
"""

import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from n2k_fcgi.deploy.reach import closed_to_others, forbids_rewriting, opening
from tests.support.apache import apache
from tests.support.hosting import Account

LINKS_ON = "Options +SymLinksIfOwnerMatch\n"


@pytest.fixture
def account() -> Iterator[Account]:
    """A home that other users may enter, as on shared hosts, with a folder for n2k in the site."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="n2k-home-") as name:
        Path(name).chmod(0o755)
        made = Account(Path(name) / "you")
        made.home.chmod(0o711)
        made.site.chmod(0o755)
        (made.site / "n2k").mkdir(mode=0o755)
        yield made


def deployed(account: Account) -> str:
    """Deploy; return standard error."""
    done = account.run("deploy", str(account.site / "n2k"))
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_the_usual_modes_are_no_reason_to_warn(account: Account) -> None:
    """Home 711, site and folder 755: no warning, neither from deploy nor from the doctor."""
    assert "403" not in deployed(account)
    assert "ok       folder" in account.run("doctor", "--web-dir", str(account.site / "n2k")).stdout


@pytest.mark.parametrize("closed", ["you", "you/example.com", "you/example.com/n2k"])
def test_a_folder_on_the_way_that_lets_nobody_in(account: Account, closed: str) -> None:
    """As with a umask of 077: Apache as another user answers 403, deploy warns, and its command fixes it (to a 200)."""
    place = account.home.parent / closed
    with apache(account.site, gateway="none", nobody=True) as server:
        assert server.get("/n2k/health").status == 404  # only now it has read its configuration for the last time
        said = ""
        if os.getuid() == 0:
            place.chmod(0o700)
            said = deployed(account)
        else:  # Apache is the same user then: without x that user cannot enter, nor deploy
            deployed(account)
            place.chmod(0o600)
        assert server.get("/n2k/health").status == 403
        found = account.run("doctor", f"{server.url}/n2k/").stdout
        assert "problem  address: 403: the web server may not" in found and "chmod o+x" in found
        assert os.getuid() != 0 or f"answers 403: chmod o+x {place}" in said
        subprocess.run(["chmod", "u+x,o+x", place], check=True)
        assert server.get("/n2k/health").status == 200
    assert "403" not in deployed(account)


def test_rules_that_the_web_server_cannot_read(account: Account) -> None:
    """An .htaccess of mode 600 keeps it, which is a 403 for another user: deploy warns, and its command fixes it."""
    rules = account.site / "n2k" / ".htaccess"
    rules.write_text("# mine\n")
    rules.chmod(0o600)
    assert f"chmod o+r {rules}" in deployed(account)
    if os.getuid() == 0:
        with apache(account.site, gateway="none", nobody=True) as server:
            assert server.get("/n2k/health").status == 403
            subprocess.run(["chmod", "o+r", rules], check=True)
            assert server.get("/n2k/health").status == 200
    rules.chmod(0o644)
    assert "403" not in deployed(account)


def test_the_umask_of_a_careful_user(account: Account) -> None:
    """Everything made with umask 077: each place is named, in one command."""
    shutil.rmtree(account.site)
    subprocess.run(["sh", "-c", f"umask 077; mkdir -p {account.site}/n2k"], check=True)
    account.home.chmod(0o700)
    assert f"chmod o+x {account.home} {account.site} {account.site}/n2k" in deployed(account)


def test_a_group_that_may_be_the_web_servers(account: Account) -> None:
    """Hosts give public_html to the group of the web server, mode 750: no warning, unless we are in the group."""
    account.site.chmod(0o750)
    assert closed_to_others(account.site / "n2k") == [account.site]
    if os.getuid() == 0:  # only root can give a folder to a group without being a member
        os.chown(account.site, -1, 33)
        assert closed_to_others(account.site / "n2k") == []


def test_an_access_list_may_let_the_web_server_in(account: Account) -> None:
    """The mode of a folder with a POSIX access list (setfacl -m u:www-data:x) is not judged."""
    account.site.chmod(0o710)
    assert closed_to_others(account.site) == [account.site]
    # posix_acl_xattr of linux/posix_acl_xattr.h: version 2, then (tag, permissions, id): owner, user 33, group, mask, others
    entries = ((1, 7, 0xFFFFFFFF), (2, 1, 33), (4, 0, 0xFFFFFFFF), (16, 1, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF))
    access_list = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    os.setxattr(account.site, "system.posix_acl_access", access_list)
    assert closed_to_others(account.site) == []


def test_one_command_mends_folders_and_another_the_rules() -> None:
    """It grants only entering the folders and reading one file."""
    assert opening([Path("/a"), Path("/a/b")]) == "chmod o+x /a /a/b"
    assert opening([Path("/a"), Path("/a/.htaccess")]) == "chmod o+x /a; chmod o+r /a/.htaccess"


@pytest.mark.parametrize("options", ["-FollowSymLinks", "Indexes", "None", "-Indexes -followsymlinks -SymLinksIfOwnerMatch"])
@pytest.mark.parametrize("where", ["example.com", "example.com/n2k"])
def test_a_site_without_links_is_403_everywhere(account: Account, options: str, where: str) -> None:
    """FollowSymLinks off in an .htaccess: Apache answers 403; deploy and doctor name the file and a line that fixes it."""
    rules = account.home / where / ".htaccess"
    rules.write_text(f"Options {options}\n")
    said = deployed(account)
    assert f"{rules} switches FollowSymLinks off" in said and LINKS_ON.strip() in said
    with apache(account.site) as server:
        found = account.run("doctor", f"{server.url}/n2k/", "--web-dir", str(account.site / "n2k")).stdout
        assert "problem  address: 403: the web server may not" in found and LINKS_ON.strip() in found
        assert f"warning  folder: {rules} switches FollowSymLinks off" in found
        folder_rules = account.site / "n2k" / ".htaccess"
        text = folder_rules.read_text()
        folder_rules.write_text(text.replace("# BEGIN n2k_fcgi", LINKS_ON + "# BEGIN n2k_fcgi"))
        assert server.get("/n2k/health").body == b"alive\n"
    assert "403" not in deployed(account)


@pytest.mark.parametrize("options", ["All", "FollowSymLinks", "-Indexes", "-FollowSymLinks +SymLinksIfOwnerMatch", "+ExecCGI"])
def test_options_that_leave_links_on(account: Account, options: str) -> None:
    """Each of these is served, without a warning."""
    (account.site / ".htaccess").write_text(f"Options {options}\n")
    assert "403" not in deployed(account)
    with apache(account.site) as server:
        assert server.get("/n2k/health").body == b"alive\n"


def test_the_last_line_counts(account: Account) -> None:
    """A parent folder may switch it off and a child on again, and vice versa."""
    above, below = account.site / ".htaccess", account.site / "n2k" / ".htaccess"
    above.write_text("Options None\n")
    below.write_text("# comment: Options None\nOptions +FollowSymLinks\n")
    assert forbids_rewriting(account.site / "n2k") is None
    above.write_text("Options All\n")
    below.write_text("Options -FollowSymLinks\n")
    assert forbids_rewriting(account.site / "n2k") is None, "All has the other option as well"


def test_a_server_that_forbids_links(account: Account) -> None:
    """Off in the server's own configuration, which deploy cannot see: the doctor's 403 has the line that fixes it."""
    off = f"<Directory {account.site}/n2k>\nOptions -FollowSymLinks\n</Directory>"
    deployed(account)
    with apache(account.site, settings=off) as server:
        found = account.run("doctor", f"{server.url}/n2k/").stdout
        assert "problem  address: 403: the web server may not" in found and LINKS_ON.strip() in found
