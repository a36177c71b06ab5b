"""The golden cases: one list of requests and answers that every front end must give byte for byte.

``tests/golden/cases.jsonl`` has one case a line, in order (a registration changes what later ones find). Placeholders:
{TOKEN}, {OTHER_TOKEN} (forget only), {CSV_TOKEN}, {ADMIN_TOKEN}, {BOUND_TOKEN} and {BOUND_FORGET_TOKEN} (OpenSim only),
{SHOP_TOKEN}, {SHOP_READER} (read-only) and {BOARD_TOKEN} (another namespace, which anyone may read),
{GENERATION} (the live one),
{LARGE_BODY} (above the cap), {LARGE_NAME} (below it), {DEEP_JSON}, {BROKEN_MULTIPART},
{WHOLE_VALUE} (of kv_max_value bytes), {LARGE_VALUE} (of one more).

What an answer makes up is written as {VERSION:name} or {MS}; later the name stands for the text that came, in requests too.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.store.keyvalue import Terms
from tests.support.sandbox import Sandbox, csv

CASES_FILE = Path(__file__).parent.parent / "golden" / "cases.jsonl"
LARGE_BODY = "name=" + "x" * 131_072
LARGE_NAME = "x" * 100_000
WHOLE_VALUE = "v" * 65_536
LARGE_VALUE = WHOLE_VALUE + "v"
DEEP_JSON = '{"names":' + "[" * 10_000 + "]" * 10_000 + "}"
BROKEN_MULTIPART = (
    '--XX\r\nContent-Disposition: form-data; name="name"\r\n\r\nJ\xfcrg\r\n'
    '--XX\r\nContent-Disposition: form-data; name="key"\r\n\r\n99999999-2222-3333-4444-555555555555\r\n--XX--\r\n'
)
"""Latin-1, which is not UTF-8."""
COMPARED = (
    *("Content-Type", "X-N2K-Generation", "Vary", "Allow", "WWW-Authenticate", "Content-Encoding", "ETag", "Cache-Control"),
    *("Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers"),
    *("X-KV-Version", "X-KV-TTL-Ms", "X-KV-Flags", "X-KV-Cursor", "Content-Security-Policy", "X-Content-Type-Options"),
    *("Access-Control-Expose-Headers", "Retry-After"),
)

_MADE_UP = re.compile(r"\{(?:VERSION:\w+|MS)\}")
_FORMS = {"{VERSION": r"[0-9]{16,17}", "{MS}": r"[0-9]{1,13}"}


RENAMED = "99999999-0000-4000-8000-000000000001"
"""Was "Former Guy" in an earlier dump."""
LEAVING = "99999999-0000-4000-8000-000000000002"
"""Is forgotten in the course of the cases; was "Leaving Soon" before."""


class Reply(NamedTuple):
    """What a front end answered."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


Ask = Callable[[str, str, dict[str, str], bytes], Reply]
"""(method, target below the mount, headers, body) -> Reply."""


class Golden(NamedTuple):
    """A data directory filled for the golden cases."""

    data_dir: Path
    placeholders: dict[str, str]


def prepare(data_dir: Path) -> Golden:
    """Fill *data_dir* with the avatars that the cases speak of."""
    box = Sandbox(data_dir)
    try:
        box.import_text(csv((RENAMED, "Former Guy"), (LEAVING, "Leaving Soon")), as_of=1_600_000_000)
        box.import_text(
            csv(
                ("a27b84f0-2757-4176-9579-43a181d4a5a0", "Masakazu Kojima"),
                ("3d6181b0-6a4b-97ef-18d8-722652995cf1", "Governor Linden"),
                ("3223a4e4-01c6-44f8-9aa1-df790e02aa93", "Username Resident"),
                ("11111111-2222-3333-4444-555555555555", "Élodie Straße"),
                ("22222222-2222-3333-4444-555555555555", "A?%&# Bé"),
                ("44444444-2222-3333-4444-555555555555", "Twin Name"),
                (RENAMED, "Current Guy"),
                (LEAVING, "Leaving Now"),
            ),
            as_of=1_700_000_000,
        )
        live = box.import_text(
            csv(
                ("33333333-2222-3333-4444-555555555555", "Twin Name"), ("55555555-2222-3333-4444-555555555555", "Only Opensim")
            ),
            grid="OpenSim",
            as_of=1_700_000_000,
        )
        token = create_token(box.store.tokens, ("register",)).text
        other = create_token(box.store.tokens, ("forget",)).text
        for_csv = create_token(box.store.tokens, ("csv",)).text
        admin = create_token(box.store.tokens, ("admin",)).text
        box.store.keyvalue.create("shop", Terms(200_000, 40))
        box.store.keyvalue.create("board", Terms(200_000, 1000, is_open=True))
        shop, reader, board = (
            create_token(box.store.tokens, ("keyvalue",), namespace=name, read_only=read_only).text
            for name, read_only in (("shop", False), ("shop", True), ("board", False))
        )
        bound, bound_forget = (create_token(box.store.tokens, (scope,), "OpenSim").text for scope in ("register", "forget"))
    finally:
        box.close()
    placeholders = {"{TOKEN}": token, "{OTHER_TOKEN}": other, "{GENERATION}": live.manifest.name, "{LARGE_BODY}": LARGE_BODY}
    placeholders |= {
        "{ADMIN_TOKEN}": admin,
        "{CSV_TOKEN}": for_csv,
        "{BOUND_TOKEN}": bound,
        "{BOUND_FORGET_TOKEN}": bound_forget,
        "{LARGE_NAME}": LARGE_NAME,
        "{DEEP_JSON}": DEEP_JSON,
    }
    placeholders["{BROKEN_MULTIPART}"] = BROKEN_MULTIPART
    placeholders |= {
        "{SHOP_TOKEN}": shop,
        "{SHOP_READER}": reader,
        "{BOARD_TOKEN}": board,
        "{WHOLE_VALUE}": WHOLE_VALUE,
        "{LARGE_VALUE}": LARGE_VALUE,
    }
    return Golden(data_dir, placeholders)


def all_cases() -> list[dict[str, Any]]:
    """Every case, in order."""
    return [json.loads(line) for line in CASES_FILE.read_text("utf-8").splitlines()]


def one_of_each_kind() -> frozenset[int]:
    """The numbers of the cases that are the first of their kind, for front ends that start a process for each request.

    A kind is what the front end handles itself: the method, the beginning of the path, which headers come, whether a body
    comes, the status, and which headers are expected.
    """
    found: dict[object, int] = {}
    for number, case in enumerate(all_cases()):
        sent, expected = sorted(case.get("headers", {})), sorted(case["answer_headers"])
        beginning = case["target"].partition("?")[0].split("/")[1]
        found.setdefault((case["method"], beginning, *sent, "send" in case, case["status"], *expected), number)
    return frozenset(found.values())


def run_all(ask: Ask, golden: Golden, *, others: Ask | None = None, skipped_headers: frozenset[str] = frozenset()) -> int:
    """Ask every case in order, assert each answer, and return how many there were.

    *others*: asked instead about the cases that are not the first of their kind. *skipped_headers*: names that a web server
    takes away on its own.
    """
    count, texts = 0, dict(golden.placeholders)
    first = one_of_each_kind()
    for number, case in enumerate(all_cases()):
        whom = ask if others is None or number in first else others
        reply = whom(
            case["method"],
            _filled(case["target"], texts),
            {name: _filled(value, texts) for name, value in case.get("headers", {}).items()},
            _filled(case.get("send", ""), texts).encode("latin-1"),
        )
        _compare(case, reply, texts, skipped_headers)
        count += 1
    return count


def _compare(case: dict[str, Any], reply: Reply, texts: dict[str, str], skipped_headers: frozenset[str]) -> None:
    what = f"{case['what']} ({case['method']} {case['target'][:100]})"
    body = reply.body.decode("utf-8", "replace")
    assert (reply.status, body) == (case["status"], _expected(case["body"], body, texts)), what
    assert reply.headers.get("access-control-allow-origin") == "*", what  # pages of other sites may read every answer
    for name, expected in case["answer_headers"].items():
        if name in skipped_headers:
            continue
        got = reply.headers.get(name.lower())
        wanted = None if expected is None else _expected(expected, got or "", texts)
        assert got == wanted, f"{what}: header {name}"


def _expected(text: str, got: str, texts: dict[str, str]) -> str:
    """Return what a case expects: *got* if it has the form of *text*, whose made-up parts are remembered in *texts*."""
    text = _filled(text, texts)
    names = _MADE_UP.findall(text)
    form = "".join(
        f"({_FORMS[part.partition(':')[0]]})" if _MADE_UP.fullmatch(part) else re.escape(part)
        for part in re.split(f"({_MADE_UP.pattern})", text)
    )
    found = re.fullmatch(form, got) if names else None
    if found is None:
        return text
    texts.update({name: value for name, value in zip(names, found.groups(), strict=True) if name != "{MS}"})
    return got


def _filled(text: str, texts: dict[str, str]) -> str:
    for placeholder, value in texts.items():
        text = text.replace(placeholder, value)
    return text
