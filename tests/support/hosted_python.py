"""The Python of Debian's Apache modules: mod_wsgi has one version in itself, Passenger's loader needs one before 3.12.

Other versions of Python are tested in environments beside this one (``make test-all``), which makes one of that version, too.
"""

import re
import sys
from pathlib import Path

from tests.support.processes import REPOSITORY


def _hosted() -> str:
    """An interpreter of that version with this code and its packages: this one, or that of another environment."""
    module = next(Path("/usr/lib/apache2/modules").glob("mod_wsgi.so-*"), None)
    version = re.sub(r".*-", "", module.name) if module else ""
    if version in ("", f"{sys.version_info[0]}.{sys.version_info[1]}"):
        return sys.executable
    return str(REPOSITORY / f".venv-{version}" / "bin" / "python")


HOSTED = _hosted()
