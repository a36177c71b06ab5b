"""What hypothesis draws for us, and how patiently: machines that run the tests may be busy, so there is no deadline."""

from hypothesis import settings
from hypothesis import strategies as st

relaxed = settings(deadline=None, max_examples=200)

any_text = st.text(st.characters(exclude_categories=()))
"""Everything a ``str`` can hold: controls, line ends, lone surrogates, unassigned code points."""

braces = st.sampled_from(["{", "}", "{}", "{name}", "{0!r}", "%s", "\n", "\r\n", "\x1b[2J", "\ud800", "\u2028"])
hostile_text = st.lists(any_text | braces, max_size=8).map("".join)
"""Text that is after formatters, log files and terminals."""

name_part = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=15)
"""Letters and digits of any script: at most 60 bytes."""

ascii_part = st.from_regex(r"[A-Za-z0-9_]{1,31}", fullmatch=True)
"""A first or last name as Second Life allows them."""

avatar_key = st.binary(min_size=16, max_size=16).filter(any)
