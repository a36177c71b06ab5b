"""Files and folders that a page names in code quotes."""

import re
from fnmatch import fnmatch

from tests.support.processes import REPOSITORY

FILES = {str(path.relative_to(REPOSITORY)) for path in REPOSITORY.rglob("*") if ".venv" not in path.parts}
_PLACE = re.compile(r"[\w*./-]+\.(?:py|md|jsonl|json|lsl)|[\w./-]+/")


def places(text: str) -> list[str]:
    """The files and folders that *text* names; one without a folder may be in the folder of the one before."""
    found: list[str] = []
    for quoted in re.findall(r"`([^`]+)`", text):
        if _PLACE.fullmatch(quoted):
            beside = found[-1].rpartition("/")[0] + "/" + quoted if found and "/" not in quoted else quoted
            found.append(beside if is_there(beside) else quoted)
    return found


def is_there(place: str) -> bool:
    """Whether it exists below the repository or below the package; an asterisk matches any part of a name."""
    wanted = place.rstrip("/")
    either = (wanted, f"n2k_fcgi/{wanted}")
    return not FILES.isdisjoint(either) or ("*" in wanted and any(fnmatch(name, each) for each in either for name in FILES))
