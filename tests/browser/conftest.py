"""One Apache with the service and one browser for all tests of this folder; each test meets people with a profile each."""

import contextlib
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.apache import Apache, apache
from tests.support.commands import Commands
from tests.support.townspeople import settle
from tests.support.visitors import Look, Visitor, chromium, visitor

CROWD = 10_000
SETTINGS = "[n2k]\nsearch = open\ncsv = open\n"


class Site:
    """The service in a folder of a site, as ``n2k deploy`` makes it."""

    def __init__(self, server: Apache, n2k: Commands) -> None:
        self.server = server
        self.n2k = n2k
        self.root = f"{server.url}/n2k/"


Meet = Callable[..., Visitor]
"""(look, may_copy=False) -> a new person with a browser."""


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
    with apache(folder.parent) as server:
        yield Site(server, n2k)
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

        def one(look: Look = Look(), *, may_copy: bool = False) -> Visitor:  # noqa: B008
            return stack.enter_context(visitor(browser, site.root, look, may_copy=may_copy))

        yield one
