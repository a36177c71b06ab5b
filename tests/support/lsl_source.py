"""The scripts as a user would paste them: with the lines at their top filled in."""

import re
from pathlib import Path

LSL = Path(__file__).parents[2] / "lsl"
SCRIPTS = sorted(path.stem for path in LSL.glob("*.lsl"))


def lsl_source(name: str, **settings: str) -> str:
    """Give the text of script *name* with ``string SETTING = "...";`` lines set; each must be there exactly once."""
    text = (LSL / f"{name}.lsl").read_text("utf-8")
    for setting, value in settings.items():
        text, count = re.subn(rf'(?m)^string {setting} = "[^"\n]*";$', f'string {setting} = "{value}";', text)
        if count != 1:
            raise ValueError(f"{name}.lsl has {count} lines 'string {setting} = …'")
    return text
