"""Who may do what: addresses, tokens, read-only servers, and the directory as keys."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from n2k_fcgi.model.choices import Scope
from n2k_fcgi.model.keyvalue.operations import Put
from n2k_fcgi.service.access.tokens import create_token, revoke_token, token_id
from n2k_fcgi.store.base import Store
from n2k_fcgi.store.keyvalue import Terms
from tests.support.commands import Commands
from tests.support.foreground import foreground, free_port
from tests.support.memcached import NAMESPACE, Client, serving, space_of
from tests.support.processes import Child

UNKNOWN = b"CLIENT_ERROR unauthenticated\r\n"


def login(token: str) -> bytes:
    """memcached's text authentication: a ``set`` with any key."""
    return b"set any 0 0 %d\r\nuser %b\r\n" % (len(token) + 5, token.encode())


def token_for(store: Store, name: str = NAMESPACE, *, scope: Scope = Scope.KEYVALUE, read_only: bool = False) -> str:
    """A new one."""
    store.keyvalue.create(name, Terms(1000, 10))
    return create_token(store.tokens, [scope], namespace=name, read_only=read_only).text


@pytest.mark.measured
def test_with_auth_a_token_is_needed(store: Store, tmp_path: Path) -> None:
    """Of the namespace, or of the owner; nothing else is answered before, and a wrong one can be corrected."""
    with serving(tmp_path / "data", "--auth") as server:
        with Client(server.address) as client:
            assert client.ask(b"get a\r\nversion\r\nset a 0 0 99999\r\n", 3) == UNKNOWN * 3
            assert client.ask(b"set a 0 0 3\r\nabc\r\n") == b"CLIENT_ERROR bad authentication token format\r\n"
            assert client.ask(b"set a 0 0 9\r\nuser none\r\n") == b"CLIENT_ERROR authentication failure\r\n"
            assert client.ask(login(token_for(store, "other"))) == b"CLIENT_ERROR authentication failure\r\n"
            assert client.everything(login(token_for(store)) + b"set a 0 0 1\r\nx\r\nget a\r\n") == (
                b"STORED\r\nSTORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n"
            )
        with Client(server.address) as client:
            assert client.ask(login(token_for(store, "other", scope=Scope.ADMIN))) == b"STORED\r\n"
        with Client(server.address) as client:
            reading = login(token_for(store, read_only=True))
            assert client.everything(reading + b"get a\r\nset a 0 0 1\r\ny\r\n") == (
                b"STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\nCLIENT_ERROR this may only be read\r\n"
            )
    assert "not for the namespace 'shop'" in (tmp_path / "data" / "log" / "n2k.log").read_text()


@pytest.mark.measured
def test_authentication_is_worded_as_by_memcached(store: Store, tmp_path: Path) -> None:
    """Byte for byte, with the same user and password."""
    token = token_for(store)
    (tmp_path / "users").write_text(f"user:{token}\n")
    scripts = [
        b"get a\r\n", b"quit\r\n", b"version\r\n", b"mn\r\n", b"shutdown\r\n", b"set a 0 0\r\n", b"set a 0 0 x\r\n",
        b"set a 0 0 -1\r\n", b"set a 0 0 0\r\n\r\n", b"set a 0 0 3\r\nabc\r\n", b"set a 0 0 9\r\nuser none\r\n",
        b"set a 0 0 9 noreply\r\nuser none\r\n", login(token).replace(b"user ", b"user:"), login(token),
    ]  # fmt: skip
    port = free_port()
    options = ("-u", "root", "-U", "0", "-l", "127.0.0.1", "-p", str(port), "-Y", str(tmp_path / "users"))
    with (
        foreground("memcached", *options, port=port, log=tmp_path / "memcached.log"),
        serving(tmp_path / "data", "--auth") as server,
        Client(("127.0.0.1", port)) as theirs,
        Client(server.address) as ours,
    ):
        for script in scripts:
            assert ours.ask(script) == theirs.ask(script), script
        assert ours.everything(b"get a\r\n") == theirs.everything(b"get a\r\n") == b"END\r\n"


def test_a_revoked_token_gives_no_access(store: Store, tmp_path: Path) -> None:
    """Nor does one for other things. A connection that is open stays open, as docs/memcached.md says."""
    token = token_for(store)
    with serving(tmp_path / "data", "--auth") as server, Client(server.address) as before:
        assert before.ask(login(token)) == b"STORED\r\n"
        assert revoke_token(store.tokens, token_id(token))
        with Client(server.address) as client:
            for refused in (token, token_for(store, scope=Scope.REGISTER), token[:-1]):
                assert client.ask(login(refused)) == b"CLIENT_ERROR authentication failure\r\n"
            assert client.ask(b"get a\r\n") == UNKNOWN
        assert before.everything(b"get a\r\n") == b"END\r\n"


@pytest.mark.parametrize(
    "command",
    [
        b"set a 0 0 1\r\ny\r\n", b"add b 0 0 1\r\ny\r\n", b"append a 0 0 1\r\ny\r\n", b"incr a 1\r\n", b"delete a\r\n",
        b"touch a 5\r\n", b"gat 5 a\r\n", b"flush_all\r\n", b"ms a 1\r\ny\r\n", b"md a\r\n", b"ma a\r\n", b"mg a T5\r\n",
    ],
)  # fmt: skip
def test_a_read_only_server_refuses_every_write(store: Store, tmp_path: Path, command: bytes) -> None:
    """And answers reads."""
    space = space_of(store)
    before = space.apply(Put(b"a", b"x")).results[0].version
    with serving(tmp_path / "data", "--read-only") as server, Client(server.address) as client:
        assert client.everything(command) == b"CLIENT_ERROR this may only be read\r\n"
        assert client.everything(b"get a\r\nmg a v\r\n") == b"VALUE a 0 1\r\nx\r\nEND\r\nVA 1\r\nx\r\n"
    assert space.version() == before


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "example.com:11211", "192.0.2.1:11211"])
def test_other_machines_are_let_in_on_purpose_only(store: Store, tmp_path: Path, listen: str) -> None:
    """The protocol has no encryption: without --public the command refuses."""
    done = Commands(tmp_path / "data")("memcached", "--listen", listen, "--namespace", NAMESPACE)
    assert done.code == 2 and "say --public" in done.err


@pytest.mark.measured
def test_public_warns(store: Store, tmp_path: Path) -> None:
    """On standard error, and serves."""
    with serving(tmp_path / "data", "--public", listen="0.0.0.0:0") as server, Client(server.address) as client:
        assert client.ask(b"mn\r\n") == b"MN\r\n"
        assert "warning: other machines may reach 0.0.0.0" in server.stderr and "need no token" in server.stderr


def test_public_with_tokens_warns_of_the_network_alone(store: Store, tmp_path: Path) -> None:
    """They are needed, and cross it in the clear."""
    with serving(tmp_path / "data", "--public", "--auth", listen="0.0.0.0:0") as server, Client(server.address) as client:
        assert client.ask(b"mn\r\n") == UNKNOWN
        assert "warning: other machines may reach 0.0.0.0" in server.stderr and "need no token" not in server.stderr


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "localhost:0", "127.8.9.10:0"])
def test_loopback_needs_no_permission(store: Store, tmp_path: Path, listen: str) -> None:
    """Whatever its name is; and there is no warning."""
    with serving(tmp_path / "data", listen=listen) as server, Client(server.address) as client:
        assert client.ask(b"mn\r\n") == b"MN\r\n"
        assert server.address[0].startswith("127.") and "warning" not in server.stderr


def test_where_it_cannot_listen(store: Store, tmp_path: Path) -> None:
    """A malformed address, a port that is taken, and a namespace that does not exist: told at once."""
    n2k = Commands(tmp_path / "data")
    assert n2k("memcached", "--listen", "nonsense", "--namespace", NAMESPACE).code == 2
    with serving(tmp_path / "data", listen="127.0.0.1:0") as server:
        taken = n2k("memcached", "--listen", f"127.0.0.1:{server.address[1]}", "--namespace", NAMESPACE)
        assert taken.code == 84 and "cannot listen" in taken.err
    with serving(tmp_path / "data") as server:
        taken = n2k("memcached", "--listen", f"unix:{server.address}", "--namespace", NAMESPACE)
        assert taken.code == 84 and "cannot listen" in taken.err
        with Client(server.address) as client:
            assert client.ask(b"mn\r\n") == b"MN\r\n"
    assert n2k("memcached", "--listen", "127.0.0.1:0", "--namespace", "none").code == 102


def test_a_unix_socket_is_the_owner_s_alone(store: Store, tmp_path: Path) -> None:
    """Mode 600, and removed at the end."""
    with serving(tmp_path / "data") as server:
        assert Path(str(server.address)).stat().st_mode & 0o777 == 0o600


@pytest.mark.measured
def test_the_directory_answers_below_its_prefix(store: Store, tmp_path: Path) -> None:
    """Keys and names, of a grid if one is named; hidden avatars are no answer. It may only be read, and is off by default."""
    n2k = Commands(tmp_path / "data")
    key, other = "a27b84f0-2757-4176-9579-43a181d4a5a0", "3d6181b0-6a4b-97ef-18d8-722652995cf1"
    assert n2k("register", "Masakazu Kojima", key).code == 0
    assert n2k("register", "Governor Linden", other, "--grid", "OpenSim").code == 0
    asked = b"get n2k:avatar:masakazu.kojima a n2k:key:%b n2k:key:%b n2k:key:%b@Production"
    asked += b" n2k:avatar:governor.linden@OpenSim n2k:x\r\n"
    with serving(tmp_path / "data", "--directory", "n2k:") as server, Client(server.address) as client:
        client.everything(b"set a 0 0 1\r\nx\r\n")
        assert client.until(asked % (key.encode(), other.encode(), other.encode()), b"END\r\n").split(b"\r\n") == [
            b"VALUE n2k:avatar:masakazu.kojima 0 36", key.encode(), b"VALUE a 0 1", b"x",
            b"VALUE n2k:key:%b 0 15" % key.encode(), b"Masakazu Kojima",
            b"VALUE n2k:key:%b 0 15" % other.encode(), b"Governor Linden",
            b"VALUE n2k:avatar:governor.linden@OpenSim 0 36", other.encode(), b"",
        ]  # fmt: skip
        refused = b"CLIENT_ERROR this may only be read\r\n"
        assert (
            client.everything(b"set n2k:x 0 0 1\r\ny\r\ndelete n2k:key:1\r\nmd n2k:x\r\ndelete n2k:y noreply\r\n")
            == refused * 3
        )
        told = client.everything(b"set b 0 0 1\r\ny\r\nget n2k:key:%b b\r\n" % key.encode())
        assert told.endswith(b"Masakazu Kojima\r\nVALUE b 0 1\r\ny\r\nEND\r\n")
        many = b" ".join(b"n2k:key:%d" % number for number in range(1001))
        assert client.ask(b"get %b\r\n" % many).startswith(b"CLIENT_ERROR ")
        assert n2k("forget", key).code == 0
        assert client.everything(b"get n2k:avatar:masakazu.kojima n2k:key:%b\r\n" % key.encode()) == b"END\r\n"
    with serving(tmp_path / "data") as server, Client(server.address) as client:
        assert client.everything(b"get n2k:avatar:governor.linden\r\nset n2k:x 0 0 1\r\ny\r\n") == b"END\r\nSTORED\r\n"


KEY = "a27b84f0-2757-4176-9579-43a181d4a5a0"
NAME = b"Masakazu Kojima"


@pytest.fixture
def names(store: Store, tmp_path: Path) -> Iterator[Child]:
    """A server with the directory below ``n2k:``, which knows one avatar."""
    assert Commands(tmp_path / "data")("register", NAME.decode(), KEY).code == 0
    with serving(tmp_path / "data", "--directory", "n2k:") as server:
        yield server


@pytest.mark.measured
def test_names_are_written_by_no_command(names: Child, store: Store) -> None:
    """Known ones and others; the namespace gets no such key."""
    commands = [
        b"set %b 0 0 1\r\ny\r\n", b"add %b 0 0 1\r\ny\r\n", b"replace %b 0 0 1\r\ny\r\n", b"append %b 0 0 1\r\ny\r\n",
        b"prepend %b 0 0 1\r\ny\r\n", b"cas %b 0 0 1 1\r\ny\r\n", b"incr %b 1\r\n", b"decr %b 1\r\n", b"delete %b\r\n",
        b"touch %b 5\r\n", b"gat 5 a %b\r\n", b"gats 5 %b\r\n", b"ms %b 1\r\ny\r\n", b"ms %b 1 MA\r\ny\r\n", b"md %b\r\n",
        b"ma %b\r\n", b"ma %b N0\r\n", b"mg %b v T5\r\n",
    ]  # fmt: skip
    with Client(names.address) as client:
        for command in commands:
            for key in (b"n2k:key:" + KEY.encode(), b"n2k:x"):
                assert client.everything(command % key) == b"CLIENT_ERROR this may only be read\r\n", command
    assert space_of(store).space().keys == 0


@pytest.mark.measured
def test_names_answer_every_reading_command(names: Child) -> None:
    """With no flags, no time and no version; upper and lower case and other spellings of a name are the same."""
    key = b"n2k:key:" + KEY.encode()
    with Client(names.address) as client:
        assert client.everything(b"gets %b\r\n" % key) == b"VALUE %b 0 15 0\r\nMasakazu Kojima\r\nEND\r\n" % key
        assert client.everything(b"mg %b v s f c t\r\nmg n2k:x v\r\n" % key) == (
            b"VA 15 s15 f0 c0 t-1\r\nMasakazu Kojima\r\nEN\r\n"
        )
        for name in (b"masakazu.kojima", b"MASAKAZU.Kojima", b"Masakazu.Kojima@Production"):
            assert client.everything(b"mg n2k:avatar:%b v\r\n" % name) == b"VA 36\r\n%b\r\n" % KEY.encode()
        for unknown in (
            b"avatar:",
            b"avatar:masakazu",
            b"key:",
            b"key:%b@OpenSim" % KEY.encode(),
            b"key:%b" % KEY[1:].encode(),
        ):
            assert client.everything(b"get n2k:%b\r\n" % unknown) == b"END\r\n"
        asked = b"avatar:%b key:%b@nowhere key:zz" % (b"x" * 200, KEY.encode())
        assert client.everything(b"".join(b"get n2k:%b\r\n" % word for word in asked.split())) == b"END\r\n" * 3


def test_all_names_of_one_command_come_from_one_view(names: Child, store: Store, tmp_path: Path) -> None:
    """Also when the avatar is hidden while the answer is half read; the next command does not find it."""
    space_of(store).apply(Put(b"big", bytes(60_000)))
    key = b"n2k:key:" + KEY.encode()
    with Client(names.address) as client:
        client.sendall(b"get %b%b n2k:avatar:masakazu.kojima\r\n" % (key, b" big" * 200))
        assert client.line() == b"VALUE %b 0 15\r\n" % key and client.line() == NAME + b"\r\n"
        assert Commands(tmp_path / "data")("forget", KEY).code == 0
        told = client.until(b"", b"END\r\n")
        assert told.endswith(b"\r\nVALUE n2k:avatar:masakazu.kojima 0 36\r\n%b\r\n" % KEY.encode())
        assert client.everything(b"get %b n2k:avatar:masakazu.kojima\r\n" % key) == b"END\r\n"
