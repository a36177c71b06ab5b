"""A Python that was built without some modules, or whose libraries went away with an update of the host."""

from pathlib import Path

LEFT_OUT = (
    *("_bz2", "_lzma", "_ssl", "_hashlib", "_ctypes", "_sqlite3", "_curses", "readline", "_dbm", "_gdbm", "_tkinter"),
    *("_multiprocessing", "_posixshmem", "_uuid"),
)
"""What own builds lack: these need a library's headers at build time, or semaphores."""

_SITECUSTOMIZE = """
import sys

class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name in {names!r}:
            raise {error}

sys.meta_path.insert(0, Lacking())
for name in {names!r}:
    sys.modules.pop(name, None)
"""

NOT_BUILT = "ModuleNotFoundError(f'No module named {name!r}', name=name)"
LIBRARY_GONE = "ImportError('libssl.so.1.1: cannot open shared object file: No such file or directory', name=name)"


def lacking(folder: Path, *names: str, error: str = NOT_BUILT) -> dict[str, str]:
    """The environment in which any Python lacks the modules *names* (all of LEFT_OUT when none is named)."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(_SITECUSTOMIZE.format(names=names or LEFT_OUT, error=error))
    return {"PYTHONPATH": str(folder)}
