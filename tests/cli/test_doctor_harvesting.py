"""``n2k doctor URL`` about a csv and a search that anyone may ask: a warning, but only where strangers can."""

import pytest

from n2k_fcgi.cli.examinations.website import is_public
from tests.support.commands import Commands
from tests.support.standalone import serving

OPEN = {subject: f"warning  {subject}: open: anyone can copy the names of all avatars" for subject in ("csv", "search")}
CLOSED = {subject: f"ok       {subject}: closed to callers without a token" for subject in ("csv", "search")}
OFF = {subject: f"ok       {subject}: switched off" for subject in ("csv", "search")}
LOCAL = {subject: f"ok       {subject}: open, at an address that is not public" for subject in ("csv", "search")}


@pytest.mark.parametrize(
    ("csv", "search", "expected", "at_home"),
    [
        ("open", "open", [OPEN["csv"], OPEN["search"]], [LOCAL["csv"], LOCAL["search"]]),
        ("token", "open", [CLOSED["csv"], OPEN["search"]], [CLOSED["csv"], LOCAL["search"]]),
        ("off", "token", [OFF["csv"], CLOSED["search"]], [OFF["csv"], CLOSED["search"]]),
        ("token", "off", [CLOSED["csv"], OFF["search"]], [CLOSED["csv"], OFF["search"]]),
    ],
)
def test_what_the_doctor_says(peopled: Commands, csv: str, search: str, expected: list[str], at_home: list[str]) -> None:
    """The first address is the same in a spelling that does not say that it is local; a warning is no problem: exit code 0."""
    peopled.put("n2k.ini", f"[n2k]\ncsv = {csv}\nsearch = {search}\n")
    with serving(peopled.data_dir) as server:
        for host, lines in (("127.1", expected), (server.host, at_home)):
            done = peopled("doctor", f"http://{host}:{server.port}/")
            told = [line for line in done.out.splitlines() if line[9:].startswith(("csv:", "search:"))]
            assert len(told) == 2 and all(line.startswith(start) for line, start in zip(told, lines, strict=True)), done
            for line in told:
                subject = line[9:].partition(":")[0]
                advice = f"set '{subject} = token' or 'off' (docs/privacy.md)"
                assert (advice in line) is line.startswith("warning"), line


def test_which_addresses_are_public() -> None:
    """Names are, and addresses of the internet; loopback and private networks are not."""
    urls = ("https://example.com/n2k", "http://8.8.8.8:80", "http://localhost:3000", "http://[::1]/", "http://192.168.1.5/n2k")
    assert [is_public(url) for url in urls] == [True, True, False, False, False]
