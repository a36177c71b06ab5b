"""One Apache with the service and one browser for all tests of this folder; each test meets people with a profile each."""

import contextlib
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.apache import Apache, apache
from tests.support.chromium import INSECURE_HOST, Look, Person, chromium, person
from tests.support.commands import Commands
from tests.support.parallel import in_parallel
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

    def workers_when_busy(self) -> int:
        """Ask many things at once, which has Apache start workers; return how many there are."""
        in_parallel(2 * WORKERS, lambda _: self.server.get("/n2k/api/v1/search?prefix=crowd&limit=500"))
        return len(self.server.ready_workers(self.server.docroot / "n2k" / "dispatch.fcgi"))


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
        assert eventually(lambda: found.workers_when_busy() == WORKERS), server.error_log
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
