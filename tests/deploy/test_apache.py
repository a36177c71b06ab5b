"""End to end: ``n2k deploy`` into a real Apache with mod_fcgid, with requests over HTTP."""

import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.apache import Apache, apache
from tests.support.golden import Reply, run_all
from tests.support.hosting import Account
from tests.support.parallel import in_parallel
from tests.support.processes import eventually

MASAKAZU = b"a27b84f0-2757-4176-9579-43a181d4a5a0"
NEW_KEY = "66666666-2222-3333-4444-555555555555"
NULL_KEY = b"00000000-0000-0000-0000-000000000000"


class Site:
    """An account whose site Apache serves."""

    def __init__(self, account: Account, server: Apache) -> None:
        self.account = account
        self.server = server

    def workers(self) -> list[int]:
        """The process ids of the site's workers."""
        return self.server.workers(self.account.script)

    def name2key(self, name: str = "masakazu.kojima") -> Reply:
        """The gosl-basics form of a lookup."""
        return self.server.get(f"/?name={name}")

    def both_workers(self) -> list[int]:
        """Send several requests at once until two workers answer; return their process ids."""

        def two() -> bool:
            in_parallel(4, lambda _: self.name2key())
            return len(self.server.ready_workers(self.account.script)) == 2

        assert eventually(two), self.server.error_log
        return self.workers()

    def logged(self, text: str) -> set[int]:
        """The process ids of the workers that logged a line with *text*, which they write within a second."""
        log = self.account.data / "log" / "n2k.log"
        lines = log.read_text("utf-8").splitlines() if log.exists() else []
        return {int(line.split()[3]) for line in lines if text in line}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site at the document root, deployed and served."""
    account = Account(tmp_path / "home")
    account.n2k("deploy", str(account.site))
    with apache(account.site) as server:
        yield Site(account, server)


@pytest.mark.parametrize("mount", ["", "/below/n2k", "/dispatch.fcgi"])
def test_golden_cases(tmp_path: Path, mount: str) -> None:
    """Every golden case gets its answer at the document root, in a folder below it, and at the script's own address."""
    account = Account(tmp_path / "home")
    folder = account.site / mount.strip("/") if "." not in mount else account.site
    folder.mkdir(parents=True, exist_ok=True)
    account.n2k("deploy", str(folder))
    with apache(account.site) as server:
        assert run_all(server.asking(mount), account.golden) > 50
        assert "stderr:" not in server.error_log


def test_without_mod_fcgid_the_script_runs_as_cgi(tmp_path: Path) -> None:
    """The same files on a host with mod_cgid only: lookups and a registration are answered."""
    account = Account(tmp_path / "home")
    account.n2k("deploy", str(account.site))
    with apache(account.site, gateway="cgid") as server:
        assert server.get("/name2key?terse=1&name=Masakazu+Kojima").body == MASAKAZU
        assert server.get("/name2key/A%3F%25%26%23%2B%C3%A9").body == b"Invalid name\n"
        sent = server.post("/", f"name=Two+Workers&key={NEW_KEY}", Authorization=f"Bearer {account.token}")
        assert sent.status == 200
        assert server.get("/?name=two.workers").body == NEW_KEY.encode()


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/name2key?terse=1&name=Masakazu+Kojima", MASAKAZU),
        ("/?name=masakazu.kojima", MASAKAZU),
        ("/key2name/a27b84f0-2757-4176-9579-43a181d4a5a0", b"masakazu.kojima"),
        ("/key2name/A27B84F0-2757-4176-9579-43A181D4A5A0", b"masakazu.kojima"),
        ("/?name=A%3F%25%26%23%20B%C3%A9", b"22222222-2222-3333-4444-555555555555"),
        ("/?name=A%3F%25%26%23+B%C3%A9", b"22222222-2222-3333-4444-555555555555"),
        ("/?name=A%3F%25%26%23%2BB%C3%A9", b"22222222-2222-3333-4444-555555555555"),
        ("/name2key/Masakazu%20Kojima", MASAKAZU),
        ("/name2key/Masakazu+Kojima", MASAKAZU),
        ("/name2key/Masakazu%2BKojima", MASAKAZU),
        ("/name2key/A%3F%25%26%23%2B%C3%A9", b"Invalid name\n"),
    ],
)
@pytest.mark.parametrize("mount", ["", "/below"])
def test_each_character_arrives(served: Apache, mount: str, target: str, body: bytes) -> None:
    """Lookups in the ways scripts write them, with every special character, at the root and in a folder."""
    assert served.get(mount + target).body == body


@pytest.mark.parametrize(
    "name", [".htaccess", "secret.txt", "dispatch.fcgi.bak", "index.html", "health.html", "folder/page.html"]
)
@pytest.mark.parametrize("mount", ["", "/below"])
def test_no_file_can_be_fetched(served: Apache, mount: str, name: str) -> None:
    """Requests for any file in the site's folders reach the service, which answers 404."""
    reply = served.get(f"{mount}/{name}")
    assert reply.status == 404 and b"nothing here" in reply.body


def test_certificates_can_be_renewed(served: Apache) -> None:
    """The challenge of an ACME server is answered with its file; the folder is not listed."""
    assert served.get("/.well-known/acme-challenge/x").body == b"challenge"
    assert served.get("/.well-known/acme-challenge/").status == 404
    assert served.get("/.well-known/acme-challenge/../../secret.txt").status == 404


def test_a_file_of_the_same_name_hides_no_page(served: Apache) -> None:
    """With a health.html in the folder, /health is still answered by the service."""
    assert served.get("/health").body == b"alive\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apache]:
    """One site for all tests that only read, deployed at the root and in a folder, with files that must not be served."""
    account = Account(tmp_path_factory.mktemp("served") / "home")
    for folder in (account.site, account.site / "below"):
        for name in ("secret.txt", "dispatch.fcgi.bak", "index.html", "health.html", "folder/page.html"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("secret")
        account.n2k("deploy", str(folder), "--yes")
    challenge = account.site / ".well-known" / "acme-challenge" / "x"
    challenge.parent.mkdir(parents=True)
    challenge.write_text("challenge")
    with apache(account.site) as server:
        yield server


@pytest.mark.parametrize("header", ["X_N2K_Token", "Authorization"])
def test_a_registration_is_seen_by_both_workers(site: Site, header: str) -> None:
    """Once it is acknowledged, every process answers with it, in both directions."""
    site.account.settings("log_level = DEBUG")
    workers = site.both_workers()
    token = site.account.token if header == "X_N2K_Token" else f"Bearer {site.account.token}"
    assert site.name2key("two.workers").body == NULL_KEY
    assert site.server.post("/", f"name=Two+Workers&key={NEW_KEY}", **{header: token}).status == 200

    def both_answered() -> bool:
        replies = in_parallel(6, lambda _: site.name2key("two.workers"))
        assert {reply.body for reply in replies} == {NEW_KEY.encode()}
        return site.logged(f"-> {NEW_KEY}") == set(workers)

    assert eventually(both_answered)
    assert site.server.get(f"/?key={NEW_KEY}").body == b"Two Workers"


def test_a_registration_needs_its_token(site: Site) -> None:
    """Without a token, and with a wrong one in either header, it is 401 and nothing is stored."""
    form = f"name=Two+Workers&key={NEW_KEY}"
    wrong = "n2k_000000000000_" + "0" * 64
    for headers in ({}, {"X_N2K_Token": wrong}, {"Authorization": f"Bearer {wrong}"}):
        assert site.server.post("/", form, **headers).status == 401
    assert site.name2key("two.workers").body == NULL_KEY


def test_an_import_under_load_fails_no_request(site: Site) -> None:
    """While two imports publish, every answer is complete and of the generation it names, and no client sees an older one."""
    site.both_workers()
    names = {site.account.golden.placeholders["{GENERATION}"]: b"masakazu.kojima"}
    rounds: list[str] = []
    begun: set[int] = set()

    def client(number: int) -> list[tuple[str, int, bytes]]:
        if number == 0:
            try:
                assert eventually(lambda: begun == {1, 2, 3})
                for name in ("Second Name", "Third Name"):
                    report = site.account.n2k("import", "-", "--force", text=f"{MASAKAZU.decode()},{name}\n")
                    names[re.findall(r"generation (\S+)", report)[0]] = name.lower().replace(" ", ".").encode()
            finally:
                rounds.append("done")
            return []
        replies: list[tuple[str, int, bytes]] = []
        after = 0
        while after < 20:
            after += bool(rounds)
            reply = site.server.get(f"/key2name/{MASAKAZU.decode()}")
            replies.append((reply.headers.get("x-n2k-generation", ""), reply.status, reply.body))
            begun.add(number)
        return replies

    answers = in_parallel(4, client)[1:]
    for replies in answers:
        assert all(status == 200 and body == names[generation] for generation, status, body in replies)
        generations = [generation for generation, _, _ in replies]
        assert generations == sorted(generations)
    assert len({generation for replies in answers for generation, _, _ in replies}) > 1
    assert len(names) == 3 and site.name2key("third.name").body == MASAKAZU


def test_a_killed_worker_is_replaced(site: Site) -> None:
    """After SIGKILL of every worker a new one answers, once Apache has noticed (it may answer 500 before)."""
    assert site.name2key().body == MASAKAZU
    killed = site.workers()
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: not set(site.workers()) & set(killed))
    assert eventually(lambda: site.name2key().body == MASAKAZU), site.server.error_log
    assert killed and not set(site.workers()) & set(killed)


def test_a_missing_data_directory_is_503_until_it_is_back(site: Site) -> None:
    """One plain line names the problem; the same worker recovers when the directory is back."""
    assert site.name2key().body == MASAKAZU
    workers = site.workers()
    away = site.account.data.with_name("away")
    site.account.data.rename(away)
    reply = site.name2key()
    assert (reply.status, reply.headers["content-type"]) == (503, "text/plain; charset=utf-8")
    assert reply.body.startswith(b"no data here: ") and reply.body.count(b"\n") == 1
    away.rename(site.account.data)
    assert site.name2key().body == MASAKAZU
    assert site.workers() == workers


def test_a_worker_starts_without_data_and_recovers(site: Site) -> None:
    """A worker that starts without a data directory answers 503, and serves once the directory exists."""
    away = site.account.data.with_name("away")
    site.account.data.rename(away)
    assert site.name2key().status == 503
    workers = site.workers()
    if site.account.data.exists():  # a log that was written meanwhile
        shutil.rmtree(site.account.data)
    away.rename(site.account.data)
    assert eventually(lambda: site.name2key().body == MASAKAZU)
    assert site.workers() == workers


def test_an_unwritable_log_stops_no_lookup(site: Site) -> None:
    """If the log file is a directory, lookups are answered and the lines are in Apache's error log."""
    (site.account.data / "log" / "n2k.log").mkdir(parents=True)
    site.account.settings("log_level = DEBUG")
    assert site.name2key().body == MASAKAZU
    assert eventually(lambda: "cannot log to" in site.server.error_log)
    assert site.name2key().body == MASAKAZU


def test_deploying_changed_code_starts_new_workers(site: Site) -> None:
    """A script replaced by rename is served by new processes, without touching the server.

    The old ones end, since they get no requests any more; requests meanwhile get the right answer.
    """
    old = site.both_workers()
    # Between requests: a file that is open for writing cannot be started. A deployment replaces it in one step.
    site.account.script.write_text(site.account.script.read_text() + "# as an older version wrote it\n")
    done: list[str] = []

    def client(number: int) -> set[bytes]:
        if number == 0:
            done.append(site.account.n2k("deploy", str(site.account.site)))
            return set()
        bodies = {site.name2key().body}
        while not done:
            bodies.add(site.name2key().body)
        return bodies

    answers = in_parallel(2, client)
    assert set().union(*answers) == {MASAKAZU}, site.server.error_log
    assert {int(pid) for pid in re.findall(r"\d+", done[0].partition("stopped: workers ")[2])} == set(old)
    assert site.name2key().body == MASAKAZU
    assert site.workers() and not set(site.workers()) & set(old)


def test_edited_settings_take_effect_in_a_running_worker(site: Site) -> None:
    """Registration is switched off without a restart; an invalid edit changes nothing and is logged."""
    form, token = f"name=Two+Workers&key={NEW_KEY}", site.account.token
    assert site.server.post("/", form).status == 401
    workers = site.workers()
    site.account.settings("register = off")
    assert eventually(lambda: site.server.post("/", form, X_N2K_Token=token).status == 403)
    site.account.settings("register = perhaps")
    assert eventually(lambda: site.name2key().status == 200 and bool(site.logged("perhaps")))
    assert site.server.post("/", form, X_N2K_Token=token).status == 403
    assert site.workers() == workers
