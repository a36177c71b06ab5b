"""``n2k pages``: a code on standard output, sessions that end."""

import re
from pathlib import Path

from n2k_fcgi.service.access.sessions import Sessions
from tests.support.commands import Commands
from tests.support.sandbox import Sandbox


def test_a_code_is_printed_and_begins_a_session(n2k: Commands) -> None:
    """The code alone on standard output, no address; the log has no word of it. ``log-out`` ends what it began."""
    done = n2k("pages", "code")
    code = done.out.strip()
    assert re.fullmatch(r"([A-Z2-9]{4}-){3}[A-Z2-9]{4}", code)
    assert "://" not in done.out + done.err and code not in done.err
    box = Sandbox(n2k.data_dir)
    sessions = Sessions(box.store.sessions, box.store.tokens, seconds=60)
    new = sessions.begin_by_code(code)
    assert sessions.find(new.id)
    unused = n2k("pages", "code").out
    assert n2k("pages", "log-out").err == "1 session ended\n"
    assert sessions.find(new.id) is None
    assert not box.store.sessions.use_code(unused.encode(), bytes(32), new.session, 6e9)
    box.close()
    assert not any(code in path.read_text("utf-8", "replace") for path in Path(n2k.data_dir).rglob("*.log"))
