"""docs/lsl.md: every script, every line that a script says, and no line that none says."""

import re

import pytest

from n2k_fcgi.service.scripts.catalogue import SCRIPTS
from tests.support.calls import call_text
from tests.support.lsl_blocks import shared_block
from tests.support.lsl_compiler import complaints
from tests.support.processes import REPOSITORY

PAGE = (REPOSITORY / "docs" / "lsl.md").read_text("utf-8")
TEXTS = {name: " ".join(script.text.replace('"\n        + "', "").split()) for name, script in SCRIPTS.items()}


def section(heading: str) -> str:
    """The part of the page under *heading*."""
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def first_cells(text: str) -> list[str]:
    """The first cell of each row of the tables in *text*, without their heads."""
    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|")]
    return [row for row in rows if row != "Line" and not row.startswith("---")]


CALLS, EXPERIENCE, PORTED = re.findall(r"(?s)```lsl\n(.*?)```", section("Keeping data"))
"""What is pasted into a script that keeps data; one that used an Experience, and the same afterwards."""


def test_a_script_is_moved_by_replacing_calls() -> None:
    """As the page says: `ll` becomes `kv` in seven names, and the event has another head. Linden's compiler takes all three."""
    seven = re.findall(r"(?m)^key kv(\w+KeyValue)\(", CALLS)
    assert len(seven) == 7
    moved = re.sub(rf"\bll({'|'.join(seven)})\(", r"kv\1(", EXPERIENCE)
    head = "link_message(integer link, integer number, string answer, key id)\n    {\n        if (number != KV_REPLY) return;\n"
    assert moved.replace("dataserver(key id, string answer)\n    {\n", head) == PORTED
    unused = [line for line in complaints(CALLS + PORTED) if "never used" not in line]
    assert complaints(EXPERIENCE) == unused == []


def test_calls_are_those_of_the_script() -> None:
    """visitors.lsl, which is tested, calls by the same lines."""
    mine = shared_block(SCRIPTS["visitors"].text, "calling").partition("\n")[2].rpartition("// <<<")[0]
    assert mine and CALLS.startswith(mine)


def test_every_call_is_in_the_table() -> None:
    """With its text as it is sent, in the order of the functions, and further ones that Experiences do not have."""
    rows = [
        [cell.strip(" `") for cell in row.split("|")[1:-1]] for row in section("Keeping data").splitlines() if "kv" in row[:60]
    ]
    table = [row for row in rows if len(row) == 4]
    names = [re.sub(r"\(.*", "", row[1]) for row in table if row[0] != "–"]
    assert list(dict.fromkeys(names)) == re.findall(r"(?m)^key (kv\w+KeyValue)\(", CALLS)
    for _, call, message, _ in table:
        texts, rest = [], message
        while rest:
            length, _, rest = rest.partition(":")
            texts.append(rest[: int(length)])
            rest = rest[int(length) :]
        assert message == call_text(*texts)
        assert f'["{texts[0]}"' in CALLS + call


def test_every_script_is_explained() -> None:
    """In the order of ``n2k lsl --list``."""
    assert re.findall(r"(?m)^\| \[(\w+)\]\(\.\./lsl/\1\.lsl\)", PAGE) == list(SCRIPTS)


def pieces(line: str) -> list[str]:
    """The texts between the dots of a line, and between alternatives."""
    parts = [part.strip(" :") for text in line.split("…") for part in re.split(r", |stopped: ", text)]
    return [part for part in parts if part]


SAID = first_cells(section("What they say when something is wrong"))


@pytest.mark.parametrize("line", SAID)
def test_a_line_of_the_page_is_said(line: str) -> None:
    """Each piece of it is in a script; the dots are for variable parts."""
    assert pieces(line)
    assert [piece for piece in pieces(line) if not any(piece in text for text in TEXTS.values())] == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_is_said_is_on_the_page(name: str) -> None:
    """Each statement by which a script tells its owner of trouble has a line there."""
    faults = re.findall(r'return ((?:name \+ )?"[^;]+");', shared_block(SCRIPTS[name].text, "card"))
    tells = "later|stop|fail|failed|complain|tell_owner|tell_owner_anywhere"
    told = re.findall(rf"\b(?:{tells})\((?!string )(.*?)\);", TEXTS[name])
    known = [piece for line in SAID for piece in pieces(line) if len(piece) > 5]
    texts = [text for text in faults + told if re.search(r"[a-z]", text)]
    assert [text for text in texts if '"' in text and not any(piece in text for piece in known)] == []
