"""``n2k token``, and how a running server treats a token."""

import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError

import pytest

import n2k_fcgi
from n2k_fcgi.config import load
from n2k_fcgi.model.choices import Scope
from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.wiring import open_store
from tests.support.commands import Commands
from tests.support.processes import SECONDS, eventually, running
from tests.support.sandbox import MASAKAZU


@contextmanager
def serving(n2k: Commands) -> Iterator[str]:
    """The address of a running ``n2k serve``."""
    with (
        (n2k.data_dir.parent / "stderr").open("wb") as stderr,
        running(n2k.command("serve", "--port", "0"), stdin=None, stderr=stderr) as process,
    ):
        assert process.stdout
        yield process.stdout.readline().decode().strip()
        process.terminate()
        process.wait(SECONDS)


def register(url: str, token: str) -> int:
    """The status of a registration with *token*."""
    body = urllib.parse.urlencode({"name": "Masakazu Kojima", "key": MASAKAZU}).encode()
    request = urllib.request.Request(url, body, {"X-N2K-Token": token})
    statuses: list[int] = []

    def answers() -> bool:
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as response:
                statuses.append(response.status)
        except HTTPError as refused:
            refused.close()
            statuses.append(refused.code)
        except OSError as error:  # not listening yet
            assert "refused" in str(error)
        return bool(statuses)

    assert eventually(answers), "the server does not listen"
    return statuses[0]


@pytest.mark.measured
def test_create_prints_the_secret_last(n2k: Commands) -> None:
    """One line: id, scopes, grid, and the token as the last word."""
    done = n2k("token", "create", "--scope", "register", "--scope", "forget", "--grid", "production")
    assert done.code == 0
    assert re.fullmatch(r"([0-9a-f]{12}) register,forget Production n2k_\1_[0-9a-f]{64}\n", done.out)


def test_list_never_shows_a_secret(n2k: Commands) -> None:
    """Id, scopes, grid, time, state, rate and note of each, oldest first; no file of the directory has the secret either."""
    secret = n2k("token", "create", "--scope", "register").out.split()[-1]
    n2k("token", "create", "--scope", "admin", "--rate", "5", "--note", "the gate")
    lines = [line.split("\t") for line in n2k("token", "list").out.splitlines()]
    assert [(scopes, grid, *rest) for _, scopes, grid, _, *rest in lines] == [
        ("register", "-", "active", "-", "-"),
        ("admin", "-", "active", "5", "the gate"),
    ]
    kept = b"".join(path.read_bytes() for path in n2k.data_dir.rglob("*") if path.is_file())
    assert secret.rpartition("_")[2].encode() not in kept


def test_the_list_has_headings_beside_it(n2k: Commands) -> None:
    """They are not part of the result: on standard error, one word per column, silent with -q."""
    n2k("token", "create", "--scope", "register", "--note", "the gate")
    done = n2k("token", "list")
    assert done.err == "id\tscopes\tgrid\tmade\tstate\twrites per minute\tnote\n"
    assert [line.count("\t") for line in done.out.splitlines()] == [done.err.count("\t")]
    assert n2k("-q", "token", "list").err == ""


@pytest.mark.parametrize("scope", ["registr", "ADMINISTRATOR"])
def test_a_scope_without_a_reader_is_rejected(n2k: Commands, scope: str) -> None:
    """No token is made for an unknown scope: usage, exit code 2."""
    done = n2k("token", "create", "--scope", scope)
    assert (done.code, done.out) == (2, "")
    assert f"'{scope}' is not one of 'register', 'forget', 'csv', 'read', 'metrics', 'keyvalue', 'admin'." in done.err


def test_an_old_token_with_the_scope_keyvalue_is_listed(n2k: Commands) -> None:
    """Version 1.0 could make tokens with that scope and no namespace: they are listed, and revoked, as before."""
    n2k("init")
    store = open_store(load(environment={}, flags={"data_dir": str(n2k.data_dir)}).settings)
    old = create_token(store.tokens, ("register", "keyvalue"), note="of old")
    store.close()
    rows = [line.split("\t") for line in n2k("token", "list").out.splitlines()]
    assert [old.token.id, "register,keyvalue", "of old"] in [[row[0], row[1], row[6]] for row in rows]
    with serving(n2k) as url:
        assert register(url, old.text) == 200
    assert n2k("token", "revoke", old.token.id).code == 0


@pytest.mark.measured
def test_a_token_for_a_namespace(n2k: Commands) -> None:
    """The namespace is made, the last limits given count, and create and list show what the token permits."""
    first = n2k("token", "create", "--scope", "keyvalue", "--namespace", "shop")
    assert re.fullmatch(r"([0-9a-f]{12}) keyvalue:shop - n2k_\1_[0-9a-f]{64}\n", first.out)
    assert first.err == "namespace shop: 8388608 bytes and 100000 keys at most\n"
    second = n2k(
        "token", "create", "--scope", "csv", "--scope", "keyvalue", "--namespace", "shop", "--quota", "20M", "--read-only"
    )
    assert second.out.split()[1:3] == ["csv,keyvalue:shop:read-only", "-"]
    assert second.err == "namespace shop: 20971520 bytes and 100000 keys at most\n"
    third = n2k("token", "create", "--scope", "keyvalue", "--namespace", "shop", "--keys", "1")
    assert third.err == "namespace shop: 20971520 bytes and 1 key at most\n"
    rows = [line.split("\t") for line in n2k("token", "list").out.splitlines()]
    assert [row[1] for row in rows] == ["keyvalue:shop", "csv,keyvalue:shop:read-only", "keyvalue:shop"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scope", "keyvalue"], "the scope keyvalue is of one namespace: add --namespace NS, such as --namespace shop"),
        (["--scope", "register", "--namespace", "shop"], "--namespace: only with --scope keyvalue"),
        (["--scope", "csv", "--read-only", "--quota", "1M", "--keys", "5"], "--read-only, --quota, --keys: only with "),
        (["--scope", "keyvalue", "--scope", "admin", "--namespace", "shop"], "the scope admin includes every namespace"),
        (["--scope", "keyvalue", "--namespace", "shop", "--grid", "OpenSim"], "a namespace has no grid: omit --grid"),
        (["--scope", "keyvalue", "--namespace", "shop", "--quota", "many"], "must be a size from 1K to "),
        (["--scope", "keyvalue", "--namespace", "shop", "--keys", "0"], "Invalid value for '--keys'"),
    ],
)  # fmt: skip
def test_options_of_a_namespace_are_checked(n2k: Commands, arguments: list[str], message: str) -> None:
    """Missing and superfluous ones are named, exit code 2, and nothing is made, not even the data directory."""
    done = n2k("token", "create", *arguments)
    assert (done.code, done.out) == (2, "") and message in done.err
    assert not n2k.data_dir.exists()


@pytest.mark.parametrize("name", ["Shop", "a b", "../x", "", "x" * 41])
def test_a_bad_namespace(n2k: Commands, name: str) -> None:
    """One line, exit code 101, and no token."""
    n2k("init")
    before = n2k("token", "list").out
    done = n2k("token", "create", "--scope", "keyvalue", "--namespace", name)
    why = f"bad namespace '{name}': 1 to 40 of a-z, 0-9, '-' and '_'"
    assert (done.code, done.out, done.err) == (101, "", f"n2k: {why}\n")
    assert n2k("token", "list").out == before


def test_an_error_has_no_headings(n2k: Commands) -> None:
    """Where there is no data directory, the error is the only line."""
    done = n2k.bare("--dir", n2k.data_dir / "none", "token", "list")
    assert (done.code, done.out, done.err.count("\n")) == (40, "", 1) and done.err.startswith("n2k: ")


def test_every_scope_has_a_reader() -> None:
    """Each scope that a token can have permits some request."""
    package = Path(n2k_fcgi.__file__).parent
    readers = "\n".join(
        path.read_text("utf-8") for folder in ("web", "service/scripts/catalogue.py") for path in _sources(package / folder)
    )
    assert [scope for scope in Scope if f"Scope.{scope.name}" not in readers] == []


def _sources(place: Path) -> list[Path]:
    return sorted(place.rglob("*.py")) if place.is_dir() else [place]


def test_a_revoked_token_is_refused_at_once(n2k: Commands) -> None:
    """A running server accepts the token until it is revoked, and answers 401 from then on."""
    n2k("init")
    token = n2k("token", "create", "--scope", "register").out.split()[-1]
    with serving(n2k) as url:
        assert register(url, token) == 200
        done = n2k("token", "revoke", token.split("_")[1])
        assert (done.code, done.err) == (0, f"revoked {token.split('_')[1]}\n")
        again = n2k("token", "revoke", token.split("_")[1])
        assert (again.code, again.err) == (0, f"{token.split('_')[1]} was revoked already\n")
        assert register(url, token) == 401
    assert "\trevoked\t" in n2k("token", "list").out


@pytest.mark.parametrize("token_id", ["0123456789ab", "nonsense", "n2k_0123456789ab_00"])
def test_revoking_what_is_not_there(n2k: Commands, token_id: str) -> None:
    """An unknown id, and a whole token instead of an id, are refused with 33."""
    n2k("init")
    done = n2k("token", "revoke", token_id)
    assert (done.code, done.err) == (33, f"n2k: no token with the id '{token_id}': see 'n2k token list'\n")


@pytest.mark.parametrize("arguments", [[], ["--scope", "everything"]])
@pytest.mark.measured
def test_a_scope_is_needed(n2k: Commands, arguments: list[str]) -> None:
    """Without a scope, or with an unknown one, no token is made: usage, exit code 2."""
    assert n2k("token", "create", *arguments).code == 2
