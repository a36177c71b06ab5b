"""A hidden avatar is in no cursor, and no end of a page reveals one."""

import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from n2k_fcgi.errors import BadRequest
from n2k_fcgi.model.keys import format_key, parse_key
from n2k_fcgi.model.names import canonical
from n2k_fcgi.service.directory import search as module
from n2k_fcgi.service.directory.cursors import SEALED, seal, unseal
from n2k_fcgi.service.directory.search import Page, search
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, Sandbox, csv

SECRET = bytes(range(32))


def key(number: int) -> str:
    """A key that no other avatar has."""
    return format_key(number.to_bytes(16, "big"))


@pytest.mark.parametrize("reverse", [False, True])
def test_next_is_a_name_that_may_be_told(sandbox: Sandbox, reverse: bool) -> None:
    """The hidden name lies between two others, and pages of one avatar go from one to the other."""
    sandbox.import_text(csv((GOVERNOR, "Maaa Last"), (MASAKAZU, "Masakazu Kojima"), (USERNAME, "Mazz Last")))
    sandbox.forget_key(parse_key(MASAKAZU))
    first, last = ("mazz.last", "maaa.last") if reverse else ("maaa.last", "mazz.last")
    page = search(sandbox.view(), "ma", limit=1, reverse=reverse)
    assert ([name for name, _ in page.names], page.next) == ([first], first)
    page = search(sandbox.view(), "ma", limit=1, reverse=reverse, cursor=page.next)
    assert ([name for name, _ in page.names], page.next) == ([last], None)


@pytest.mark.parametrize("reverse", [False, True])
def test_former_names_of_captures(sandbox: Sandbox, reverse: bool) -> None:
    """They are among the current ones, and those of hidden avatars are skipped, too, also by name."""
    for now, name in enumerate(("Mabb Old", "Macc Old", "Madd New"), 1):
        sandbox.record(MASAKAZU, name, now)
    for number, name in ((1, "Maaa Last"), (2, "Mazz Last"), (3, "Maee Gone")):
        sandbox.record(key(number), name, 5)
    sandbox.forget_key(parse_key(MASAKAZU))
    sandbox.forget_name("maee.gone", "Production")
    cursors = []
    cursor: str | None = None
    while True:
        page = search(sandbox.view(), "ma", limit=1, cursor=cursor, reverse=reverse)
        cursor = page.next
        if cursor is None:
            break
        cursors.append(cursor)
    assert cursors == [("mazz.last" if reverse else "maaa.last")]


@pytest.mark.parametrize("reverse", [False, True])
def test_past_many_hidden_names(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, reverse: bool) -> None:
    """One page skips a bounded number of them and reveals none; the next continues after them, to the end."""
    monkeypatch.setattr(module, "MOST_HIDDEN", 30)
    hidden = [(key(n), f"Many{n:03} Last") for n in range(1, 101)]
    sandbox.import_text(csv((GOVERNOR, "Manx Last"), *hidden, (USERNAME, "Many999 Last")))
    sandbox.store.forgotten.forget([parse_key(each) for each, _ in hidden], [], 1)
    pages: list[Page] = []
    cursor: str | None = None
    while not pages or cursor is not None:
        pages.append(search(sandbox.view(), "man", limit=5, cursor=cursor, reverse=reverse))
        cursor = pages[-1].next
        assert cursor is None or (cursor.startswith(SEALED) and "many" not in cursor.lower())
    found = [name for page in pages for name, _ in page.names]
    assert found == sorted(["manx.last", "many999.last"], reverse=reverse) and len(pages) == 4


def test_a_sealed_cursor_is_of_its_directory_only(sandbox: Sandbox) -> None:
    """A changed, truncated, forged or foreign cursor is refused; a directory without hidden avatars accepts none."""
    sealed = seal(b"masakazu.kojima", SECRET)
    assert unseal(sealed, SECRET) == b"masakazu.kojima"
    assert seal(b"a", SECRET) != seal(b"a", SECRET) and len(seal(b"a", SECRET)) == len(sealed)
    for other in (
        sealed[:-4],
        sealed[:20] + ("B" if sealed[20] == "A" else "A") + sealed[21:],
        "@",
        "@@@",
        "@é",
        "@" + "A" * 9999,
    ):
        with pytest.raises(BadRequest, match="not of this server"):
            unseal(other, SECRET)
    for secret in (bytes(32), b""):
        with pytest.raises(BadRequest, match="not of this server"):
            unseal(sealed, secret)
    with pytest.raises(BadRequest, match="not of this server"):
        search(sandbox.view(), "ma", limit=1, cursor=sealed)


def told(page: Page) -> tuple[list[tuple[str, list[bytes]]], str | None]:
    """The avatars shown, and the cursor."""
    return [(name, [avatar.key for avatar in avatars]) for name, avatars in page.names], page.next


WORDS = st.text(st.sampled_from("abé.z"), min_size=1, max_size=4).filter(lambda word: canonical(word) != "")
_numbers = itertools.count()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.lists(WORDS, min_size=2, max_size=14, unique_by=canonical),
    data=st.data(),
    limit=st.integers(1, 4),
    scanned=st.integers(1, 6),
)
def test_pages_are_those_of_a_directory_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], data: st.DataObject, limit: int, scanned: int
) -> None:
    """Of two directories one has some more avatars, who are hidden: any prefix, cursor, grid and direction, the same page.

    So nobody finds a hidden name by trying where pages begin and end.
    """
    monkeypatch.setattr(module, "MOST_SCANNED", scanned)
    monkeypatch.setattr(module, "_STEP", 3)
    leavers = data.draw(st.sets(st.sampled_from(words), min_size=1, max_size=len(words)))
    boxes = [Sandbox(tmp_path / str(next(_numbers))) for _ in range(2)]
    try:
        for box, present in zip(boxes, (words, [word for word in words if word not in leavers]), strict=True):
            rows = [(key(words.index(word) + 1), word) for word in present]
            if rows[::2]:
                box.import_text(csv(*rows[::2]), as_of=1)
            for avatar, word in rows[1::2]:
                box.record(avatar, word, 5)
        for word in leavers:
            boxes[0].forget_key(parse_key(key(words.index(word) + 1)))
        for prefix, cursor in itertools.product(("a", "b", "z"), (None, *words[:4])):
            for reverse, grid in itertools.product((False, True), (None, "OpenSim")):
                start = cursor and canonical(cursor)
                how = {"limit": limit, "cursor": start, "reverse": reverse, "grid": grid}
                pages = [told(search(box.view(), prefix, **how)) for box in boxes]  # type: ignore[arg-type]
                assert pages[0] == pages[1], (prefix, start, reverse, grid)
    finally:
        for box in boxes:
            box.close()
