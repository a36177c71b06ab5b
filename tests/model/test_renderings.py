"""Forms: how a spelling follows from its canonical name, in bulk as one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2k_fcgi.model.batch import Batch, joined
from n2k_fcgi.model.names import canonical
from n2k_fcgi.model.renderings import NameForm, form_of, forms_of, spelled

parts = st.text(st.sampled_from("abAB1_'é."), min_size=1, max_size=4)
names = st.one_of(
    st.tuples(parts, parts).map(" ".join),
    parts,
    st.tuples(parts, st.sampled_from(["Resident", "resident", "RESIDENT"])).map(" ".join),
    st.sampled_from(["Ada Lovelace", "Foo Resident", "Foo", "Foo1bar Resident", "1foo Resident", "Foo_bar Baz", "A B C"]),
).filter(canonical)


@pytest.mark.parametrize(
    ("spelling", "form"),
    [
        ("Governor Linden", NameForm.RENDERED),
        ("Foo Resident", NameForm.RENDERED),
        ("Foo1bar Resident", NameForm.RENDERED),
        ("Foo", NameForm.BARE),
        ("1foo", NameForm.BARE),
        ("foo Resident", NameForm.OTHER),
        ("Foo resident", NameForm.OTHER),
        ("Governor.Linden", NameForm.OTHER),
        ("GOVERNOR Linden", NameForm.OTHER),
        ("Resident Resident", NameForm.RENDERED),
        ("Resident", NameForm.BARE),
    ],
)
def test_forms(spelling: str, form: NameForm) -> None:
    """W-Hat's rendering, the same without Resident, and all else."""
    assert form_of(spelling.encode(), canonical(spelling).encode()) == form


@given(names)
def test_a_form_gives_the_spelling_back(spelling: str) -> None:
    """Of RENDERED and BARE; so these need not be stored twice."""
    form = form_of(spelling.encode(), canonical(spelling).encode())
    if form != NameForm.OTHER:
        assert spelled(canonical(spelling).encode(), form) == spelling.encode()


@given(st.lists(names, max_size=6))
def test_in_bulk_they_are_the_same(spellings: list[str]) -> None:
    """None stands for rows that are all RENDERED."""
    forms = [canonical(spelling).encode() for spelling in spellings]
    batch = Batch(bytes(16) * len(spellings), joined([s.encode() for s in spellings]), joined(forms), b"")
    one_by_one = bytes(form_of(s.encode(), form) for s, form in zip(spellings, forms, strict=True))
    assert (forms_of(batch) or bytes(len(spellings))) == one_by_one
