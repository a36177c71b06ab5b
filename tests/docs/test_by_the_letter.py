"""The commands of the pages, typed exactly in a new home: each page alone, then all of them in one home, then cron's.

The site's address is that of a real Apache, the dump's that of our own web server with a sample.
"""

import bz2
import re
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.apache import Apache, apache
from tests.support.commands import N2K, Terminal, on_terminal
from tests.support.newcomer import INSTALL, Newcomer
from tests.support.pages import PAGES, Block, blocks
from tests.support.sandbox import GOVERNOR
from tests.support.web_server import file, web_server

WALK = ("README.md", "docs/tutorial.md", "docs/install.md", "docs/lsl.md", "docs/dumps.md", "docs/keyvalue.md")
"""In the order in which a user reads them."""

TYPED = {page: [block for block in blocks(page, "sh") if not block.text.startswith("make ")] for page in WALK}
"""Commands for a host; ``make`` is for trying it, in the folder of the code."""

BEGINNING = TYPED["docs/tutorial.md"][0]
CRONTAB = [line for page in ("README.md", "docs/cron.md") for block in blocks(page, "crontab") for line in block.commands]

ACCOUNTS = [
    ("00000100-1111-4111-8111-111111111111", "Zoë", "O'Neil"),
    ("00000101-1111-4111-8111-111111111111", "Plain", "Resident"),
]


@pytest.fixture(scope="module")
def dump() -> bytes:
    """A sample as W-Hat's dump would be."""
    done = subprocess.run([N2K, "sample", "--rows", "2000", "-o", "-"], capture_output=True, check=True)
    return bz2.compress(done.stdout)


@pytest.fixture
def site() -> Iterator[Apache]:
    """Apache, serving the folder of the site in a home that has nothing else yet, and that it can enter as on a shared host."""
    with tempfile.TemporaryDirectory() as place:  # pytest's own folders are closed to others
        docroot = Path(place, "home", "example.com")
        Path(place).chmod(0o755)
        docroot.mkdir(parents=True)
        with apache(docroot) as server:
            yield server


@pytest.fixture
def newcomer(site: Apache, dump: bytes) -> Iterator[Newcomer]:
    """The addresses of the dump and of the site; the accounts of a grid are in the home."""
    with web_server() as web:
        web.paths["/name2key.csv.bz2"] = file(dump)
        somebody = Newcomer(site.docroot.parent, site=f"{site.url}/", dumps=web.url("/"))
        (somebody.home / "grid.csv").write_text("".join(f"{key},{first} {last}\n" for key, first, last in ACCOUNTS))
        yield somebody


def type_all(newcomer: Newcomer, typed: list[Block]) -> str:
    """Type these blocks: none fails or warns, except that the site is on this machine; return the output."""
    printed = ""
    for block in typed:
        done = newcomer.types(block)
        assert done.code == 0, (block.text, done)
        said = [line for line in (done.err + done.out).splitlines() if "this machine's own address" not in line]
        assert [line for line in said if re.match("(?i)warning|problem|n2k: ", line)] == [], (block.text, done)
        printed += done.out
    return printed


def test_the_pages_begin_alike() -> None:
    """The same three lines install it, wherever a page begins with them."""
    for page in ("README.md", "docs/tutorial.md"):
        (first, *_) = TYPED[page]
        assert [command.split("  ")[0] for command in first.commands[:3]] == BEGINNING.commands
    assert BEGINNING.commands == ["python3 -m venv ~/n2k", INSTALL, "~/n2k/bin/n2k init"]
    assert len(CRONTAB) == 4 and sum(map(len, TYPED.values())) > 8


@pytest.mark.parametrize("page", [page for page in WALK if INSTALL in TYPED[page][0].text])
def test_a_page_from_the_beginning(newcomer: Newcomer, page: str) -> None:
    """In a home in which only the commands of the page were typed."""
    if page == "README.md":
        newcomer.unpacks_pip()
    assert type_all(newcomer, TYPED[page])


def test_one_page_after_another(newcomer: Newcomer, site: Apache) -> None:
    """In one home; then every crontab line does its work in silence, and the site answers."""
    for page in WALK:
        type_all(newcomer, TYPED[page])
    for line in CRONTAB:
        done = newcomer.as_cron(line)
        assert (done.code, done.out, done.err) == (0, "", ""), line
    for name, key in (("governor.linden", GOVERNOR), ("plain.resident&grid=OpenSim", ACCOUNTS[1][0])):
        assert site.get(f"/n2k/?name={name}").body.decode() == key


def test_the_tab_key(newcomer: Newcomer) -> None:
    """After the page's lines, in the bash of the next login: commands, commands below them, and options are completed.

    For the other shells the page's words make a script that calls n2k back.
    """
    type_all(newcomer, TYPED["docs/install.md"])
    for shell in ("zsh", "fish"):
        assert f"`{shell}_source`" in PAGES["docs/install.md"] or f"_N2K_COMPLETE={shell}_source " in PAGES["docs/install.md"]
        done = newcomer.types(Block("sh", f"_N2K_COMPLETE={shell}_source ~/n2k/bin/n2k"))
        assert done.code == 0 and f"_N2K_COMPLETE={shell}_complete" in done.out and done.err == ""
    command = ["bash", "--noprofile", "--rcfile", str(newcomer.home / ".bashrc"), "-i"]
    with on_terminal(command, newcomer.logged_in()) as terminal:
        for typed, shown in (
            ("n2k looku\t", "n2k lookup "),
            ("--hist\t", "--history "),
            ("\x15n2k generations pru\t", "prune "),
        ):
            terminal.type(typed)
            terminal.wait_for(shown)
        terminal.type("\x15n2k sta\t\n")
        terminal.wait_for("no n2k data in")
        leave(terminal)


def leave(terminal: Terminal) -> None:
    """End the shell."""
    terminal.type("\x15exit 0\n")
    terminal.rest()


def test_the_accounts_of_a_grid(newcomer: Newcomer) -> None:
    """The page's SQLite query returns lines that are imported, every night again; an empty result removes no avatar."""
    (question,) = re.findall(r"sqlite3 userprofiles\.db \\\n +\"(.*?)\" > grid\.csv", PAGES["docs/dumps.md"])
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE UserAccounts (PrincipalID CHAR(36), FirstName VARCHAR(64), LastName VARCHAR(64))")
        database.executemany("INSERT INTO UserAccounts VALUES (?, ?, ?)", ACCOUNTS)
        lines = [line for (line,) in database.execute(question)]
    database.close()
    (newcomer.home / "grid.csv").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    type_all(newcomer, [BEGINNING, *TYPED["docs/dumps.md"]])
    lookup = Block("sh", '~/n2k/bin/n2k lookup --grid OpenSim "Zoë O\'Neil" plain')
    found = newcomer.types(lookup).out
    assert [line.split("\t")[1] for line in found.splitlines()] == [key for key, _, _ in ACCOUNTS]
    (nightly,) = re.findall(r"`(~/n2k/bin/n2k -q import .*?)`", PAGES["docs/dumps.md"])
    done = newcomer.as_cron(nightly)
    assert (done.code, done.out, done.err) == (0, "", "")
    (newcomer.home / "grid.csv").write_text("")
    assert newcomer.as_cron(nightly).code == 64
    assert newcomer.types(lookup).out == found


def test_the_examples_of_the_keyvalue_page(newcomer: Newcomer) -> None:
    """Typed by the letter they print what the page says, the program in PHP too."""
    type_all(newcomer, TYPED["README.md"])
    printed = 0
    for block, after in pairwise(blocks("docs/keyvalue.md", "sh", "php", "text")):
        if block.language == "sh":
            done = newcomer.types(block)
        elif block.language == "php":
            program = block.text.replace("https://example.com/", newcomer.site)
            done = newcomer.types(Block("sh", f"php <<'END'\n{program}END\n"))
        else:
            continue
        assert done.code == 0 and (block.language == "sh" or done.err == ""), done
        if after.language == "text":
            assert done.out == after.text
            printed += 1
    assert printed == 2


def test_what_another_n2k_knows(newcomer: Newcomer, site: Apache) -> None:
    """Its csv, fetched as the page says, and its export, give the same answers."""
    type_all(newcomer, TYPED["README.md"])
    second = Newcomer(newcomer.home.parent / "second", dumps=f"{site.url}/")
    type_all(second, [BEGINNING])
    given = newcomer.types(Block("sh", "~/n2k/bin/n2k token create --scope csv")).out.split()[-1]
    with (second.home / "n2k-data" / "n2k.ini").open("a") as settings:
        settings.write(f"update_token = {given}\n")
    (line,) = re.findall(r"`(~/n2k/bin/n2k update .*?csv)`", PAGES["docs/dumps.md"])
    done = second.types(Block("sh", line))
    assert done.code == 0, done
    assert second.types(Block("sh", "~/n2k/bin/n2k lookup governor.linden")).out.split("\t")[1] == GOVERNOR
    assert newcomer.types(Block("sh", "~/n2k/bin/n2k export names.jsonl")).code == 0
    (newcomer.home / "names.jsonl").rename(second.home / "names.jsonl")
    (block,) = [block for block in blocks("docs/dumps.md", "text") if "names.jsonl" in block.text]
    assert second.types(block).code == 0


def test_the_sample_goes_when_the_real_thing_comes(newcomer: Newcomer) -> None:
    """``--replace`` removes the invented avatars, with ``--force`` if the real ones are fewer."""
    type_all(newcomer, TYPED["docs/tutorial.md"][:2])
    (newcomer.home / "real.csv").write_text(f"{GOVERNOR},Governor Linden\n")
    done = newcomer.types(Block("sh", "~/n2k/bin/n2k import --replace real.csv"))
    assert done.code == 69 and "--force" in done.err
    assert newcomer.types(Block("sh", "~/n2k/bin/n2k import --replace --force real.csv")).code == 0
    assert newcomer.types(Block("sh", "~/n2k/bin/n2k export --format csv -")).out == f"{GOVERNOR},Governor Linden\n"
