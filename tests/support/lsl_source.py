"""The scripts as a user would paste them: what ``n2k lsl`` prints."""

from n2k_fcgi.service.scripts import catalogue as scripts

SCRIPTS = sorted(path.stem for path in scripts.FOLDER.glob("*.lsl"))
OF_AVATARS = sorted(set(SCRIPTS) - {"keyvalue", "visitors"})
"""Those that use the directory."""


def lsl_source(
    name: str,
    *,
    url: str = "https://www.example.org/",
    token: str = "",
    spare: str = "",
    spare_token: str = "",
    grid: str = "",
) -> str:
    """Give the text of script *name* with its lines filled in; the token of the second service as a user does it, by hand."""
    text = scripts.filled_in(scripts.SCRIPTS[name], url=url, token=token, spare=spare, grid=grid)
    return text.replace('\nstring SPARE_TOKEN = "";\n', f'\nstring SPARE_TOKEN = "{spare_token}";\n')
