"""One Apache with the service and one browser for all tests of this folder; each test meets people with a profile each."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from playwright.sync_api import Browser

from tests.support.apache import Apache, apache
from tests.support.chromium import INSECURE_HOST, Look, Person, chromium, person
from tests.support.commands import Commands
from tests.support.golden import Reply
from tests.support.processes import eventually
from tests.support.townspeople import settle

CROWD = 10_000
WORKERS = 4
"""A page's style, script and icon are asked for at once, and mod_fcgid sleeps for a second when all workers are busy."""

SETTINGS = "[n2k]\nsearch = open\ncsv = open\n"


class Site:
    """The service in a folder of a site, as ``n2k deploy`` makes it."""

    def __init__(self, server: Apache, n2k: Commands) -> None:
        self.server = server
        self.n2k = n2k
        self.root = f"{server.url}/n2k/"

    def start_workers(self) -> None:
        """Have Apache start all its workers: those that it has are stopped, while requests wait for others."""
        script = self.server.docroot / "n2k" / "dispatch.fcgi"
        stopped: set[int] = set()
        waiting: set[Future[Reply]] = set()

        def are_there() -> bool:
            waiting.difference_update([request for request in waiting if request.done()])
            waiting.update(
                threads.submit(self.server.get, "/n2k/?name=governor.linden") for _ in range(2 * WORKERS - len(waiting))
            )
            for worker in set(self.server.ready_workers(script)) - stopped:
                os.kill(worker, signal.SIGSTOP)
                stopped.add(worker)
            return len(stopped) == WORKERS

        with ThreadPoolExecutor(2 * WORKERS) as threads:
            try:
                assert eventually(are_there), self.server.error_log
            finally:
                for worker in stopped:
                    os.kill(worker, signal.SIGCONT)


Meet = Callable[..., Person]
"""(look, may_copy=False, insecure=False) -> a new person with a browser; *insecure*: one that grants this site nothing."""


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site, with the small directory and a crowd."""
    home = tmp_path_factory.mktemp("site")
    n2k = Commands(home / "n2k-data")
    settle(n2k.data_dir, crowded=CROWD)
    n2k.put("n2k.ini", SETTINGS)
    folder = home / "example.com" / "n2k"
    folder.mkdir(parents=True)
    done = n2k("deploy", folder)
    assert done.code == 0, done
    with apache(folder.parent, settings=f"FcgidMaxProcessesPerClass {WORKERS}") as server:
        found = Site(server, n2k)
        found.start_workers()
        yield found
    assert "stderr:" not in server.error_log


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The browser."""
    with chromium() as found:
        yield found


@pytest.fixture
def meet(browser: Browser, site: Site) -> Iterator[Meet]:
    """Makes people whose pages are watched to the end of the test."""
    with contextlib.ExitStack() as stack:

        def one(look: Look = Look(), *, may_copy: bool = False, insecure: bool = False) -> Person:  # noqa: B008
            root = site.root.replace("127.0.0.1", INSECURE_HOST) if insecure else site.root
            return stack.enter_context(person(browser, root, look, may_copy=may_copy))

        yield one
