"""Forget an avatar with unique names, then send many kinds of requests: no answer reveals more than the request did."""

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote_plus, urlencode

import pytest

from n2k_fcgi.model.avatar import Source
from n2k_fcgi.model.keys import format_key, parse_key
from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.web.areas import AREAS
from n2k_fcgi.web.routes import routes_of
from tests.support.asking import wsgi
from tests.support.golden import Ask
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, Sandbox, csv
from tests.support.traces import KEY, MARKS

pytestmark = pytest.mark.unmeasured

MANY = 12
"""Names before and after the hidden one, so that pages may end at it."""

OTHERS = [
    (format_key((10 * n + kind + 1).to_bytes(16, "big")), f"{letters}{n:02} Ash")
    for n in range(MANY)
    for kind, letters in enumerate(("Qu", "Quz", "Ve", "Vez", "Zy", "Zyz"))
]
OTHER = "11111111-2222-3333-4444-555555555555"
NAMES = [f"{mark} Ash" for mark in MARKS]
PREFIXES = ["q", "qu", "qui", "v", "ve", "z", "zy", "Quillon", "vexworth.", "zyphara.ash", "zyphara.ashx", ""]
CURSORS = [None, "qu", "quillon", "quillon.ash", "vexwort", "vexworth.ash", "zyphara.asg", "zyphara.ash", "zz", "@AAAA"]


class Question(NamedTuple):
    """One request."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def said(self) -> str:
        """All of its text, decoded, in lower case."""
        return unquote_plus(f"{self.target} {self.headers} {self.body.decode()}").lower()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, Ask, str]]:
    """A directory with a hidden avatar: two dumps and captures have it under three names; conflicts and sources mention it."""
    box = Sandbox(tmp_path / "data")
    first, second, third = NAMES
    box.import_text(csv((KEY, first), (GOVERNOR, "Governor Linden"), *OTHERS[:5]), as_of=100_000)
    box.import_text(csv((KEY, second), (MASAKAZU, "Masakazu Kojima"), *OTHERS), as_of=200_000)
    box.import_text(csv((KEY, first)), as_of=200_000, grid="OpenSim")
    box.register(third, KEY)
    box.record(USERNAME, "Username Resident", 300_000, source=Source(OTHER, KEY, f"{second}'s Garden", "Production"))
    for name, key in ((first, USERNAME), ("Masakazu Kojima", KEY)):
        with pytest.raises(Exception, match="belongs to another key"):
            box.register(name, key)
    token = create_token(box.store.tokens, ("admin",), note="the gate").text
    box.store.pending.add([parse_key(OTHER)], "Production", 5)
    box.forget_key(parse_key(KEY))
    box.close()
    flags = {name: "1000000" for name in ("write_limit", "token_limit", "failure_limit")}
    application = LiveApplication({"data_dir": str(box.data_dir), "log_level": "DEBUG", "csv": "open", **flags})
    yield box.data_dir, wsgi(application), token
    application.close()
    box.close()


def parameters() -> Iterator[dict[str, str]]:
    """Queries, the same for every address: most are ignored there."""
    yield {}
    for name in (*NAMES, "quillon.ash", "QUILLON+ASH", "Governor Linden", "Qu01 Ash", "(Loading...)"):
        yield {"name": name}
        yield {"name": name, "compat": "false"}
        yield {"name": name, "grid": "OpenSim"}
        yield {"name": name, "terse": "1"}
        yield {"name": name, "page": "1"}
        yield {"names": f"Governor Linden,{name},Qu01 Ash", "max_bytes": "9999"}
        for key in (KEY, OTHER):
            yield {"name": name, "key": key}
    for key in (KEY, KEY.upper(), KEY.replace("-", ""), GOVERNOR, OTHER, "nonsense"):
        yield {"key": key}
        yield {"key": key, "compat": "false"}
        yield {"keys": key}
        yield {"key": key, "grid": "OpenSim"}
    for prefix, limit, reverse in itertools.product(PREFIXES, ("1", str(MANY), "1000"), ("0", "1")):
        for cursor in CURSORS:
            yield {"prefix": prefix, "limit": limit, "reverse": reverse, **({} if cursor is None else {"cursor": cursor})}
    yield from ({"grid": grid, "limit": "5"} for grid in ("Production", "OpenSim", "nowhere"))


def bodies() -> Iterator[object]:
    """JSON bodies."""
    yield {"names": [*NAMES, "Governor Linden", "Qu01 Ash", "x" * 2000], "keys": [GOVERNOR, "nonsense"]}
    yield {"keys": [KEY, OTHER, GOVERNOR]}
    yield {"keys": [KEY], "grid": "OpenSim"}
    for name in (*NAMES, "Qu01 Ash"):
        for key in (KEY, OTHER):
            yield {"name": name, "key": key}
            yield {"avatars": [{"name": name, "key": key}, {"name": "Governor Linden", "key": OTHER}]}
    yield {"key": KEY}
    yield {"name": NAMES[0], "grid": "OpenSim"}


def questions(token: str) -> Iterator[Question]:
    """Every address of the table with every method, all parameters and bodies; only the undo is left out."""
    heads = ({}, {"X-N2K-Token": token}, {"Accept": "text/html"}, {"X-SecondLife-Shard": "OpenSim"})
    values = [KEY, KEY.upper(), GOVERNOR, OTHER, "nonsense", *NAMES, "quillon.ash", "governor.linden"]
    for rule in (rule for area in AREAS for rule in routes_of(area).iter_rules()):
        part = re.search(r"<.*>", rule.rule)
        targets = [rule.rule.replace(part[0], quote(value)) for value in values] if part else [rule.rule]
        for target, method in itertools.product(targets, sorted(rule.methods or ())):
            if method == "DELETE" and KEY in target.lower():
                continue
            if method in ("POST", "PUT"):
                for body, headers in itertools.product(bodies(), heads):
                    yield Question(method, target, headers, json.dumps(body).encode())
                for form in itertools.islice(parameters(), 1, 100):
                    yield Question(method, target, heads[1], urlencode(form).encode())
            else:
                plain = rule.rule if "search" in rule.rule else None
                queries = parameters() if plain or not part else itertools.islice(parameters(), 3)
                for query in queries:
                    if plain is None and "prefix" in query:
                        continue
                    for headers in heads[:2] if plain else heads:
                        yield Question(method, target + ("?" + urlencode(query) if query else ""), headers)


def tells(said: str) -> set[str]:
    """The parts of the hidden avatar in a text."""
    small = said.lower()
    marks = {mark for mark in MARKS if mark.lower() in small}
    return marks | ({KEY} if KEY in small or KEY.replace("-", "") in small else set())


@pytest.mark.parametrize("with_marks", [False, True], ids=["unasked", "asked"])
def test_no_answer_tells(served: tuple[Path, Ask, str], with_marks: bool) -> None:
    """No body, header or DEBUG log names the avatar, except as the request did."""
    data_dir, ask, token = served
    log = data_dir / "log" / "n2k.log"
    before = log.stat().st_size if log.exists() else 0
    statuses = set()
    count = 0
    for question in questions(token):
        asked = tells(question.said)
        if bool(asked) is not with_marks:
            continue
        count += 1
        answer = ask(*question)
        statuses.add(answer.status)
        new = tells(answer.body.decode("utf-8", "replace") + repr(answer.headers)) - asked
        assert not new, (question, answer)
    assert count > 300 and statuses <= {200, 304, 400, 401, 403, 404, 405, 406, 409} and 200 in statuses
    if not with_marks:
        written = log.read_bytes()[before:].decode()
        assert "name2key" in written and tells(written) == set()
