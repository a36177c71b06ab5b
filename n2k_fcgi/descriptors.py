"""Descriptors 0, 1 and 2, which a web server or supervisor may have closed: the next file to be opened would get one of them.

What is written to standard output or error would then be written into that file, such as the captures.
"""

import os


def occupy() -> None:
    """Open those of the three that are closed: reading ends at once, writing an answer fails, errors are dropped."""
    for fd, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(fd)
        except OSError:  # the lowest that is free is given: this one
            os.set_inheritable(os.open(os.devnull, mode), True)
