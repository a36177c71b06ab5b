"""The package itself: empty at import, and the public names."""

import json
import subprocess
import sys

import pytest

import n2k_fcgi


def loaded(statement: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after *statement*, beyond those that it starts with."""
    code = f"import json, sys\nbefore = set(sys.modules)\n{statement}\nprint(json.dumps(list(set(sys.modules) - before)))"
    return set(json.loads(subprocess.check_output([sys.executable, "-c", code])))


def test_importing_the_package_imports_nothing_else() -> None:
    """Neither its own modules nor others: every worker begins with it."""
    assert loaded("import n2k_fcgi; n2k_fcgi.__version__") == {"n2k_fcgi"}


@pytest.mark.parametrize("name", n2k_fcgi.__all__)
def test_a_public_name_is_imported_at_first_use(name: str) -> None:
    """From the module that defines it, with what that needs."""
    ours = {module for module in loaded(f"from n2k_fcgi import {name}") if module.startswith("n2k_fcgi.")}
    assert getattr(n2k_fcgi, name).__module__ in ours | {"n2k_fcgi.errors.base"}
    assert not {module for module in ours if ".cli" in module or ".ingest" in module}


def test_other_names_are_refused() -> None:
    """As with any module."""
    with pytest.raises(AttributeError, match="module 'n2k_fcgi' has no attribute 'nothing'"):
        n2k_fcgi.nothing  # noqa: B018
    with pytest.raises(ImportError):
        from n2k_fcgi import nothing  # noqa: F401


def test_the_client_loads_nothing_of_the_server() -> None:
    """Values and errors only: neither engine nor web, and no settings; without httpx it names the extra."""
    modules = loaded("from n2k_fcgi.client import Client")
    ours = {module.split(".")[1] for module in modules if module.startswith("n2k_fcgi.")}
    assert ours == {"client", "keyvalue", "model", "store", "errors"} and not modules & {"lmdb", "werkzeug", "loguru"}
    assert not {module for module in modules if module.startswith("n2k_fcgi.store.") and module != "n2k_fcgi.store.keyvalue"}
    code = "import sys\nsys.modules['httpx'] = None\nimport n2k_fcgi.client"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.splitlines()[-1].endswith("install n2k_fcgi with the extra 'client'")
