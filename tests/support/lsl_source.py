"""The scripts as a user would paste them: what ``n2k lsl`` prints."""

from n2k_fcgi.service.scripts import catalogue as scripts

SCRIPTS = sorted(path.stem for path in scripts.FOLDER.glob("*.lsl"))
OF_AVATARS = sorted(set(SCRIPTS) - {"keyvalue", "visitors"})
"""Those that use the directory."""


def lsl_source(name: str, *, url: str = "https://www.example.org/", token: str = "", grid: str = "") -> str:
    """Give the text of script *name* with its lines filled in."""
    return scripts.filled_in(scripts.SCRIPTS[name], url=url, token=token, grid=grid)
