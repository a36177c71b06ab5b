"""The live application: edits of the settings file take effect, broken ones do not."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from n2k_fcgi.servers.live import LiveApplication
from tests.support.asking import wsgi
from tests.support.golden import Ask
from tests.support.sandbox import GOVERNOR, MASAKAZU, Sandbox, csv


@contextmanager
def _live(data_dir: Path) -> Iterator[Ask]:
    """It looks at the settings file with every request, so that no test waits."""
    application = LiveApplication({"data_dir": str(data_dir)}, look_every=0)
    try:
        yield wsgi(application)
    finally:
        application.close()


def _get(ask: Ask, target: str) -> tuple[int, str]:
    reply = ask("GET", target, {}, b"")
    return reply.status, reply.body.decode()


def _settings(sandbox: Sandbox, *lines: str) -> None:
    (sandbox.data_dir / "n2k.ini").write_text("[n2k]\n" + "\n".join(lines) + "\n")


def test_an_edited_setting_takes_effect(sandbox: Sandbox) -> None:
    """Without a restart."""
    target = f"/?name=Masakazu+Kojima&key={MASAKAZU}"
    with _live(sandbox.data_dir) as ask:
        assert _get(ask, target)[0] == 401
        _settings(sandbox, "register = open")
        assert _get(ask, target)[0] == 200
        _settings(sandbox, "register = off")
        assert _get(ask, target)[0] == 403


def test_a_broken_edit_is_logged_and_the_old_settings_stay(sandbox: Sandbox) -> None:
    """Logged once, not with every request."""
    target = f"/?name=Masakazu+Kojima&key={MASAKAZU}"
    _settings(sandbox, "register = open")
    with _live(sandbox.data_dir) as ask:
        assert _get(ask, target)[0] == 200
        _settings(sandbox, "register = perhaps")
        for _ in range(3):
            assert _get(ask, target)[0] == 200
    log = (sandbox.data_dir / "log" / "n2k.log").read_text()
    assert log.count("settings rejected; keeping the previous ones") == 1 and "perhaps" in log


def test_an_edited_level_shows_lookups_with_their_duration(sandbox: Sandbox) -> None:
    """At DEBUG each lookup is logged, at INFO none."""
    log = sandbox.data_dir / "log" / "n2k.log"
    with _live(sandbox.data_dir) as ask:
        _get(ask, "/?name=Masakazu+Kojima")
        assert not log.exists()
        _settings(sandbox, "log_level = DEBUG")
        _get(ask, "/?name=Masakazu+Kojima")
    assert "name2key masakazu.kojima -> None" in log.read_text() and " ms" in log.read_text()


def test_a_start_with_broken_settings_answers_503_until_they_are_mended(sandbox: Sandbox) -> None:
    """If the worker ended at its start, the web server would throttle the site."""
    _settings(sandbox, "nonsense = 1")
    with _live(sandbox.data_dir) as ask:
        status, body = _get(ask, "/health")
        assert status == 503 and "nonsense" in body and body.count("\n") == 1
        _settings(sandbox)
        assert _get(ask, "/health") == (200, "alive\n")


def test_a_missing_data_directory_is_503_with_one_line_and_recovers(sandbox: Sandbox) -> None:
    """Moved away and back, without a restart; the line says what to do."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")))
    sandbox.close()
    away = sandbox.data_dir.with_name("away")
    with _live(sandbox.data_dir) as ask:
        assert _get(ask, "/?name=masakazu.kojima") == (200, MASAKAZU)
        os.rename(sandbox.data_dir, away)
        status, body = _get(ask, "/?name=masakazu.kojima")
        assert status == 503 and "init" in body and body.count("\n") == 1
        os.rename(away, sandbox.data_dir)
        assert _get(ask, "/?name=masakazu.kojima") == (200, MASAKAZU)


def test_a_damaged_generation_is_503_and_going_back_mends_it(sandbox: Sandbox) -> None:
    """The line says how to fix it, and that works."""
    first = sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=1).manifest.name
    second = sandbox.import_text(csv((GOVERNOR, "Governor Linden")), as_of=2).manifest.name
    sandbox.close()
    data = sandbox.data_dir / "generations" / second / "data.mdb"
    whole = data.read_bytes()
    data.write_bytes(whole[:20_000])
    with _live(sandbox.data_dir) as ask:
        status, body = _get(ask, "/?name=masakazu.kojima")
        assert status == 503 and "generations use" in body
        sandbox.store.generations.use(first)
        assert _get(ask, "/?name=masakazu.kojima") == (200, MASAKAZU)
    data.write_bytes(whole)


def test_no_secret_is_logged(sandbox: Sandbox) -> None:
    """Neither a token that was sent, nor one in a URL, at the level DEBUG."""
    _settings(sandbox, "log_level = DEBUG")
    secret = "n2k_0123456789ab_" + "5e" * 32
    with _live(sandbox.data_dir) as ask:
        ask("GET", f"/?name=A+B&key={MASAKAZU}&token={secret}", {}, b"")
        ask("GET", f"/?name=A+B&key={MASAKAZU}", {"X-N2K-Token": secret}, b"")
        ask("GET", f"/?name=A+B&key={MASAKAZU}", {"Authorization": f"Bearer {secret}"}, b"")
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        ask("POST", "/", form, f"name=A+B&key={MASAKAZU}&token={secret}".encode())
    log = (sandbox.data_dir / "log" / "n2k.log").read_text()
    assert "401" in log and "5e5e" not in log
