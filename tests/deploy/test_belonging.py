"""What belongs to a web folder: what its own deployment has written, whatever path leads there, and nothing of another's."""

import shutil

import pytest

from tests.support.hosting import Account
from tests.support.passenger import app_of


def deployed(account: Account, *options: str) -> None:
    """As an application of Passenger."""
    account.n2k("deploy", "--as", "passenger", *options, str(account.site))


@pytest.mark.parametrize("options", [("--remove",), ("--as", "cgi")])
def test_a_copied_web_folder_takes_nothing_from_the_first(account: Account, options: tuple[str, ...]) -> None:
    """Its block names the application of the first folder, which stays: after --remove there, and after a change of kind."""
    deployed(account)
    copy = account.site.with_name("copy")
    shutil.copytree(account.site, copy)
    account.n2k("deploy", *options, str(copy))
    assert (app_of(account) / "passenger_wsgi.py").exists()
    account.n2k("deploy", "--remove", str(copy))
    assert (app_of(account) / "passenger_wsgi.py").exists()
    account.n2k("deploy", "--remove", str(account.site))
    assert not app_of(account).exists()


def test_a_copy_of_a_folder_that_is_gone_has_its_application(account: Account) -> None:
    """It was moved rather than copied: nobody else would ever remove the application."""
    deployed(account)
    copy = account.site.with_name("copy")
    shutil.copytree(account.site, copy)
    shutil.rmtree(account.site)
    account.n2k("deploy", "--remove", str(copy))
    assert not app_of(account).exists()


def test_another_path_to_the_same_folder_is_the_same_folder(account: Account) -> None:
    """As cPanel's ~/www is a link to ~/public_html: nothing changes, and it can be removed by either."""
    deployed(account)
    (account.home / "www").symlink_to(account.site.parent)
    other = str(account.home / "www" / "n2k")
    assert account.n2k("deploy", "--as", "passenger", other).count("unchanged: ") == 2
    account.n2k("deploy", "--remove", other)
    assert not app_of(account).exists() and list(account.site.iterdir()) == []


@pytest.mark.parametrize("is_made_anew", [False, True])
def test_a_renamed_web_folder_keeps_its_application(account: Account, *, is_made_anew: bool) -> None:
    """It can be deployed again and removed, also with a new folder of the former name."""
    deployed(account)
    renamed = account.site.rename(account.site.with_name("renamed"))
    if is_made_anew:
        account.site.mkdir()
    account.n2k("deploy", str(renamed))
    assert f"# For the folder {str(renamed)!r}\n" in (app_of(account) / "passenger_wsgi.py").read_text()
    account.n2k("deploy", "--remove", str(renamed))
    assert not app_of(account).exists()


@pytest.mark.parametrize("name", ["../../victim/cron.sh", "/VICTIM/cron.sh", "..", ".htpasswd", "-", "caf\u00e9"])
def test_a_script_that_the_block_names_is_one_of_the_folder(account: Account, name: str) -> None:
    """Whoever may write to .htaccess leads us nowhere: the usual name is taken, nothing is written or removed elsewhere."""
    victim = account.home / "victim"
    victim.mkdir()
    (victim / "cron.sh").write_text(ours := "#!/bin/sh\n# Written by 'n2k deploy'\n")
    before = sorted(path for path in account.home.rglob("*") if not path.is_relative_to(account.data))
    name = name.replace("/VICTIM", str(victim))
    account.htaccess.write_text(f"# BEGIN n2k_fcgi\nRewriteRule ^ {name} [L]\n# END n2k_fcgi\n")
    assert "the block in .htaccess names no script" in account.run("doctor", "--web-dir", str(account.site)).stdout
    account.n2k("deploy", str(account.site))
    assert (account.site / "dispatch.fcgi").exists() and (victim / "cron.sh").read_text() == ours
    account.n2k("deploy", "--remove", str(account.site))
    assert sorted(path for path in account.home.rglob("*") if not path.is_relative_to(account.data)) == before
