"""Names: all spellings of one avatar are equal, other names differ, and invalid names are rejected."""

import unicodedata
from typing import Literal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from n2k_fcgi.errors import BadName
from n2k_fcgi.model.grids import Grid, Grids
from n2k_fcgi.model.names import (
    LONGEST_TEXT,
    NAME_BYTES,
    PART_BYTES,
    ParsedName,
    canonical,
    is_second_life_name,
    is_what_name,
    parse_name,
)
from n2k_fcgi.model.placeholders import is_placeholder
from tests.support.strategies import any_text, ascii_part, hostile_text, name_part, relaxed

LMDB_KEY_BYTES = 511
COMPOSITIONS: tuple[Literal["NFC"], Literal["NFD"]] = ("NFC", "NFD")
GOVERNOR = "3d6181b0-6a4b-97ef-18d8-722652995cf1"

plain_part = st.one_of(
    st.sampled_from(
        ["Resident", "resident", "Unknown", "User", "unknownUMM2", "UserUMMAU43", "UMMM0Unknown", "Loading", "0" * 31]
    ),
    st.text(st.sampled_from("abcXYZ019"), min_size=1, max_size=33),
)
separator = st.text(st.sampled_from(" +.\u00a0\u3000\t"), min_size=1, max_size=4)
growing = st.text(st.sampled_from("ΐŉßİſﬃ\u0958\U0001d160ẞᾂ\u0345"), min_size=1, max_size=64)
"""Letters that folding or composing makes longer."""


def accepted(text: str) -> ParsedName | None:
    """The parsed name, or None when it is refused with BadName; any other exception passes."""
    try:
        return parse_name(text)
    except BadName:
        return None


@pytest.mark.parametrize(
    ("spellings", "form"),
    [
        (
            (
                "Governor Linden",
                "governor.linden",
                "GOVERNOR+LINDEN",
                " governor  linden ",
                "Governor . Linden",
                "governor+linden+",
            ),
            "governor.linden",
        ),
        (("foo", "Foo Resident", "foo.resident", "FOO+RESIDENT", "foo.", "Foo  reſident"), "foo"),
        (("Resident", "resident resident", "RESIDENT.RESIDENT"), "resident"),
        (("x.residentfoo", "X Residentfoo"), "x.residentfoo"),
        (("a resident b",), "a.resident.b"),
        (("Ærlig Ñandú", "ærlig.ñandú", "ÆRLIG+N\u0303ANDU\u0301"), "ærlig.ñandú"),
        (("Straße Weiß", "STRASSE WEISS"), "strasse.weiss"),
        (("ΣΊΣΥΦΟΣ", "σίσυφος", "σίσυφοσ"), "σίσυφοσ"),
        (("\u1fb4 x", "\u1fb3\u0301 x", "α\u0301\u0345 x", "α\u0345\u0301 x"), "\u03acι.x"),  # marks in either order
    ],
)
def test_every_spelling_has_the_same_canonical_form(spellings: tuple[str, ...], form: str) -> None:
    """Case, composition, dot, plus, runs of spaces and a last name of Resident do not tell avatars apart."""
    assert {canonical(spelling) for spelling in spellings} == {form}
    assert {parse_name(spelling).canonical for spelling in spellings} == {form}


def test_what_looks_alike_stays_apart() -> None:
    """Different letters, parts in another order, and Resident inside a name are different avatars."""
    names = ["governorlinden", "linden.governor", "governor.linden", "governor_linden", "gоvernor.linden", "governor"]
    assert len({canonical(name) for name in names}) == len(names)


@pytest.mark.parametrize("empty", ["", " ", ".", "+.+", "\t\n", "\u3000"])
def test_nothing_left_is_empty(empty: str) -> None:
    """What holds only separators has no canonical form."""
    assert canonical(empty) == ""


@relaxed
@given(hostile_text | any_text | growing)
def test_canonical_is_idempotent(text: str) -> None:
    """The canonical form of a canonical form is itself, and composed (NFC), over everything a str can hold."""
    form = canonical(text)
    assert canonical(form) == form == unicodedata.normalize("NFC", form)


@relaxed
@given(ascii_part, ascii_part, separator, st.sampled_from([str.upper, str.lower, str.swapcase, str.title]))
def test_ascii_spellings_meet(first: str, last: str, between: str, case: object) -> None:
    """Any case and any separators give the form of the plain spelling."""
    assert callable(case)
    assert canonical(f" {case(first)}{between}{case(last)}+") == canonical(f"{first} {last}")


@relaxed
@given(name_part, name_part, separator, st.sampled_from(COMPOSITIONS))
def test_unicode_spellings_meet(first: str, last: str, between: str, composition: Literal["NFC", "NFD"]) -> None:
    """Composed or not, folded or not, in any script, an avatar has one form."""
    spelled = canonical(f"{first} {last}")
    for variant in (first + between + last, (first + between + last).casefold()):
        assert canonical(unicodedata.normalize(composition, variant)) == spelled


@relaxed
@given(ascii_part | name_part)
def test_resident_goes(first: str) -> None:
    """A single name and the same with the last name Resident are one, in any spelling."""
    assert {canonical(first + end) for end in (" Resident", ".resident", "+RESIDENT", " ")} == {canonical(first)}


@relaxed
@given(hostile_text | any_text | growing | name_part)
def test_parsing_agrees_with_canonical(text: str) -> None:
    """A name is refused with BadName, or its form is that of its spelling, which parses to itself; nothing else is raised."""
    parsed = accepted(text)
    if parsed is not None:
        assert parsed.canonical == canonical(parsed.spelling) != ""
        assert parse_name(parsed.spelling) == parsed._replace(home=None)
        assert parsed.spelling.isprintable() and len(parsed.spelling.encode()) <= NAME_BYTES


@relaxed
@given(hostile_text | growing)
def test_parsing_keeps_what_the_caller_meant(text: str) -> None:
    """Without a home grid, the form is that of the text as it came."""
    parsed = accepted(text)
    assume(parsed is not None)
    assert parsed is not None
    assert parsed.home is not None or parsed.canonical == canonical(text)


@relaxed
@given(growing, growing, separator)
def test_a_canonical_form_fits_an_lmdb_key(first: str, last: str, between: str) -> None:
    """Names of letters that grow when folded are refused, or their form has at most 511 bytes."""
    parsed = accepted(first + between.replace("\t", " ") + last)
    assert parsed is None or len(parsed.canonical.encode()) <= LMDB_KEY_BYTES


def test_no_letter_grows_beyond_an_lmdb_key() -> None:
    """A name of NAME_BYTES fits whatever letters it has: none of Unicode grows more than threefold."""
    letters = (chr(code) for code in (*range(0xD800), *range(0xE000, 0x20000), *range(0x2F800, 0x2FA20)))
    assert all(len(canonical(letter).encode()) <= 3 * len(letter.encode()) for letter in letters)
    assert 3 * NAME_BYTES <= LMDB_KEY_BYTES


@pytest.mark.parametrize(
    "longest",
    ["x" * PART_BYTES, "é" * 31 + "x", f"{'x' * PART_BYTES} {'y' * PART_BYTES}", f"{'x' * PART_BYTES}.Resident", "ΐ" * 31],
)
def test_the_longest_names_are_accepted(longest: str) -> None:
    """Each part may have PART_BYTES in UTF-8."""
    parsed = parse_name(longest)
    assert parsed.spelling == longest and len(parsed.canonical.encode()) <= LMDB_KEY_BYTES


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "empty"),
        (" + . ", "empty"),
        ("first\nlast", "cannot be shown"),
        ("first\tlast", "cannot be shown"),
        ("first\x00last", "cannot be shown"),
        ("first\u2028last", "cannot be shown"),
        ("\x1b[2J", "cannot be shown"),
        ("\ud800", "cannot be shown"),
        ("\u202egnp.exe", "cannot be shown"),
        ("zero\u200bwidth", "cannot be shown"),
        ("x" * 64, "at most 63 bytes"),
        ("é" * 32, "at most 63 bytes"),
        ("First " + "x" * 64, "at most 63 bytes"),
        ("a b " * 40, "a whole name has at most 127 bytes"),
        (f"{'x' * 60} {'y' * 60} {'z' * 60}", "a whole name has at most 127 bytes"),
        ("é " * 50, "a whole name has at most 127 bytes"),
        ("Three Short Parts " + "x" * 56 + " " + "y" * 56, "a whole name has at most 127 bytes"),  # 131, none of them long
        (" ".join(["é" * 31] * 3), "a whole name has at most 127 bytes"),  # 95 letters, 188 bytes
        (".".join(["日" * 21, "本" * 21, "語"]), "a whole name has at most 127 bytes"),  # 45 letters, 131 bytes
        (f"{'x' * 64} {'y' * 63}", "a first or last name has at most 63 bytes"),
        ("x" * 100_000, "at most 63 bytes"),
        ("x " * 50_000, "a whole name has at most 127 bytes"),
        ("x@" * 50_000, "at most 63 bytes"),
        (GOVERNOR, "a key"),
        (GOVERNOR.upper() + " Resident", "a key"),
        (GOVERNOR + ".", "a key"),
        (GOVERNOR.replace("-", ""), "a key"),
        (f"{GOVERNOR} @host", "a key"),
        ("(Loading...)", "placeholder"),
        ("(waiting)", "placeholder"),
        ("???", "placeholder"),
        ("First.Last @" + "h" * 64, "bad grid"),
        ("First.Last @" + "h" * 100_000, "at most"),
        ("@host", "followed by a grid"),
        ("a @b @c", "followed by a grid"),
        ("Governor Linden @ Production", "followed by a grid"),
        ("J\ufffdrg", "cannot be shown"),
        (". @host", "empty"),
    ],
)
def test_what_no_avatar_is_called(name: str, why: str) -> None:
    """Hostile and impossible names are refused with the name and the reason, on one short line."""
    with pytest.raises(BadName, match=why) as caught:
        parse_name(name)
    said = str(caught.value)
    assert said.startswith(str(BadName(name=name, why=""))) and said.isprintable() and len(said) < 400
    assert caught.value.too_long is ("a first or last name" in said or "a whole name" in said)


def test_what_a_refusal_says() -> None:
    """The whole line, as a user sees it."""
    assert str(refused("")) == "bad name '': it is empty"
    assert str(refused("a\nb")) == r"bad name 'a\nb': it has characters that cannot be shown"
    assert str(refused("J\ufffdrg")).endswith(": it has characters that cannot be shown")
    assert str(refused("@host")) == "bad name '@host': an @ must be followed by a grid"
    assert str(refused("???")) == "bad name '???': it is a placeholder for an unknown name"
    assert str(refused(GOVERNOR)) == f"bad name '{GOVERNOR}': it is a key"


def refused(name: str) -> BadName:
    """The refusal of *name*."""
    with pytest.raises(BadName) as caught:
        parse_name(name)
    return caught.value


def test_how_much_text_is_looked_at() -> None:
    """LONGEST_TEXT characters may hold a name among spaces; with one more it is too long whatever it is."""
    assert parse_name("Bob" + " " * (LONGEST_TEXT - 3)).spelling == "Bob"
    assert refused("Bob" + " " * (LONGEST_TEXT - 2)).too_long


def test_a_visitors_home_has_the_known_spelling() -> None:
    """As every grid that is named."""
    assert parse_name("Anna @OSGRID", Grids((Grid("OSgrid", "OSgrid"),))).home == "OSgrid"


@pytest.mark.parametrize(
    ("name", "issued"),
    [
        *(("foo", True), ("Governor Linden", True), ("governor.linden", True), ("user_name9", True), (" Bob  Resident+", True)),
        *(("Zoë", False), ("Anna Maria Grid", False), ("O'Neil", False), ("x y.z", False), ("Anna Ünal", False), ("٣", False)),
    ],
)
def test_names_that_second_life_issues(name: str, issued: bool) -> None:
    """One or two parts of ASCII letters, digits and underscores, however they are separated."""
    assert is_second_life_name(name) is issued


@pytest.mark.parametrize(
    "name",
    [
        *("(Loading...)", "(LOADING...)", "(Loading…)", "[loading...]", "<Loading>", "（Loading…）", "Loading...", "loading…"),
        *("Loading ...", "(loading...) (loading...)", "(waiting)", "{Waiting}", "Waiting...", "(unknown)", "[UNKNOWN]"),
        *(
            "(Unknown User)",
            "(nobody)",
            "(none)",
            "(no name)",
            "(hippos)",
            "(multiple)",
            "(Wird geladen...)",
            "【読み込み中…】",
        ),
        *("???", "?", "??? ???", "(???)", "(???) (???)", "...?", "()", "…", "(...)", "《？？？》"),
        *("Unknown User", "unknown.user", "UNKNOWN+USER", "Unknown UserUMMAU43", "Unknown UserUMMTGUN9", "Unknown UserHGGAI"),
        *("unknown.userummau3 @grid.example:8002", f"UnknownUMM2 {GOVERNOR}", f"unknownumm3.{GOVERNOR}", f"Unknown {GOVERNOR}"),
        *("Anna.Grid UMMM0Unknown", "Anna Grid.UMMM1Unknown", "anna ummm0unknown", "(Loading...) @grid.example"),
    ],
)
def test_a_placeholder_is_nobodys_name(name: str) -> None:
    """Every text that viewers and simulators show for an unknown name, in any case, bracket and spelling."""
    with pytest.raises(BadName, match="placeholder"):
        parse_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("Loading", "Loading Resident", "loading.resident", "Unknown", "Unknown Resident", "Waiting Resident", "nobody"),
        *("Nobody Resident", "Unknown Userfriendly", "Unknown Linden", "unknownuser", "UnknownUserUMMAU43", "User Unknown"),
        *("None Fall", "Hippos Resident", "Loading Zone", "Bob...", "(Bob)", "Bob (away)", "<3 Linden", "What?", "¿Qué?"),
        *("UMMM0Unknown", "Unknown Usher", "Multiple Resident", "No Name", "Mr OpenSim"),
    ],
)
def test_names_that_are_like_placeholders(name: str) -> None:
    """Possible names are accepted: one word is a username, and brackets alone are not ours to judge."""
    assert parse_name(name).canonical


@pytest.mark.parametrize("name", ["(" * 1000, "(" + "." * 1000, "?" * 999 + "!", "(a." * 330, ("x" * 500 + " ") * 2 + "ummm1"])
def test_no_name_takes_long_to_be_told_from_a_placeholder(name: str) -> None:
    """Asked a thousand times: a pattern that goes back over its own steps would take minutes."""
    assert not any(is_placeholder(name) for _ in range(1000))


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("First.Last @host:8002", ParsedName("First Last", "first.last", "host:8002")),
        ("Anna.Grid @host:8002", ParsedName("Anna Grid", "anna.grid", "host:8002")),
        ("Ünï.Cödé @host", ParsedName("Ünï Cödé", "ünï.cödé", "host")),
        ("A.B.C @host", ParsedName("A B.C", "a.b.c", "host")),
        ("A. B.C @host", ParsedName("A. B.C", "a.b.c", "host")),
        (".last @host", ParsedName(".last", "last", "host")),
        ("Single @host", ParsedName("Single", "single", "host")),
        ("First Last @HOST.example:8002", ParsedName("First Last", "first.last", "host.example:8002")),
        ("First+Last+@host", ParsedName("First Last", "first.last", "host")),
        ("first.last@host", ParsedName("first last", "first.last", "host")),
        ("Foo.Resident @host", ParsedName("Foo Resident", "foo", "host")),
        ("Governor Linden @production", ParsedName("Governor Linden", "governor.linden", "Production")),
    ],
)
def test_a_visitor_is_a_name_and_a_grid(text: str, parsed: ParsedName) -> None:
    """A hypergrid visitor is split into the name, as it is at home, and the home grid, as grids are spelled."""
    assert parse_name(text) == parsed


def test_the_spelling_is_kept() -> None:
    """The caller's case and dot are kept; only white space and plus signs become single spaces."""
    assert parse_name("\u2003Governor ++ LINDEN ").spelling == "Governor LINDEN"
    assert parse_name("governor.Linden").spelling == "governor.Linden"
    assert parse_name("Governor\u00a0Linden").spelling == "Governor Linden"


@pytest.mark.parametrize("name", ["\tGovernor Linden", "Governor Linden\r\n", "\x85Bob", "Bob\u2028", "A\nB"])
def test_control_characters_are_refused_at_the_edges_too(name: str) -> None:
    """They count as white space in Python, but are not part of a typed name."""
    with pytest.raises(BadName, match="cannot be shown"):
        parse_name(name)


@pytest.mark.parametrize("name", ["a", "Governor Linden", "governor.linden", "user_name 9", "1"])
def test_names_that_w_hat_takes(name: str) -> None:
    """One word, or two with one space or dot between them."""
    assert is_what_name(name)


@pytest.mark.parametrize(
    "name", ["", " ", "a b c", "a  b", "a+b", "a.", ".a", " a", "a\n", "Ñandú", "a-b", "a@b", "a..b", "a\tb", "٣"]
)
def test_names_that_w_hat_refuses(name: str) -> None:
    """Anything but ASCII letters, digits and underscores around one space or dot is Invalid name there."""
    assert not is_what_name(name)


@given(st.lists(plain_part, min_size=1, max_size=3).map(" ".join))
def test_plain_names_follow_the_rules_of_all_names(text: str) -> None:
    """A name of letters and digits takes a shortcut; with a space before it, which says nothing, it does not."""
    assert accepted(text) == accepted(f" {text}")
