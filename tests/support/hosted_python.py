"""The Python of Debian's Apache modules: mod_wsgi has one version in itself, and Passenger's loader needs one before 3.12.

``make test`` makes an environment of that version where the tests run in another one: ``python -m`` of this prints which.
"""

import sys
from pathlib import Path

from tests.support.processes import REPOSITORY

RUNNING = "{}.{}".format(*sys.version_info)


def version() -> str:
    """Of Debian's mod_wsgi; without it that of the running interpreter."""
    modules = Path("/usr/lib/apache2/modules").glob("mod_wsgi.so-*")
    return next((module.name.partition("-")[2] for module in modules), RUNNING)


HOSTED = sys.executable if version() == RUNNING else str(REPOSITORY / f".venv-{version()}" / "bin" / "python")
"""An interpreter of that version with this code and its packages."""

if __name__ == "__main__" and version() != RUNNING:
    sys.stdout.write(version())
