"""Imports at first use."""

import gc
import subprocess
import sys

import pytest

from n2k_fcgi import late
from tests.support.processes import REPOSITORY

PARTS = """
import sys
from n2k_fcgi.late import parts_of
parts_of("werkzeug")
from werkzeug.routing import Map
print("werkzeug.serving" in sys.modules)
import werkzeug
from werkzeug import exceptions
print("werkzeug.serving" in sys.modules, exceptions.NotFound.code)
from werkzeug import Request
print("werkzeug.serving" in sys.modules, werkzeug.run_simple.__module__, Request.__name__, werkzeug.routing.Map is Map)
try:
    werkzeug.nothing
except AttributeError as problem:
    print(problem)
"""


def test_parts_of_a_package_are_imported_without_the_rest_until_it_is_asked_for() -> None:
    """Modules alone do not run the package's own code; a name of its own does, and then it is as it always is."""
    done = subprocess.run([sys.executable, "-c", PARTS], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "False",
        "False 404",
        "True werkzeug.serving Request True",
        "module 'werkzeug' has no attribute 'nothing'",
    ]


def test_what_is_imported_or_missing_is_left_alone() -> None:
    """A package that is there stays as it is; for one that is not, the import says what is missing."""
    before = sys.modules["pytest"]
    late.parts_of("pytest")
    assert sys.modules["pytest"] is before
    late.parts_of("n2k_no_such_package")
    assert "n2k_no_such_package" not in sys.modules


def test_the_collector_is_on_again_if_it_was_on() -> None:
    """Also after an import that fails; where it was off it stays off."""
    assert gc.isenabled()
    with pytest.raises(ImportError), late.uncollected():
        assert not gc.isenabled()
        raise ImportError
    assert gc.isenabled()
    gc.disable()
    try:
        with late.uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
