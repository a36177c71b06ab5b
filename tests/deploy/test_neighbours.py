"""Other files in a web folder: those that the rewriting would hide are reported before, and deploy asks for consent."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from n2k_fcgi.deploy.neighbours import SHOWN, named, vanishing
from tests.support.apache import apache
from tests.support.hosting import Account

WOULD_VANISH = 87

WORDPRESS = """\
# BEGIN WordPress
<IfModule mod_rewrite.c>
RewriteEngine On
RewriteBase /
RewriteRule ^index\\.php$ - [L]
RewriteCond %{REQUEST_FILENAME} !-f
RewriteCond %{REQUEST_FILENAME} !-d
RewriteRule . /index.php [L]
</IfModule>
# END WordPress
"""
"""The .htaccess that WordPress writes into its folder."""

MISSED = ("index.html", "blog/post.html", "deep/er/page.html", "inherits/page.html", ".well-known/security.txt")
KEPT = (".well-known/acme-challenge/x", "own/page.html", "off/page.html")
RULES = {
    "own": "RewriteEngine On\nRewriteRule ^other$ page.html\n",
    "off": "rewriteengine off\n",
    "inherits": "RewriteEngine On\nRewriteOptions Inherit\n",
}


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    """A home with data and no deployment; its site has pages of all kinds."""
    made = Account(tmp_path / "home")
    for name in (*MISSED, *KEPT):
        (made.site / name).parent.mkdir(parents=True, exist_ok=True)
        (made.site / name).write_text(name)
    for name, rules in RULES.items():
        (made.site / name / ".htaccess").write_text(rules)
    (made.site / "empty" / "too").mkdir(parents=True)
    (made.site / ".hidden").touch()
    yield made


def test_what_is_listed_is_what_apache_hands_out_no_more(account: Account) -> None:
    """Each page is requested before and after: those in the list are gone, all others are still served."""
    assert vanishing(account.site) == ["index.html", ".well-known/", "blog/", "deep/", "inherits/"]
    with apache(account.site) as server:
        assert [server.get(f"/{name}").body for name in (*MISSED, *KEPT)] == [name.encode() for name in (*MISSED, *KEPT)]
        account.n2k("deploy", str(account.site), "--yes")
        assert [server.get(f"/{name}").status for name in MISSED] == [404] * len(MISSED)
        assert [server.get(f"/{name}").body for name in KEPT] == [name.encode() for name in KEPT]


def test_a_site_is_refused_with_the_names_and_left_as_it_is(account: Account) -> None:
    """The refusal has the names and both alternatives; nothing is written; --yes continues and lists them again."""
    done = account.run("deploy", str(account.site))
    assert done.returncode == WOULD_VANISH
    assert "holds a site" in done.stderr
    assert "(index.html, .well-known/, blog/, deep/, inherits/)" in done.stderr
    assert "a separate folder" in done.stderr and "--yes" in done.stderr
    assert not account.script.exists() and not account.htaccess.exists()
    done = account.run("deploy", str(account.site), "--yes")
    assert done.returncode == 0 and "can no longer be fetched: index.html, .well-known/" in done.stderr


def test_deploying_again_asks_no_more(account: Account) -> None:
    """With the block present, an update needs no --yes."""
    account.n2k("deploy", str(account.site), "--yes")
    account.n2k("deploy", str(account.site))


@pytest.mark.parametrize("name", ["index.php", "photo.jpg", "a folder/page.html", "dispatch.fcgi.bak", "cgi-bin/test.cgi"])
def test_one_file_is_enough(tmp_path: Path, name: str) -> None:
    """Every file that is served now is named, even a single picture."""
    account = Account(tmp_path / "home")
    (account.site / name).parent.mkdir(exist_ok=True)
    (account.site / name).touch()
    done = account.run("deploy", str(account.site))
    assert done.returncode == WOULD_VANISH and f"({name.split('/')[0]}" in done.stderr


@pytest.mark.parametrize("name", [".ftpquota", "cgi-bin/", ".well-known/acme-challenge/x", ".git/config"])
def test_what_nobody_fetches_is_no_reason(tmp_path: Path, name: str) -> None:
    """Empty folders of the host, hidden files, and certificate renewal, which still works."""
    account = Account(tmp_path / "home")
    (account.site / name).parent.mkdir(parents=True, exist_ok=True)
    if name.endswith("/"):
        (account.site / name).mkdir()
    else:
        (account.site / name).touch()
    account.n2k("deploy", str(account.site))


def test_a_wordpress_is_called_by_its_name(tmp_path: Path) -> None:
    """A WordPress in the folder is refused; in a subfolder of its own, n2k and the WordPress both answer."""
    account = Account(tmp_path / "home")
    (account.site / "index.php").write_text("front page")
    (account.site / "wp-config.php").touch()
    account.htaccess.write_text(WORDPRESS)
    done = account.run("deploy", str(account.site))
    assert done.returncode == WOULD_VANISH and "holds a WordPress" in done.stderr
    (account.site / "n2k").mkdir()
    account.n2k("deploy", str(account.site / "n2k"))
    with apache(account.site) as server:
        assert server.get("/some/page").body == server.get("/index.php").body == b"front page"
        assert server.get("/n2k/health").body == b"alive\n"


def test_a_long_list_is_bounded() -> None:
    """The first names, and the number of the others."""
    names = [f"{number:02d}.html" for number in range(SHOWN + 3)]
    assert named(names).endswith("07.html and 3 more") and named(names[:2]) == "00.html, 01.html"


@pytest.mark.measured
def test_a_folder_of_many_files_gives_one_line(tmp_path: Path) -> None:
    """Three hundred pictures do not fill the terminal."""
    account = Account(tmp_path / "home")
    for number in range(300):
        (account.site / f"{number}.jpg").touch()
    done = account.run("deploy", str(account.site))
    assert done.returncode == WOULD_VANISH and done.stderr.count("\n") == 1 and len(done.stderr) < 500


def test_the_doctor_names_what_vanished(account: Account) -> None:
    """In the given folder, or in that of the worker at the given address."""
    account.n2k("deploy", str(account.site), "--yes")
    line = re.compile(r"^warning  other files: in \S+ these can no longer be fetched: index.html, .*blog/", re.MULTILINE)
    assert line.search(account.run("doctor", "--web-dir", str(account.site)).stdout)
    with apache(account.site) as server:
        assert line.search(account.run("doctor", server.url).stdout)
    shutil.rmtree(account.site)
    account.site.mkdir()
    account.n2k("deploy", str(account.site))
    assert "ok       other files: none" in account.run("doctor", "--web-dir", str(account.site)).stdout
