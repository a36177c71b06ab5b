"""Somebody with nothing but an account and the code, who types what the pages say, letter by letter."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.support.commands import Done
from tests.support.pages import Block
from tests.support.processes import REPOSITORY

SITE = "https://example.com/"
DUMPS = "https://example.org/"
INSTALL = "~/n2k/bin/pip install ~/n2k_fcgi"

VERSION = f"python{sys.version_info[0]}.{sys.version_info[1]}"

PYTHON = f"""\
#!/bin/sh -eu
if test "$1 $2" = "-m venv"; then
    {sys.base_prefix}/bin/{VERSION} -m venv --without-pip "$3"
    ln -sf /bin/true "$3/bin/pip"
else
    exec {sys.base_prefix}/bin/{VERSION} "$@"
fi
"""
"""Environments without pip, which would take seconds to unpack and is not asked to do anything."""

INSTALLING = f"""\
#!/bin/sh -eu
test -x ~/n2k/bin/pip
cat > ~/n2k/lib/{VERSION}/site-packages/tests.pth <<END
{REPOSITORY}
{sysconfig.get_path("purelib")}
{sysconfig.get_path("platlib")}
END
cat > ~/n2k/bin/n2k <<END
#!$HOME/n2k/bin/python
from n2k_fcgi.cli import main
main()
END
chmod 755 ~/n2k/bin/n2k
"""
"""In pip's place, since the index may be out of reach here (the gate installs the wheel for real): the new environment finds
the code and its packages where the tests' own has them."""


class Newcomer:
    """A home with the code and the folder of a site in it. *site*, *dumps*: what these addresses of the pages are in truth."""

    def __init__(self, home: Path, *, site: str = SITE, dumps: str = DUMPS) -> None:
        self.home = home
        self.site = site
        self.dumps = dumps
        (home / "example.com").mkdir(parents=True, exist_ok=True)
        (home / "n2k_fcgi").symlink_to(REPOSITORY)
        programs = home / "programs"
        programs.mkdir()
        (programs / "python3").write_text(PYTHON)
        (programs / "python3").chmod(0o755)
        (programs / "install_n2k").write_text(INSTALLING)
        (programs / "install_n2k").chmod(0o755)

    def unpacks_pip(self) -> None:
        """From now on an environment is made as the system's Python does it."""
        python = self.home / "programs" / "python3"
        python.unlink()
        python.symlink_to(Path(sys.base_prefix) / "bin" / VERSION)

    def types(self, block: Block) -> Done:
        """Type a block of commands into a shell; the first that fails ends it."""
        text = block.text.replace(SITE, self.site).replace(DUMPS, self.dumps).replace(INSTALL, "install_n2k")
        return self._run("bash", "-eu", "-o", "pipefail", "-c", text, path=f"{self.home}/programs:/usr/bin:/bin")

    def as_cron(self, line: str) -> Done:
        """Run the command of a crontab as cron does."""
        return self._run("/bin/sh", "-c", line.replace(DUMPS, self.dumps), path="/usr/bin:/bin")

    def logged_in(self) -> dict[str, str]:
        """The environment of their next login."""
        return {"HOME": str(self.home), "PATH": f"{self.home}/.local/bin:/usr/bin:/bin", "LANG": os.environ.get("LANG", "C")}

    def _run(self, *command: str, path: str) -> Done:
        environment = {"HOME": str(self.home), "PATH": path}
        done = subprocess.run(
            command, cwd=self.home, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=300
        )
        return Done(done.returncode, done.stdout, done.stderr)
