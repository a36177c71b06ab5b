"""JSON that is read without ``json``: the same values, and the same errors."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2k_fcgi.store.lmdb.json_text import parsed

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES, st.sampled_from([None, 1]), st.booleans())
def test_what_we_write_is_read(value: Any, indent: int | None, ascii_only: bool) -> None:
    """Any value, indented or not, with and without escapes."""
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert parsed(text) == json.loads(text) == value


@pytest.mark.parametrize("text", ["", " ", "{", "[1,", "[1]]", "[1] 2", '{"a"}', "'a'", "tru", '"\t"', "[Infinity,]", "\x0b1"])
def test_what_is_no_json_is_refused_as_json_does(text: str) -> None:
    """The same error, which says where."""
    with pytest.raises(json.JSONDecodeError) as refusal:
        json.loads(text)
    with pytest.raises(json.JSONDecodeError) as ours:
        parsed(text)
    assert str(ours.value) == str(refusal.value)


@pytest.mark.parametrize("text", [" [1]\n", "\r\n\t{}", "[Infinity]", "[-Infinity, 1e400]"])
def test_space_around_it_and_constants(text: str) -> None:
    """Also what only ``json`` itself reads."""
    assert parsed(text) == json.loads(text)
