"""Errors: messages that are one line, codes that scripts can rely on, and their page in the documentation."""

import subprocess
import sys
from http import HTTPStatus
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2k_fcgi import errors
from n2k_fcgi.errors import SHOWN_CHARACTERS, BadName, N2KError, StoreMissing, shown
from tests.support.error_table import RANGES, error_classes, error_table, example, fields
from tests.support.strategies import hostile_text, relaxed

PAGE = Path(__file__).parent.parent / "docs" / "errors.md"
each_error = pytest.mark.parametrize("error", error_classes(), ids=[error.__name__ for error in error_classes()])


def test_exit_codes_are_unique() -> None:
    """No two errors share an exit code, and none takes that of the base."""
    codes = [N2KError.exit_code, *(error.exit_code for error in error_classes())]
    assert sorted(set(codes)) == sorted(codes)


@each_error
def test_exit_code_is_in_a_documented_range(error: type[N2KError]) -> None:
    """Every exit code lies in a documented range, and leaves 1 and 2 to the unexpected and to click."""
    assert any(low <= error.exit_code <= high for low, high, _ in RANGES if low > 2)


def test_the_module_states_the_same_ranges() -> None:
    """The ranges of the page are those that the module's docstring promises."""
    promised = " ".join((errors.__doc__ or "").split())
    for low, high, _ in RANGES[2:]:
        assert f"{low}-{high}" in promised


@each_error
def test_status_is_an_http_error(error: type[N2KError]) -> None:
    """Every status is a registered one for errors."""
    assert HTTPStatus(error.status) >= 400


@each_error
def test_template_says_something_without_context_left_over(error: type[N2KError]) -> None:
    """Every class has its own docstring and template, and every keyword that it needs shows in the message."""
    assert error.__doc__ != N2KError.__doc__ and error.template != N2KError.template
    message = str(example(error, {name: f"<{name}>" for name in fields(error)}))
    assert all(f"<{name}>" in message for name in fields(error))


@each_error
@settings(relaxed, max_examples=20)  # of each class; what is shown of a text has all the examples below
@given(data=st.data())
def test_message_is_one_printable_line(error: type[N2KError], data: st.DataObject) -> None:
    """Whatever a caller put into it, a message is one printable line of bounded length that UTF-8 can carry."""
    context = {name: data.draw(hostile_text) for name in fields(error)}
    message = str(example(error, context))
    assert message.isprintable() and message.encode()
    assert len(message) <= len(error.template) + 3 * SHOWN_CHARACTERS * max(1, error.template.count("{"))


@relaxed
@given(hostile_text)
def test_shown_is_short_and_printable(text: str) -> None:
    """A shown value is printable, at most SHOWN_CHARACTERS long, and shown again it stays the same."""
    once = shown(text)
    assert once.isprintable() and len(once) <= SHOWN_CHARACTERS and shown(once) == once


def test_shown_leaves_printable_text_alone() -> None:
    """Printable text that is short enough is repeated as it is; longer text says that it was cut."""
    assert shown("Ærlig Ñandú") == "Ærlig Ñandú"
    assert shown("x" * SHOWN_CHARACTERS) == "x" * SHOWN_CHARACTERS
    assert shown("x" * 100_000) == "x" * (SHOWN_CHARACTERS - 1) + "…"
    assert shown("\n" * 500).startswith("\\n\\n") and shown("\n" * 500).endswith("…")


def test_messages_say_what_to_do() -> None:
    """The message names the culprit; the command to run has the path."""
    assert str(BadName(name="a\nb", why="no")) == "bad name 'a\\nb': no"
    assert str(StoreMissing(path=Path("/x"))) == "no n2k data in /x: run 'n2k --dir /x init'"


def test_the_page_is_up_to_date() -> None:
    """docs/errors.md is what the classes say: refresh it with python -m tests.support.error_table > docs/errors.md."""
    assert PAGE.read_text("utf-8") == error_table()


def test_every_error_is_imported_from_the_package() -> None:
    """Each module's errors are found in the package, which has no others, and an unknown name is an AttributeError."""
    modules = {path.stem for path in Path(errors.__file__).parent.glob("*.py")}
    assert modules == {"__init__", "base", "requests", "store", "dumps", "installation", "keyvalue", "handles"}
    for error in error_classes():
        assert getattr(errors, error.__name__) is error
    assert not hasattr(errors, "NoSuchError")


@pytest.mark.parametrize("module", ["dumps", "keyvalue", "handles"])
def test_a_worker_does_not_load_errors_that_no_lookup_raises(module: str) -> None:
    """The errors of dumps, of the key-value service and of other programs' handles cost cold start."""
    code = f"import sys, n2k_fcgi.servers.fastcgi, n2k_fcgi.wiring; print('n2k_fcgi.errors.{module}' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
