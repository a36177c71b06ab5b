"""``n2k doctor URL`` distinguishes what answers instead of the service; docs/deploy.md has a line for each.

Answers of web servers come from real ones; others (a bot check, a login page) are copies of their pages.
"""

import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from n2k_fcgi.cli.examinations import signs, website
from n2k_fcgi.deploy import asking, probe
from n2k_fcgi.deploy.asking import AGENT, ask
from n2k_fcgi.model.findings import Verdict, problem
from tests.support.apache import Apache, apache
from tests.support.foreground import free_port
from tests.support.hosting import Account
from tests.support.machine import Machine
from tests.support.snippets import PAGE, parsed, snippets, units
from tests.support.web_server import CERTIFICATE, Answer, Handler, redirect, sent, web_server

FOUND = 83
SERVICE = parsed(dict(reversed(units()))["n2k.service"])["Service"]["ExecStart"]


def address(url: str) -> str:
    """The doctor's line about the address alone; if that is a problem, there are no further requests."""
    findings = list(website.examine(url, website.Known()))
    assert [finding.verdict for finding in findings] == [Verdict.PROBLEM], findings
    return str(findings[0])


@pytest.mark.parametrize("sign", signs.SIGNS, ids=lambda sign: sign.title)
def test_each_sign_has_its_line_in_the_table(sign: signs.Sign) -> None:
    """docs/deploy.md has a row that begins with the doctor's words, with the meaning and what to do."""
    rows = re.findall(rf"^\| `{re.escape(sign.title)}` \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 1 and all(rows[0])


def test_the_table_has_no_other_lines() -> None:
    """The page has no row that the doctor never prints."""
    table = PAGE.partition("| The doctor says |")[2].partition("\n\n")[0]
    assert {*re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)} == {sign.title for sign in signs.SIGNS}


# --- made by a real Apache ------------------------------------------------------------------------------------------


class Site:
    """A deployed folder of a real Apache."""

    def __init__(self, account: Account, server: Apache) -> None:
        self.folder = account.site / "n2k"
        self.server = server
        self.url = f"{server.url}/n2k/"

    def above(self, rules: str) -> None:
        """Put lines above the block."""
        file = self.folder / ".htaccess"
        file.write_text(rules + "\n" + file.read_text())


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A served and deployed site without a problem."""
    account = Account(tmp_path / "home")
    (account.site / "n2k").mkdir()
    account.n2k("deploy", str(account.site / "n2k"))
    with apache(account.site) as server:
        yield Site(account, server)


@pytest.mark.parametrize(
    ("rules", "title"),
    [
        ('AuthType Basic\nAuthName "x"\nAuthUserFile /dev/null\nRequire valid-user', "401: a password is asked for"),
        ("Require all denied", "403: the web server may not"),
        ("Options -FollowSymLinks", "403: the web server may not"),
        ("RewriteEngine On\nRewriteRule ^ - [F]", "403: the web server may not"),
        ("RewriteEngine On\nRewriteRule ^ - [R=406,L]", "a filter of the host refuses"),
        (
            'ErrorDocument 403 "<p>blocked by Mod_Security</p>"\nRewriteEngine On\nRewriteRule ^ - [F]',
            "a filter of the host refuses",
        ),
        ("RewriteEngine On\nRewriteRule ^ - [R=404,L]", "404: there is no such page"),
        ("RewriteEngine On\nRewriteRule ^ - [G]", "404: there is no such page"),
        ("RewriteEngine On\nRewriteRule ^ - [R=429,L]", "429: too many requests for the host"),
        ("NoSuchDirective On", "500: the script does not start"),
        ("RewriteEngine On\nRewriteRule ^ - [R=503,L]", "503: the web server has no process for it"),
        ('ErrorDocument 503 "later"\nRewriteEngine On\nRewriteRule ^ - [R=503,L]', "503: the web server has no process for it"),
        ("RewriteEngine On\nRewriteRule ^(.*)$ https://127.0.0.1/n2k/$1 [R=301,L]", "a redirect to https"),
        ("RewriteEngine On\nRewriteRule ^(.*[^/])$ /n2k/$1/ [R=301,L]", "a redirect that adds or takes a slash"),
        ("RewriteEngine On\nRewriteRule ^ /wp-login.php?redirect_to=x [R=302,L]", "a redirect to a login page"),
        ("RewriteEngine On\nRewriteRule ^(.*)$ https://example.org/$1 [R=302,L]", "a redirect elsewhere"),
    ],
)  # fmt: skip
def test_what_a_line_in_htaccess_makes(site: Site, rules: str, title: str) -> None:
    """Each line above the block makes a real Apache answer in its way, and the doctor names the reason."""
    site.above(rules)
    assert f"address: {title}, " in address(site.url)


def test_a_host_that_runs_nothing_shows_the_source(tmp_path: Path) -> None:
    """With neither mod_fcgid nor mod_cgi Apache serves the source of the script: reported as that, not as a foreign site."""
    account = Account(tmp_path / "home")
    account.n2k("deploy", str(account.site))
    with apache(account.site, gateway="none") as server:
        assert "address: the script's own source is shown, " in address(server.url)


@pytest.mark.parametrize("files", [(), ("index.html",)])
def test_a_folder_that_is_not_ours(tmp_path: Path, files: tuple[str, ...]) -> None:
    """If .htaccess is ignored, Apache's own 404 answers."""
    account = Account(tmp_path / "home")
    for name in files:
        (account.site / name).write_text("<p>a page</p>")
    account.n2k("deploy", str(account.site), "--yes")
    ignored = f"<Directory {account.site}>\nAllowOverride None\n</Directory>"
    with apache(account.site, settings=ignored) as server:
        assert "address: 404: there is no such page, " in address(server.url)


def test_a_proxy_without_anybody_behind_it(tmp_path: Path) -> None:
    """Apache in front of a socket without a listener answers 503."""
    account = Account(tmp_path / "home")
    proxy = f'<Location "/">\nSetHandler "proxy:unix:{tmp_path}/none|fcgi://localhost/"\n</Location>'
    with apache(account.site, gateway="proxy_fcgi", settings=proxy) as server:
        assert "address: 503: the web server has no process for it, " in address(server.url)


def test_the_service_itself_says_what_is_missing(site: Site) -> None:
    """With an unreadable settings file at the start, the 503 is ours, and its line is repeated."""
    data = site.folder.parents[1] / "n2k-data"
    (data / "n2k.ini").write_text("[n2k]\nno_such_setting = 1\n")
    line = address(site.url)
    assert "address: 503: the service says what is missing, " in line and "no_such_setting" in line


def test_an_address_without_its_slash_gets_it(site: Site) -> None:
    """The doctor sends requests below the folder either way, and prints the address as scripts should have it."""
    for url in (site.url, site.url.rstrip("/")):
        first = next(website.examine(url, website.Known()))
        assert f"address: {site.url} answers" in str(first)
    script = next(website.examine(f"{site.url}dispatch.fcgi", website.Known()))
    assert f"address: {site.url}dispatch.fcgi answers" in str(script)


# --- made by a real nginx -------------------------------------------------------------------------------------------

INCLUDE = "        include /etc/nginx/fastcgi_params;\n"
NAME = '        fastcgi_param SCRIPT_NAME "/n2k";\n'
ROOT = (("location /n2k/", "location /"), ('SCRIPT_NAME "/n2k"', 'SCRIPT_NAME ""'))
NO_PATH = "404: n2k answers, but does not receive the path"
OTHER_PLACE = "404: n2k answers, and knows no such page"


@pytest.mark.parametrize(
    ("changes", "mount", "title"),
    [
        (((NAME, ""),), "/n2k", NO_PATH),
        (((INCLUDE, ""), (NAME, NAME + INCLUDE)), "/n2k", NO_PATH),
        (((NAME, ""), ROOT[0]), "", NO_PATH),
        (((INCLUDE, ""), (NAME, NAME + INCLUDE), *ROOT), "", NO_PATH),
        ((ROOT[1],), "/n2k", OTHER_PLACE),
        ((('"/n2k"', '"/names"'),), "/n2k", OTHER_PLACE),
    ],
    ids=["left in", "include last", "left in, root", "include last, root", "folder not named", "another folder named"],
)
def test_nginx_that_gets_script_name_wrong(
    machine: Machine, changes: tuple[tuple[str, str], ...], mount: str, title: str
) -> None:
    """The page's snippet with usual mistakes: the doctor says what is wrong with SCRIPT_NAME, and where to look."""
    port = free_port()
    snippet = snippets("nginx")[0]
    assert INCLUDE in snippet and NAME in snippet
    for old, new in changes:
        snippet = snippet.replace(old, new, 1)
    with machine.service(SERVICE), machine.nginx(snippet.replace("listen 80;", f"listen 127.0.0.1:{port};"), port):
        line = address(f"http://127.0.0.1:{port}{mount}/")
    assert f"address: {title}, " in line and "SCRIPT_NAME" in line


def test_nginx_before_nobody(machine: Machine) -> None:
    """The socket does not exist: nginx answers 502."""
    port = free_port()
    with machine.nginx(snippets("nginx")[0].replace("listen 80;", f"listen 127.0.0.1:{port};"), port):
        assert "address: nobody answers behind the web server, " in address(f"http://127.0.0.1:{port}/n2k/")


# --- as others send them --------------------------------------------------------------------------------------------

HTML = {"Content_Type": "text/html; charset=UTF-8"}
CLOUDFLARE = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Enable JavaScript and cookies to continue"
IMUNIFY = b"<html><head><title>One moment, please...</title></head><body>Please wait while your request is being verified..."
FREE_HOST = b'<html><body><script type="text/javascript" src="/aes.js" ></script>This site requires Javascript to work'
OLD_CHECK = b"<title>DDOS</title><h1>Checking your browser before accessing example.com.</h1>"
LOGIN = b'<form action="/login"><input name="user"><input type="password" name="p"></form>'


@pytest.mark.parametrize(
    ("body", "status", "headers", "title"),
    [
        (CLOUDFLARE, 403, HTML, "a bot check answers"),
        (b"", 403, {"cf_mitigated": "challenge"}, "a bot check answers"),
        (b"error code: 1010", 403, {}, "a bot check answers"),
        (IMUNIFY, 200, HTML, "a bot check answers"),
        (FREE_HOST, 200, HTML, "a bot check answers"),
        (OLD_CHECK, 503, HTML, "a bot check answers"),
        (LOGIN, 200, HTML, "a login page answers"),
        (b"<title>Parked</title>", 200, HTML, "a foreign site answers"),
        (b"alive", 200, {}, "a foreign site answers"),
        (b"", 204, {}, "a foreign site answers"),
        (b"I am a teapot", 418, {}, "a foreign site answers"),
        (b"<h1>Not Acceptable!</h1> generated by Mod_Security.", 406, HTML, "a filter of the host refuses"),
        (b"gateway", 504, HTML, "nobody answers behind the web server"),
        (b"<h1>503</h1>", 503, HTML, "503: the web server has no process for it"),
    ],
)
def test_what_others_answer(body: bytes, status: int, headers: dict[str, str], title: str) -> None:
    """Pages of bot checks, logins, parked domains and filters are recognised by words, status or header."""
    path = "n2k/health"
    with web_server(**{path: sent(body, status, **headers)}) as web:
        assert f"address: {title}, " in address(web.url("/n2k/"))


@pytest.mark.parametrize(
    ("to", "title"),
    [
        ("http://www.{host}/n2k/health", "a redirect to the name with or without www"),
        ("/auth?next=/n2k/health", "a redirect to a login page"),
        ("/n2k/health/", "a redirect that adds or takes a slash"),
        ("https://{host}/n2k/health", "a redirect to https"),
        ("https://www.{host}/n2k/health", "a redirect to https"),
        ("https://login.example.com/signin", "a redirect to a login page"),
        ("/cgi-sys/suspendedpage.cgi", "a redirect elsewhere"),
        ("http://[/", "a redirect elsewhere"),
        ("", "a redirect elsewhere"),
    ],
)
def test_where_a_redirect_leads(to: str, title: str) -> None:
    """To https, to www, to a slash, to a login, elsewhere, nowhere: never followed, always reported, with the target."""
    with web_server() as web:
        host = f"localhost:{web.port}"
        web.paths["/n2k/health"] = redirect(to.format(host=host), 301)
        line = address(f"http://{host}/n2k/")
    assert f"address: {title}, to " in line
    if to.startswith("http") and to.endswith("/n2k/health"):
        assert f"to {to.format(host=host).removesuffix('health')}: " in line


def test_the_doctor_does_not_look_like_a_robot() -> None:
    """Filters reject Python-urllib: it has a User-Agent of its own."""
    with web_server(health=sent(b"alive\n")) as web:
        ask(web.url("/health"))
        assert web.headers()["User-Agent"] == AGENT and AGENT.startswith("n2k-doctor/")


# --- which code runs ------------------------------------------------------------------------------------------------


def found(account: Account, url: str, *options: str) -> dict[str, str]:
    """Subject -> line of the doctor."""
    lines = account.run("doctor", url, *options).stdout.splitlines()
    return {line[9:].partition(":")[0]: line for line in lines}


def test_a_worker_that_runs_other_code_than_is_installed(tmp_path: Path) -> None:
    """As after 'pip install' of an update: the running worker and the script have the previous code, until the next deploy."""
    account = Account(tmp_path / "home")
    account.n2k("deploy", str(account.site))
    right = account.script.read_text()
    digest = re.findall(r"\(code (\w+)\)", right)[0]
    account.script.write_text(right.replace(digest, "0ld00ld0"))
    with apache(account.site) as server:
        lines = found(account, server.url)
        assert lines["code"].startswith("warning  code: it runs other code (0ld00ld0) than is installed")
        assert "'n2k deploy' again" in lines["code"]
        assert lines["script"].startswith("warning  script: ") and "was written by other code" in lines["script"]
        account.n2k("deploy", str(account.site))
        lines = found(account, server.url)
        assert lines["code"].startswith("ok") and lines["script"].startswith("ok")


def test_a_worker_of_before_says_nothing_of_its_code(tmp_path: Path) -> None:
    """A script that an older n2k wrote has no digest: deploy again."""
    account = Account(tmp_path / "home")
    account.n2k("deploy", str(account.site))
    account.script.write_text(re.sub(r", code='\w+'", "", account.script.read_text()))
    with apache(account.site) as server:
        line = found(account, server.url)["code"]
    assert line.startswith("warning  code: it does not report its code")


def test_services_started_by_hand_say_their_code(machine: Machine) -> None:
    """'n2k fcgi' and the deployed script both do, and the doctor reports no problem."""
    port = free_port()
    with machine.service(SERVICE), machine.nginx(snippets("nginx")[0].replace("listen 80;", f"listen 127.0.0.1:{port};"), port):
        assert found(machine.account, f"http://127.0.0.1:{port}/n2k/")["code"].startswith("ok")


def test_the_code_is_shown_by_health_alone_and_tells_no_version(site: Site) -> None:
    """Eight letters, at one address: no other answer has them."""
    assert re.fullmatch(r"[0-9a-f]{8}", site.server.get("/n2k/health").headers["x-n2k-code"])
    for target in ("/n2k/", "/n2k/?name=masakazu.kojima", "/n2k/ready", "/n2k/nowhere", "/n2k/api/v1/statistics"):
        assert "x-n2k-code" not in site.server.get(target).headers


# --- the folder -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ("chmod 644 dispatch.fcgi", "problem  script: {folder}/dispatch.fcgi is not executable"),
        ("rm dispatch.fcgi", "problem  script: {folder}/dispatch.fcgi is missing"),
        ("rm .htaccess", "problem  folder: {folder}/.htaccess: No such file"),
        ("echo > .htaccess", "problem  folder: {folder}/.htaccess has no block of ours"),
        ("echo '# END n2k_fcgi' >> .htaccess", "problem  folder: {folder}: .htaccess must have one"),
        ("rm .htaccess; ln -s nowhere .htaccess", "problem  folder: {folder}: .htaccess is a link"),
    ],
)
def test_a_folder_with_something_wrong(tmp_path: Path, wrong: str, line: str) -> None:
    """Each is found on the disk, without a request to a web server."""
    account = Account(tmp_path / "home")
    account.n2k("deploy", str(account.site))
    subprocess.run(["sh", "-c", wrong], cwd=account.site, check=True)
    done = account.run("doctor", "--web-dir", str(account.site))
    assert done.returncode == FOUND and line.format(folder=account.site) in done.stdout


# --- what never ends ------------------------------------------------------------------------------------------------


def dripping(handler: Handler) -> None:
    """A byte now and then: a whole answer, but only after ten seconds."""
    handler.head(200, 100)
    with suppress(OSError):  # who asked has left
        for _ in range(100):
            handler.web.closing.wait(0.1)
            handler.wfile.write(b"x")


def continuing(handler: Handler) -> None:
    """The same before the answer: "go on" again and again, as http.client accepts it."""
    with suppress(OSError):
        for _ in range(100):
            handler.web.closing.wait(0.1)
            handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        sent(b"alive\n")(handler)


def flooding(handler: Handler) -> None:
    """The same without a pause: who asks never has to wait for a byte."""
    with suppress(OSError):
        while not handler.web.closing.is_set():
            handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def late(handler: Handler) -> None:
    """Two bytes, the second one after the deadline, and within that time of the first one."""
    handler.head(200, 2)
    with suppress(OSError):
        for pause in (1.5, 1.25):
            handler.web.closing.wait(pause)
            handler.wfile.write(b"x")


@pytest.mark.parametrize("https", [False, True])
@pytest.mark.parametrize("answer", [dripping, continuing, flooding, late])
def test_an_answer_has_one_deadline(answer: Answer, https: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """To its last byte, however often a byte comes: it is no answer then."""
    monkeypatch.setattr(asking, "TIMEOUT", 2.0)
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with web_server(https=https, slow=answer, health=sent(b"alive\n")) as web:
        reply = ask(web.url("/slow"))
        assert reply.status == 0 and reply.body.endswith("timed out")
        assert ask(web.url("/health"))[:2] == (200, "alive\n")


# --- what a hostile server says ---------------------------------------------------------------------------------------

TITLE = "\x1b]0;mine\x07\x1b[2J"
"""A terminal changes its title and empties its window."""


def ended(handler: Handler) -> None:
    """A first line of an answer that is none."""
    handler.wfile.write(f"HTTP/1.1 {TITLE}\r\n\r\n".encode())


HOSTILE = {
    "redirect": redirect("/" + TITLE + "A" * 60_000),
    "script": sent(f"n2k probe 0: {TITLE}{'A' * 60_000}".encode()),
    "none": ended,
    "ours": sent(
        (TITLE + "A" * 60_000 + "\n").encode(), 503, Content_Type="text/plain; charset=utf-8", X_Content_Type_Options="nosniff"
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_words_of_a_server_are_printed_in_bounds_and_without_commands_to_the_terminal(name: str, tmp_path: Path) -> None:
    """By the doctor and by the probe: each is one line of some hundred printable characters."""
    with web_server(health=HOSTILE[name]) as web:
        line = address(web.url(""))
        host = probe._Host(web.url(""), tmp_path)
        said = host.ask("health", "anything")
    assert line.isprintable() and len(line) < 1000
    assert said and said.isprintable() and len(said) < 200


def test_words_of_anything_in_a_line_of_the_doctor_are_printable() -> None:
    """Whatever an examination quotes, and does not make printable itself."""
    line = str(problem("readiness", TITLE + "A" * 60_000, "do what it says"))
    assert line.isprintable() and len(line) < 2200 and line.endswith(": do what it says")


def test_words_of_a_server_in_later_lines_are_printable_too() -> None:
    """The doctor alone asks for more; whatever an examination quotes."""
    with web_server(health=sent(b"alive\n"), ready=sent(f"{TITLE}{'A' * 60_000}".encode(), 500)) as web:
        line = str(website.ready(web.url(""), website.Known()))
    assert line.isprintable() and len(line) < 1000
