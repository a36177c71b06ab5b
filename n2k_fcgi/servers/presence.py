"""Whether what a worker runs is still there: nobody stops the workers of a service that was removed by hand."""

import os
import sys

import n2k_fcgi


class Presence:
    """The files of a process: the script that started it, and the code. They are looked at now and then.

    Gone is what is missing at two looks in a row: an update replaces files by removing them first.
    """

    def __init__(self, files: tuple[str, ...]) -> None:
        self._files = files
        self._was_missing = False

    @classmethod
    def of_this_process(cls) -> "Presence":
        """The script (there is none with ``python -c``) and the package."""
        script = getattr(sys.modules["__main__"], "__file__", None)
        files = (script, n2k_fcgi.__file__) if script else (n2k_fcgi.__file__,)
        return cls(tuple(os.path.abspath(file) for file in files if file))

    def is_over(self) -> bool:
        """Look: one ``stat`` a file. True when one is missing now and was so at the look before."""
        is_missing = not all(map(_is_there, self._files))
        is_over = is_missing and self._was_missing
        self._was_missing = is_missing
        return is_over


def _is_there(path: str) -> bool:
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # a file server that does not answer, a folder closed for a while: not gone
        return True
    return True
