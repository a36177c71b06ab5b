"""Lines that no generator makes, well-formed or not: memcached itself and ours answer the same, byte for byte."""

import pytest

from tests.support.memcached import Client

pytestmark = pytest.mark.measured

LONG = b"k" * 251

CLASSIC = [
    b"verbosity", b"verbosity x", b"verbosity 1 2", b"verbosity 1 2 3", b"verbosity -1", b"verbosity noreply",
    b"flush_all 0", b"flush_all -1\r\nget a", b"flush_all 100\r\nget a", b"flush_all 100 noreply\r\nget a", b"flush_all 5 x",
    b"flush_all noreply\r\nget a", b"flush_all 0 noreply\r\nget a", b"flush_all 1 2 3", b"flush_all noreply 5",
    b"touch", b"touch a", b"touch a noreply", b"touch a 0 0 0", b"touch a x noreply", b"touch a 5 x", b"touch %b 0" % LONG,
    b"gat", b"gat 5", b"gat x a", b"gat -1 a", b"gat 5 none", b"gat 2147483647 a", b"gat 0 %b" % LONG,
    b"gats", b"gats 5", b"gats 5 none", b"get", b"gets", b"get  a", b"get a a", b"get a noreply", b"gets none",
    b"get %b" % LONG, b"gets a %b" % LONG, b"get " + b"a " * 300,
    b"incr", b"incr a", b"incr n 1 2", b"incr n 1 2 3", b"incr n 1 noreply\r\nget n", b"incr none 1 noreply", b"incr  n   1",
    b"incr n -1", b"incr n 1.5", b"incr n +1", b"incr noreply", b"incr n noreply", b"decr n 18446744073709551616",
    b"incr a 1 noreply", b"decr n 50", b"incr %b 1" % LONG, b"incr n 18446744073709551615\r\nget n",
    b"delete", b"delete a b", b"delete a 0 0", b"delete a 1 noreply", b"delete a b c d", b"delete none noreply",
    b"delete a noreply\r\nget a", b"delete %b" % LONG,
    b"set", b"set a", b"set a 0 0", b"set a x 0 -1", b"set a 0 0 -1 noreply", b"set a 0 0 99999999999999999999",
    b"set a 0 0 2147483647", b"set a 0 0 2147483648", b"add a 0 0 x", b"append a 0 0", b"prepend", b"cas a 0 0 1",
    b"cas a 0 0 -5 1", b"set a 0 0 0\r\n\r\nget a", b"add b 0 0 1 noreply\r\nx\r\nget b", b"cas none 0 0 1 5 noreply\r\nx",
    b"set a 0 0 1\r\nab", b"set a 0 0 3 noreply\r\nabcd\r\nget a", b"set a 0 0 3 x\r\nabc", b"set a 0 0 3\r\nab",
    b"set a 0 0 1\nx\r\nget a", b"set a 0 0 1\r\nx\n\r\nget a", b"cas a 0 0 1 0\r\nx",
    b"append none 0 0 1 noreply\r\nx\r\nget none",
    b"stats x", b"stats sizes", b"stats reset", b"cache_memlimit", b"cache_memlimit 64", b"cache_memlimit x",
    b"cache_memlimit 1", b"cache_memlimit 64 noreply", b"shutdown", b"shutdown graceful", b"watch_not", b"quitx",
    b"GET a", b"Get a", b"noreply", b"range a b", b"switchdb x", b"debugtime p", b"misbehave",
    b"\x00", b"\x01\x02", b"\xff\xfe", b" ", b"\t", b"get\ta", b"a" * 2000,
]  # fmt: skip

META = [
    b"mn", b"mn x", b"mx a", b"mgx a", b"me", b"me none", b"me %b" % LONG,
    b"mg", b"mg a a", b"mg a v", b"mg a v q k", b"mg none q", b"mg none k O5", b"mg a s v", b"mg a S v", b"mg a v v",
    b"mg a O", b"mg a O O", b"mg a O%b" % (b"o" * 32), b"mg a k k k", b"mg a F5", b"mg a C5", b"mg a M", b"mg a Mx",
    b"mg a E5 v", b"mg %b" % LONG, b"mg !!! b v", b"mg YQ b v k", b"mg Y b", b"mg bm9uZQ== b k", b"mg YQ== b v s f",
    b"md", b"md a", b"md a q", b"md none q", b"md none k O5", b"md a v", b"md a x", b"md a E5", b"md %b" % LONG,
    b"md bm9uZQ== b k", b"md YQ== b k O1\r\nget a", b"md bm9uZQ== b k q",
    b"ma", b"ma a", b"ma n", b"ma n f", b"ma none k O5", b"ma none q", b"ma n v N0 J5", b"ma new v N0 J5\r\nget new",
    b"ma n E5 v", b"ma %b" % LONG, b"ma bm9uZQ== b k N0 v", b"ma bg== b v MD D50",
    b"ms", b"ms a", b"ms a x", b"ms a -1", b"ms a 2147483647", b"ms a S1", b"ms a 1 O%b\r\nx" % (b"o" * 32),
    b"ms a 1 Oo k\r\nab", b"ms a 1 b\r\nx", b"ms !! 1 b\r\nx", b"ms a 1 Tx\r\nx", b"ms a 1 Fx\r\nx", b"ms a 1 S5\r\nx",
    b"ms a 1 s\r\nx", b"ms a 1 E5\r\nx", b"ms a 1 MX\r\nx", b"ms YWE= 1 b k\r\nx\r\nget aa", b"ms YWE= 1 b k MA\r\nx",
    b"ms YQ== 1 b MA\r\nx\r\nget a", b"ms none 1 MA\r\nx", b"ms none 1 MP q\r\nx", b"ms a 1 q\r\nx", b"ms a 2 q\r\nx\r\nget a",
    b"ms a 0\r\n\r\nget a",
]  # fmt: skip


@pytest.mark.parametrize("line", [*CLASSIC, *META])
def test_the_same_line_gets_the_same_answer(both: tuple[Client, Client], line: bytes) -> None:
    """Beside a text and a number that are stored; what follows on the connection is answered, too."""
    told = []
    for client in both:
        assert client.everything(b"flush_all\r\nset a 5 0 3\r\nold\r\nset n 0 0 2\r\n41\r\n") == b"OK\r\nSTORED\r\nSTORED\r\n"
        client.sendall(line + b"\r\n")
        told.append(client.until(b"\r\nget end\r\nmg end O1\r\n", b"EN O1\r\n"))
    assert told[1] == told[0]


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"set a 0 0 1\r\nab\r\n", b"CLIENT_ERROR bad data chunk\r\nERROR\r\n"),
        (b"set a 0 0 -1\r\n", b"CLIENT_ERROR bad command line format\r\n"),
        (b"set a 0 0 99999999999\r\n", b"CLIENT_ERROR bad command line format\r\n"),
        (b"set a 0 0 -2147483649\r\n", b"CLIENT_ERROR bad command line format\r\n"),
        (b"ms a -1\r\n", b"CLIENT_ERROR bad command line format\r\n"),
        (b"ms a 99999999999\r\n", b"CLIENT_ERROR bad command line format\r\n"),
        (b"set a 4294967296 0 1\r\nx\r\n", b"CLIENT_ERROR bad command line format\r\n"),
        (b"ms a 1 F4294967296\r\nx\r\n", b"CLIENT_ERROR bad command line format\r\n"),
        (b"set a 0 2147483648 1\r\nx\r\n", b"CLIENT_ERROR bad command line format\r\n"),
        (b"ms a 1 T2147483648\r\nx\r\n", b"CLIENT_ERROR bad token in command line format\r\n"),
        (b"touch a 2147483648\r\n", b"CLIENT_ERROR invalid exptime argument\r\n"),
        (b"flush_all 2147483648\r\n", b"CLIENT_ERROR invalid exptime argument\r\n"),
        (b"set %b 0 0 9\r\nflush_all\r\n" % (b"k" * 251), b"CLIENT_ERROR bad command line format\r\n"),
        (b"set \xff 0 0 1\r\nx\r\n", b"CLIENT_ERROR bad command line format\r\n"),
        (b"set a\x01 0 0 1\r\nx\r\n", b"CLIENT_ERROR bad command line format\r\n"),
        (b"ms %b 9\r\nflush_all\r\n" % (b"k" * 251), b"CLIENT_ERROR bad command line format\r\n"),
        (b"ms a 1 Y\r\nx\r\n", b"CLIENT_ERROR invalid flag\r\n"),
        (b"get a\0\r\n", b"CLIENT_ERROR bad command line format\r\n"),
        (b"get a\tb a\rb\r\n", b"CLIENT_ERROR bad command line format\r\n"),
        (b"ms a\x7f 1\r\nx\r\n", b"CLIENT_ERROR bad command line format\r\n"),
        (b"ms AA== 1 b\r\nx\r\n", b"CLIENT_ERROR bad command line format\r\n"),
        (b"delete \x1b\r\ntouch a\xc2\x85 5\r\n", b"CLIENT_ERROR bad command line format\r\n" * 2),
        (b"get %b\r\n" % (b"k" * 251), b"CLIENT_ERROR bad command line format\r\n"),
        (b"set a 0 0 65537\r\n%b\r\n" % (b"x" * 65537), b"SERVER_ERROR object too large for cache\r\n"),
        (b"set a 0 0 65537 noreply\r\n%b\r\n" % (b"x" * 65537), b""),
        (b"ms a 65537 q\r\n%b\r\n" % (b"x" * 65537), b"SERVER_ERROR object too large for cache\r\n"),
        (b"gat 0 %b\r\n" % b" ".join([b"k"] * 101), b"CLIENT_ERROR too many keys for one command that writes\r\n"),
        (b"get%b\r\n" % (b" k" * 10_001), b"CLIENT_ERROR too many keys for one command\r\n"),
        (b"gets%b\r\n" % (b" k" * 10_000), b"END\r\n"),
        (b"mg a N5\r\n", b"CLIENT_ERROR invalid flag\r\n"),
        (b"md a I\r\n", b"CLIENT_ERROR invalid or duplicate flag\r\n"),
        (b"mg a O%b\r\n" % (b"o" * 32), b"CLIENT_ERROR opaque token too long\r\n"),
        (b"shutdown\r\n", b"ERROR: shutdown not enabled\r\n"),
        (b"switchdb new\r\nrange a z\r\n", b"ERROR\r\n" * 2),
        (b"stats detail\r\nstats conns\r\nslabs automove 0\r\nlru mode flat\r\nwatch\r\n", b"ERROR\r\n" * 5),
    ],
)
def test_what_breaks_our_rules_is_refused(both: tuple[Client, Client], sent: bytes, answer: bytes) -> None:
    """The value that was there stays, the data of a refused command is no command, and the connection goes on."""
    _, client = both
    assert client.ask(b"set a 0 0 3\r\nold\r\n") == b"STORED\r\n"
    assert client.everything(sent) == answer
    assert client.everything(b"get a\r\n") == b"VALUE a 0 3\r\nold\r\nEND\r\n"
