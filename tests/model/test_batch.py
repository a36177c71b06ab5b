"""Batches: rows as a few byte strings, put together, filtered and taken apart without a loss."""

from hypothesis import given
from hypothesis import strategies as st

from n2k_fcgi.model.batch import Batch, filtered, joined, separate, together

NAMES = st.lists(st.binary(max_size=5).filter(lambda name: b"\n" not in name), max_size=6)


def _batch(names: list[bytes], numbers: bytes = b"") -> Batch:
    keys = b"".join(bytes([place]) * 16 for place, _ in enumerate(names))
    return Batch(keys, joined(names), joined([name.lower() for name in names]), numbers)


@given(NAMES)
def test_separate_reverses_joined(names: list[bytes]) -> None:
    """Empty words too; no words are no bytes."""
    assert separate(joined(names)) == names or (names == [] and joined([]) == b"")


def test_batches_together_keep_their_order_and_numbers() -> None:
    """A batch without numbers counts as all 0 as soon as another has numbers."""
    whole = together([_batch([b"A", b"B"]), _batch([b"C"], b"\x07")])
    assert separate(whole.spellings) == [b"A", b"B", b"C"] and separate(whole.canonicals) == [b"a", b"b", b"c"]
    assert whole.origins == b"\0\0\x07" and whole.rows == 3
    assert together([_batch([b"A"]), _batch([b"C"])]).origins == b""


def test_a_filter_sees_key_number_and_canonical_name() -> None:
    """What it accepts is kept in all columns; the same object when that is everything."""
    batch = _batch([b"Ann", b"Bob", b"Cy"], b"\0\x01\0")
    seen: list[tuple[bytes, int, bytes]] = []

    def is_kept(key: bytes, number: int, name: bytes) -> bool:
        seen.append((key, number, name))
        return name != b"bob"

    kept = filtered(batch, is_kept)
    assert seen == [(bytes(16), 0, b"ann"), (b"\x01" * 16, 1, b"bob"), (b"\x02" * 16, 0, b"cy")]
    assert kept == Batch(bytes(16) + b"\x02" * 16, b"Ann\nCy\n", b"ann\ncy\n", b"\0\0")
    assert filtered(batch, lambda *_: True) is batch
    assert filtered(_batch([b"Ann", b"Bob"]), is_kept).origins == b""
