"""``n2k token``, and what a running server makes of a token."""

import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import HTTPError

import pytest

from tests.support.commands import Commands
from tests.support.processes import running
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
        process.wait(30)


def register(url: str, token: str) -> int:
    """The status of a registration with *token*."""
    body = urllib.parse.urlencode({"name": "Masakazu Kojima", "key": MASAKAZU}).encode()
    request = urllib.request.Request(url, body, {"X-N2K-Token": token})
    for _ in range(3000):
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return int(response.status)
        except HTTPError as refused:
            refused.close()
            return refused.code
        except OSError as error:  # not listening yet
            assert "refused" in str(error)
    raise AssertionError("the server does not listen")


def test_create_prints_the_secret_last(n2k: Commands) -> None:
    """One line: id, scopes, grid, and as the last word the token."""
    done = n2k("token", "create", "--scope", "register", "--scope", "forget", "--grid", "production")
    assert done.code == 0
    assert re.fullmatch(r"([0-9a-f]{12}) register,forget Production n2k_\1_[0-9a-f]{64}\n", done.out)


def test_list_never_shows_a_secret(n2k: Commands) -> None:
    """Id, scopes, grid, time, state, rate and note of each, oldest first; no secret, in no file of the directory either."""
    secret = n2k("token", "create", "--scope", "register").out.split()[-1]
    n2k("token", "create", "--scope", "admin", "--rate", "5", "--note", "the gate")
    lines = [line.split("\t") for line in n2k("token", "list").out.splitlines()]
    assert sorted((scopes, grid, *rest) for _, scopes, grid, _, *rest in lines) == [
        ("admin", "-", "active", "5", "the gate"),
        ("register", "-", "active", "-", "-"),
    ]
    kept = b"".join(path.read_bytes() for path in n2k.data_dir.rglob("*") if path.is_file())
    assert secret.rpartition("_")[2].encode() not in kept


def test_a_revoked_token_is_refused_at_once(n2k: Commands) -> None:
    """A running server takes the token until it is revoked, and answers 401 from then on."""
    n2k("init")
    token = n2k("token", "create", "--scope", "register").out.split()[-1]
    with serving(n2k) as url:
        assert register(url, token) == 200
        done = n2k("token", "revoke", token.split("_")[1])
        assert (done.code, done.err) == (0, f"revoked {token.split('_')[1]}\n")
        assert register(url, token) == 401
    assert "\trevoked\t" in n2k("token", "list").out


@pytest.mark.parametrize("token_id", ["0123456789ab", "nonsense", "n2k_0123456789ab_00"])
def test_revoking_what_is_not_there(n2k: Commands, token_id: str) -> None:
    """An unknown id, and a whole token in its place, are refused with 33."""
    n2k("init")
    done = n2k("token", "revoke", token_id)
    assert (done.code, done.err) == (33, f"n2k: no token with the id '{token_id}': see 'n2k token list'\n")


@pytest.mark.parametrize("arguments", [[], ["--scope", "everything"]])
def test_a_scope_is_needed(n2k: Commands, arguments: list[str]) -> None:
    """Without a scope, or with an unknown one, no token is made: usage, exit code 2."""
    assert n2k("token", "create", *arguments).code == 2
