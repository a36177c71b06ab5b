"""What Linden's compiler (Tailslide, which lummao is built on) thinks of a script.

It tells its warnings together with errors only: an error is added behind the script.
"""

import re

from lummao import CompileError, convert_script

AN_ERROR = "\nstate broken { touch_start(integer count) { llOwnerSay((string)(count + nowhere_declared)); } }\n"


def complaints(source: str) -> list[str]:
    """Every error and warning about *source* itself: ``line: text``."""
    try:
        convert_script(source + AN_ERROR)
    except CompileError as error:
        found = [re.sub(r"^\s*\w+:: \(\s*(\d+),\s*\d+\): ", r"\1: ", line) for line in error.err_msgs]
        return [line for line in found if line.strip() and "nowhere_declared" not in line]
    raise AssertionError("the error was not found")
