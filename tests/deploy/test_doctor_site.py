"""``n2k doctor URL`` against a real Apache whose .htaccess has the usual mistakes."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.apache import Apache, apache
from tests.support.hosting import Account

FOUND = 83
SITE_CHECKS = ("address", "code", "readiness", "lookup", "query", "path", "files", "csv", "search", "token")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Account, Apache]]:
    """An account whose site is served and deployed; each test uses a separate folder of it."""
    account = Account(tmp_path_factory.mktemp("host") / "home")
    account.n2k("deploy", str(account.site))
    with apache(account.site) as server:
        yield account, server


class Folder:
    """One deployed folder of the site, and the doctor's lines about it."""

    def __init__(self, account: Account, server: Apache, name: str) -> None:
        self.account = account
        self.server = server
        self.path = account.site / name
        self.path.mkdir()
        self.url = f"{server.url}/{name}"
        account.n2k("deploy", str(self.path))

    def rewrite(self, old: str, new: str) -> None:
        """Change the rules that deploy wrote."""
        text = (self.path / ".htaccess").read_text()
        assert old in text
        (self.path / ".htaccess").write_text(text.replace(old, new))

    def examined(self, url: str = "") -> dict[str, str]:
        """Subject -> line, of the checks through the web server."""
        lines = self.account.run("doctor", url or self.url).stdout.splitlines()
        found = {line[9:].partition(":")[0]: line for line in lines}
        return {subject: line for subject, line in found.items() if subject in SITE_CHECKS}


@pytest.fixture
def folder(host: tuple[Account, Apache], request: pytest.FixtureRequest) -> Iterator[Folder]:
    """A folder with the name of the test."""
    made = Folder(*host, name="".join(c if c.isalnum() else "-" for c in request.node.name))
    yield made
    shutil.rmtree(made.path)


def test_a_right_site_passes_every_check(folder: Folder) -> None:
    """With and without the last slash, and at the document root, everything is ok."""
    for url in (folder.url, folder.url + "/", folder.server.url):
        lines = folder.examined(url)
        assert set(lines) == set(SITE_CHECKS)
        assert all(line.startswith("ok") for line in lines.values()), lines


@pytest.mark.measured
def test_usual_rewriting_that_breaks_names(folder: Folder) -> None:
    """The rule of most tutorials loses %3F: reported for the path, while queries work."""
    usual = "RewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule ^(.*)$ dispatch.fcgi/$1 [QSA,L]"
    folder.rewrite("RewriteRule ^ dispatch.fcgi [L]", usual)
    lines = folder.examined()
    assert lines["path"].startswith("problem") and lines["query"].startswith("ok")


def test_rewriting_that_lets_files_be_fetched(folder: Folder) -> None:
    """With the usual condition, a copy of the settings there can be downloaded."""
    (folder.path / "n2k.ini").write_text("[n2k]\n")
    assert folder.examined()["files"].startswith("ok")
    folder.rewrite("RewriteRule ^ dispatch", "RewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule ^ dispatch")
    assert "can be fetched" in folder.examined()["files"]


@pytest.mark.measured
def test_authorization_that_gets_lost(folder: Folder) -> None:
    """Without the line that passes it on, Apache drops the Authorization header: only X-N2K-Token works."""
    folder.rewrite("RewriteRule ^ - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]\n", "")
    assert "problem  token: sent as Authorization it got 401" in folder.examined()["token"]


def test_a_redirecting_site(folder: Folder) -> None:
    """A redirect is reported with its target, because a redirected POST loses its fields."""
    folder.rewrite("RewriteRule ^\\.well", "RewriteRule ^(.*)$ https://example.com/$1 [R=301,L]\nRewriteRule ^\\.well")
    lines = folder.examined()
    assert set(lines) == {"address"} and "a redirect elsewhere, to https://example.com/" in lines["address"]


def test_forced_compression(folder: Folder) -> None:
    """An answer that is compressed without being requested would be unreadable for scripts."""
    folder.rewrite("RewriteEngine On", "SetOutputFilter DEFLATE\nSetEnv force-gzip 1\nRewriteEngine On")
    assert "problem  address" in folder.examined()["address"]


@pytest.mark.parametrize("script", ["#!/nowhere/python\n", "#!/bin/sh\nexit 3\n", "#!/bin/sh\r\nexit 0\n"])
def test_a_script_that_does_not_start(tmp_path: Path, script: str) -> None:
    """A wrong interpreter, a script that ends at once, and CR LF line ends are all reported as a 500."""
    account = Account(tmp_path / "home")
    account.n2k("deploy", str(account.site))
    account.script.write_bytes(script.encode())
    with apache(account.site) as server:  # a separate one: mod_fcgid delays starts after each failed one
        done = account.run("doctor", server.url)
    assert done.returncode == FOUND
    # mod_fcgid may also let the caller wait for a start, longer than the doctor waits
    assert "problem  address: 500: the script does not start" in done.stdout or "problem  address: no answer" in done.stdout


def test_a_folder_without_rules(folder: Folder) -> None:
    """Apache's own 404 is not mistaken for ours."""
    (folder.path / ".htaccess").write_text("RewriteEngine Off\n")
    lines = folder.examined()
    assert set(lines) == {"address"} and "404" in lines["address"]


def test_an_address_of_another_data_directory(folder: Folder, host: tuple[Account, Apache]) -> None:
    """A site that serves other data is a warning, and our token is not sent to it."""
    other = Account(folder.account.home / "other")
    other.n2k("import", "-", text="77777777-2222-3333-4444-555555555555,Other Avatar\n")
    done = other.run("doctor", folder.url)
    assert "warning  readiness: it serves generation " in done.stdout
    assert "warning  token: not tried" in done.stdout


def test_a_revoked_token(folder: Folder) -> None:
    """A token file with a revoked token is a problem."""
    file = folder.account.data / "token"
    before = file.read_text()
    *_, secret = folder.account.n2k("token", "create", "--scope", "register").split()
    file.write_text(secret)
    assert folder.examined()["token"].startswith("ok")
    folder.account.n2k("token", "revoke", secret.split("_")[1])
    try:
        assert "problem  token: sent as X-N2K-Token it got 401" in folder.examined()["token"]
    finally:
        file.write_text(before)


@pytest.mark.measured
def test_a_site_without_a_generation(folder: Folder) -> None:
    """The site says that nothing was imported; the exit code is the doctor's."""
    current = folder.account.data / "CURRENT"
    name = current.read_text()
    current.unlink()
    try:
        done = folder.account.run("doctor", folder.url)
    finally:
        current.write_text(name)
    assert done.returncode == FOUND and "problem  readiness: 503 no generation yet" in done.stdout


@pytest.mark.parametrize("name", ["generations", "captures.mdb"])
def test_a_site_whose_data_is_away(folder: Folder, name: str) -> None:
    """Checks that could not be made are reported as such, with the service's own line: the rewriting is not blamed."""
    there = folder.account.data / name
    there.rename(there.with_suffix(".away"))
    try:
        lines = folder.examined()
    finally:
        there.with_suffix(".away").rename(there)
    assert lines["readiness"].startswith("problem  readiness: 503 the data "), lines
    assert all("rewriting" not in line for line in lines.values()), lines
    assert lines["query"].startswith("warning  query: not examined: 503 "), lines
