"""Keys, namespaces, types and times of entries."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2k_fcgi.errors import BadEntryKey, BadNamespace
from n2k_fcgi.model.keyvalue.entry import (
    MAX_KEY,
    Entry,
    ValueType,
    is_control,
    is_json,
    parse_entry_key,
    parse_namespace,
    type_of,
)
from tests.support.strategies import any_text, relaxed


@pytest.mark.parametrize(
    "text",
    ["a", "/", "//", "..", " ", "%2F", "ä" * 250, "x" * MAX_KEY, "\U0001f600", "\xa0", "\u2028", "\ufeff", "\u202e", "#"],
)
def test_a_key(text: str) -> None:
    """1 to 500 bytes of UTF-8: blanks, slashes and characters without a shape, too."""
    assert parse_entry_key(text) == text.encode()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it has 0 bytes, 1 to 500 are allowed"),
        ("x" * (MAX_KEY + 1), "it has 501 bytes"),
        ("ä" * 251, "it has 502 bytes"),
        ("a\nb", "it has a control character"),
        ("\0", "control"),
        ("a\x7f", "control"),
        ("\x9f", "control"),
        ("\x80", "control"),
        ("\ud800", "it is not UTF-8"),
    ],
)
def test_what_is_no_key(text: str, why: str) -> None:
    """The message says why, in one line."""
    with pytest.raises(BadEntryKey, match=why) as refused:
        parse_entry_key(text)
    assert str(refused.value).isprintable()


@relaxed
@given(any_text)
def test_any_text_is_a_key_or_is_refused(text: str) -> None:
    """Nothing else happens, and no accepted key has a control character."""
    try:
        key = parse_entry_key(text)
    except BadEntryKey:
        return
    assert key.decode() == text and 1 <= len(key) <= MAX_KEY and not any(map(is_control, text))


def test_control_characters_are_those_of_unicode() -> None:
    """Category Cc."""
    import unicodedata

    assert [c for c in map(chr, range(0x11000)) if is_control(c) != (unicodedata.category(c) == "Cc")] == []


@pytest.mark.parametrize("name", ["a", "shop", "my-shop_2", "0", "-", "x" * 40])
def test_a_namespace(name: str) -> None:
    """1 to 40 of a-z, 0-9, - and _."""
    assert parse_namespace(name) == name


@pytest.mark.parametrize("name", ["", "Shop", "x" * 41, "a b", "a/b", "..", ".", "ä", "a\n", "\uff41", "a.b"])
def test_what_is_no_namespace(name: str) -> None:
    """It would be the name of a folder."""
    with pytest.raises(BadNamespace):
        parse_namespace(name)


@pytest.mark.parametrize("text", ["1", '"x"', "null", "[1, 2]", '{"a": {"b": []}}', " true ", '"\\ud800"', "1e999", "-0"])
def test_json(text: str) -> None:
    """One value, blanks around it allowed."""
    assert is_json(text.encode())


@pytest.mark.parametrize(
    "value",
    [b"", b"{", b"NaN", b"[Infinity]", b"-Infinity", b"1 2", b"'x'", b"\xff", b"\xef\xbb\xbf1", b"[" * 100_000, b'{"a":1,}'],
)
def test_what_is_no_json(value: bytes) -> None:
    """Neither what Python alone reads, nor what would exhaust its stack."""
    assert not is_json(value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@settings(relaxed, max_examples=50)
@given(json_values)
def test_what_json_writes_is_json(value: object) -> None:
    """Escaped or not."""
    assert is_json(json.dumps(value).encode())
    assert is_json(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


@pytest.mark.parametrize(
    ("value", "wanted", "found"),
    [
        (b"{}", ValueType.JSON, ValueType.JSON),
        (b"{}x", ValueType.JSON, ValueType.TEXT),
        (b"\xff", ValueType.JSON, ValueType.BYTES),
        (b"\xff", ValueType.TEXT, ValueType.BYTES),
        (b"{}", ValueType.TEXT, ValueType.TEXT),
        (b"{}", ValueType.BYTES, ValueType.BYTES),
        (b"", ValueType.JSON, ValueType.TEXT),
    ],
)
def test_the_type_that_a_value_is_of(value: bytes, wanted: ValueType, found: ValueType) -> None:
    """The wanted one, or the next that it is of: JSON, text, bytes."""
    assert type_of(value, wanted) is found


def test_the_life_of_an_entry() -> None:
    """It ends at the very millisecond; without an end it is always there."""
    entry, endless = Entry(b"k", b"v", expires=1000), Entry(b"k", "ä".encode())
    assert [entry.is_live(now) for now in (0, 999, 1000, 1001)] == [True, True, False, False]
    assert [entry.ttl(now) for now in (0, 999, 1000, 2000)] == [1000, 1, 0, 0]
    assert endless.is_live(10**15) and endless.ttl(10**15) is None and endless.text == "ä"
