"""``make bench-serve ROWS=10000000``: lookups beside C, Go and flup's own server, interleaved in one run.

Prints tables in Markdown. Ratios are medians of rounds in which every server had its turn; absolute figures are this
machine's. What stands still from machine to machine is the CPU time of a request as a multiple of the floor's: a loop in Python
that accepts, receives, sends a constant and closes. Names are drawn at random from all rows, and the store is read for each.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import median
from urllib.parse import quote_plus

from n2k_fcgi.service.dumps.sample import Sample
from tests.bench import fronts, starts
from tests.bench.arrivals import Arrivals, Contender, Window
from tests.bench.load import Load, load, spawned, worker
from tests.bench.measure import descendants, machine, private, resident
from tests.bench.peers.build import build
from tests.support.hosting import Account

ROUNDS = 3
ASKED = 200_000
"""Different names and keys that are asked for."""
HOT = 200
NULL_KEY = "00000000-0000-0000-0000-000000000000"
HELLO = "3d6181b0-6a4b-97ef-18d8-722652995cf1"
FIGURES = "req/s | CPU µs | p50 µs | p99 µs | failed"
KINDS = {
    "name2key": "name2key, any of 200,000 names",
    "key2name": "key2name, any of 200,000 keys",
    "misses": "name2key, nobody",
    "hot": "name2key, 200 hot names",
    "health": "/health",
    "json": "/api/v1/avatars/KEY, any of 200,000 keys",
    "history": "/api/v1/avatars/KEY/history, any of 200,000 keys",
    "named": "/api/v1/avatars?name=, any of 200,000 names",
    "search": "/api/v1/search, a page of ten names",
    "routed": "/health/, routed by Werkzeug",
}
FLOOR = "Python's floor"


class Bench:
    """The peers, our data, and what is asked."""

    def __init__(self, rows: int, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "socket"
        self.peers = build(folder)
        self.client, self.floor = self.peers.pop("load"), self.peers.pop("floor")
        self.arrivals = self.peers.pop("arrivals")
        self.account = Account(folder / "home")
        self.targets = write_targets(rows, folder)
        self.one_lookup, self.one_key = self.targets["name2key"].read_text().partition("\n")[0].split("\t")
        dump = folder / "dump.csv"
        n2k = [sys.executable, "-m", "n2k_fcgi", "-q", "--dir", str(self.account.data)]
        subprocess.run([*n2k, "sample", "--rows", str(rows), "--seed", "1", "-o", str(dump)], check=True)
        subprocess.run([*n2k, "import", "--force", str(dump)], check=True)
        dump.unlink()
        self.account.n2k("deploy", str(self.account.site))

    def ours(self, level: str = "INFO") -> list[str]:
        """Our FastCGI worker."""
        return worker(self.account.data, level)

    def ask(self, pid: int, callers: int, requests: int, kind: str) -> Load:
        """Over FastCGI."""
        return load(self.client, "fcgi", self.socket, callers, requests, self.targets[kind], [pid])

    def ask_http(self, front: fronts.Front, callers: int, requests: int, kind: str) -> Load:
        """Over HTTP; the web server starts its workers before."""
        port, roots = front
        load(self.client, "http", port, min(callers, 8), 400, self.targets[kind], [])
        watched = [pid for root in roots for pid in descendants(root)]
        return load(self.client, "http", port, callers, requests, self.targets[kind], watched)


def write_targets(rows: int, folder: Path) -> dict[str, Path]:
    """Files of requests and their answers for the load client."""
    drawn = list(islice(Sample(rows, 1).shuffled(), min(rows, ASKED)))
    names = [f"/?name={quote_plus(row.name)}\t{row.key}" for row in drawn]
    kinds = {
        "name2key": names,
        "key2name": [f"/?key={row.key}\t{row.name}" for row in drawn],
        "misses": [f"/?name=Nobody{n}+Resident\t{NULL_KEY}" for n in range(len(drawn))],
        "hot": names[:HOT],
        "health": ["/health\talive"],
        "json": [f"/api/v1/avatars/{row.key}\t{row.name}" for row in drawn],
        "history": [f"/api/v1/avatars/{row.key}/history\t{row.name}" for row in drawn],
        "named": [f"/api/v1/avatars?name={quote_plus(row.name)}\t{row.key}" for row in drawn],
        "search": [f'/api/v1/search?prefix={quote_plus(row.name)[:6]}&limit=10\t"next"' for row in drawn],
        "routed": ["/health/\talive"],
        "hello": [f"/?name={quote_plus(row.name)}\t{HELLO}" for row in drawn],
    }
    made = {}
    for kind, lines in kinds.items():
        made[kind] = folder / f"{kind}.targets"
        made[kind].write_text("\n".join(lines) + "\n")
    return made


class Table:
    """Figures by what was measured; printed with ratios to the peers of the same rounds."""

    def __init__(self, peers: list[str], floor: str | None = None) -> None:
        """*peers*: rates are told as parts of theirs. *floor*: CPU times are told as multiples of its."""
        self._peers = peers
        self._floor = floor
        self._taken: dict[str, list[Load]] = {}

    def add(self, what: str, taken: Load) -> None:
        """One figure of a round."""
        self._taken.setdefault(what, []).append(taken)

    def print(self, head: str) -> None:
        """Medians of all rounds."""
        for what, taken in self._taken.items():
            ratios = " | ".join([self._ratio(taken, peer) for peer in self._peers] + self._times_floor(taken))
            figures = " | ".join(f"{median(each[field] for each in taken):,.0f}" for field in (0, 4, 2, 3))
            print(f"| {head} | {what} | {ratios} | {figures} | {sum(each.failures for each in taken)} |", flush=True)

    def _ratio(self, ours: list[Load], peer: str) -> str:
        theirs = self._taken.get(peer)
        return f"{median(a.rate / b.rate for a, b in zip(ours, theirs, strict=True)):.2f}" if theirs else "-"

    def _times_floor(self, ours: list[Load]) -> list[str]:
        if self._floor is None:
            return []
        return [f"{median(a.cpu / b.cpu for a, b in zip(ours, self._taken[self._floor], strict=True)):.2f}"]


def direct(bench: Bench) -> None:
    """Straight to the worker's socket, a new connection a request."""
    print(f"\n| callers, direct | what | of C | of Go | of flup | x floor's CPU | {FIGURES} |\n|{'---|' * 11}")
    for callers, requests in ((1, 8_000), (8, 16_000), (32, 16_000)):
        table = Table(["C hello", "Go hello", "stock flup"], FLOOR)
        for _ in range(ROUNDS):
            for peer, command in {FLOOR: bench.floor, **bench.peers}.items():
                with spawned(command, bench.socket) as process:
                    table.add(peer, bench.ask(process.pid, callers, requests if peer != "stock flup" else 4_000, "hello"))
            with spawned(bench.ours(), bench.socket) as process:
                bench.ask(process.pid, 1, 5_000, "name2key")  # as after a minute
                for kind, what in KINDS.items():
                    table.add(what, bench.ask(process.pid, callers, requests, kind))
            with spawned(bench.ours("DEBUG"), bench.socket) as process:
                bench.ask(process.pid, 1, 5_000, "name2key")
                table.add("name2key, a log line each", bench.ask(process.pid, callers, requests, "name2key"))
        table.print(str(callers))


def through_web_servers(bench: Bench) -> None:
    """The same behind Apache's mod_fcgid and nginx over kept connections; CPU is the web server's and the workers'."""
    print(f"\n| callers, through | what | of C | of Go | {FIGURES} |\n|{'---|' * 9}")
    before: dict[str, Callable[[list[str] | None], contextlib.AbstractContextManager[fronts.Front]]] = {
        "mod_fcgid": lambda peer: fronts.mod_fcgid(
            fronts.peer_site(bench.folder, Path(peer[0])) if peer else bench.account.site
        ),
        "nginx": lambda peer: fronts.nginx(peer or bench.ours(), bench.socket),
    }
    for name, front in before.items():
        # Several callers that wait for their answers would mostly sleep behind mod_fcgid: see tail.
        for callers, requests in ((1, 6_000),) if name == "mod_fcgid" else ((1, 6_000), (8, 8_000), (32, 8_000)):
            table = Table(["C hello", "Go hello"])
            for _ in range(ROUNDS):
                for peer, command in bench.peers.items():
                    if peer != "stock flup":
                        with front(command) as there:
                            table.add(peer, bench.ask_http(there, callers, requests, "hello"))
                with front(None) as there:
                    for kind in ("name2key", "hot"):
                        table.add(KINDS[kind], bench.ask_http(there, callers, requests, kind))
            table.print(f"{callers}, {name}")
    for callers in (1, 8, 32):
        table = Table(["C hello", "Go hello"])
        with fronts.standalone(bench.account.data) as there:
            for _ in range(ROUNDS):
                table.add(KINDS["name2key"], bench.ask_http(there, callers, 8_000, "name2key"))
        table.print(f"{callers}, n2k serve")


def tail(bench: Bench) -> None:
    """Independent callers behind Apache, with at most two processes a script: just after the start, and after a minute."""
    name, ours, one_hello = KINDS["name2key"], bench.targets["name2key"], bench.targets["hello"]
    sites = {}
    for number in (1, 4):
        sites[number] = bench.folder / f"spread-{number}"
        sites[number].mkdir()
        bench.account.n2k("deploy", "--spread", str(number), str(sites[number]))
    hello = Path(bench.peers["C hello"][0])
    peer = fronts.peer_site(bench.folder, hello)
    table = Arrivals(bench.arrivals, "mod_fcgid", [Window(5, 20), Window(60, 120)])
    for rate in (50, 200, 500):
        table.add(rate, [Contender("C hello", fronts.mod_fcgid(peer), one_hello, b"hello.fcgi")])
        table.add(
            rate,
            [
                Contender(name, fronts.mod_fcgid(sites[1]), ours, b"dispatch"),
                Contender(f"{name}, --spread 4", fronts.mod_fcgid(sites[4]), ours, b"dispatch"),
            ],
        )
    peer = fronts.peer_site(bench.folder, hello, "cgi-script")
    table = Arrivals(bench.arrivals, "mod_cgid", [Window(5, 35)])
    for rate in (2, 10, 25):
        table.add(rate, [Contender("C hello", fronts.mod_cgid(peer), one_hello, b"hello.fcgi")])
        table.add(rate, [Contender(name, fronts.mod_cgid(sites[1]), ours, b"dispatch")])


def cold(bench: Bench) -> None:
    """From the spawn of the deployed script to the end of its answer."""
    script, lookup, key = bench.account.script, bench.one_lookup, bench.one_key
    with tempfile.TemporaryDirectory(dir=starts.TMPFS, prefix="serve-") as memory_only:
        starts.table(
            {
                "C hello": lambda: starts.by_fastcgi(bench.peers["C hello"], bench.socket, "/", HELLO),
                "CGI, a lookup": lambda: starts.by_cgi(script, lookup, key),
                "CGI, a page": lambda: starts.by_cgi(script, "/health", "alive\n"),
                "CGI, a registration, data on tmpfs": starts.registering(Path(memory_only)),
                "FastCGI, a lookup": lambda: starts.by_fastcgi([str(script)], bench.socket, lookup, key),
                "FastCGI, a page": lambda: starts.by_fastcgi([str(script)], bench.socket, "/health", "alive\n"),
                "FastCGI, JSON": lambda: starts.by_fastcgi([str(script)], bench.socket, f"/api/v1/avatars/{key}", "\n"),
                "FastCGI, JSON routed by Werkzeug": lambda: starts.by_fastcgi(
                    [str(script)], bench.socket, f"/api/v1/avatars/{key}/", "\n"
                ),
            }
        )


def memory(bench: Bench) -> None:
    """What a worker holds, and how much of it is its own."""
    print("\n| a worker after | peak RSS MB | private MB | VSZ without the map MB | threads |\n|---|---|---|---|---|")
    with spawned(bench.ours(), bench.socket) as process:
        for what, kind, requests in (
            ("100,000 lookups", "name2key", 100_000),
            ("1,000,000 lookups", "name2key", 900_000),
            ("and pages routed by Werkzeug", "routed", 1_000),
        ):
            peak = 0
            for _ in range(20):
                bench.ask(process.pid, 8, requests // 20, kind)
                peak = max(peak, resident(process.pid))
            held = private(process.pid)
            sizes = f"{peak / 1e6:.0f} | {held.private / 1e6:.1f} | {held.unmapped / 1e6:.0f}"
            print(f"| {what} | {sizes} | {held.threads} |", flush=True)


def main(rows: int, folder: Path) -> None:
    """Measure and print."""
    print(machine(), flush=True)
    bench = Bench(rows, folder)
    direct(bench)
    through_web_servers(bench)
    tail(bench)
    cold(bench)
    memory(bench)


if __name__ == "__main__":
    os.umask(0o022)
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="serve-") as place:
        main(int(sys.argv[1]), Path(place))
