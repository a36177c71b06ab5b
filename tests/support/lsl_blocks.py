"""Text that scripts share. After an edit in touch.lsl, ``python -m tests.support.lsl_blocks`` copies it to the others."""

import re

from n2k_fcgi.service.scripts.catalogue import FOLDER, SCRIPTS

BLOCKS = ("common", "card", "limits", "asking", "decided", "registering", "detecting", "events")
MASTER = "touch"


def shared_block(text: str, block: str) -> str:
    """What stands between ``// >>> BLOCK`` and ``// <<< BLOCK``, the marks included; '' when they are not there."""
    found = re.search(rf"(?s)// >>> {block}:.*?// <<< {block}\n", text)
    return found[0] if found else ""


def copy_blocks() -> None:
    """Write the master's blocks into every script that has blocks of these names."""
    master = SCRIPTS[MASTER].text
    for name, script in SCRIPTS.items():
        text = script.text
        for block in BLOCKS:
            old = shared_block(text, block)
            text = text.replace(old, shared_block(master, block)) if old else text
        (FOLDER / f"{name}.lsl").write_text(text, "utf-8")


if __name__ == "__main__":
    copy_blocks()
