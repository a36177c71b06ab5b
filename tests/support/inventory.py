"""The notecards in a prim, which scripts read line by line.

Second Life's wiki, llGetNotecardLine: 0.1 s of delay, lines of 1,024 bytes, no answer for a card that was never saved, the end
at once for one with something embedded. OpenSimulator cuts lines at 255 letters, unless it is configured otherwise.
"""

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lummao import Key

if TYPE_CHECKING:
    from tests.support.script import Script

NOTHING, NOTECARD = -1, 7
"""What llGetInventoryType says."""
READ_SECONDS, DELAY_SECONDS = 0.3, 0.1
END = "\n\n\n"
UNSAVED = "\0unsaved"
"""The text of a card that was made and never saved."""
EMBEDDED = "\0embedded"
"""The text of one that has an object in it."""


def cut(line: str, most_bytes: int | None, most_letters: int | None) -> str:
    """A line as a grid passes it on."""
    line = line[:most_letters]
    return line.encode()[:most_bytes].decode("utf-8", "ignore")


def builtins(script: "Script") -> dict[str, Callable[..., Any]]:
    """LSL name -> function."""
    prim = script.prim
    world = prim.world

    async def get_notecard_line(name: str, number: int) -> Key:
        query, losses, text = Key(uuid.uuid4()), world.losses, prim.cards[name]
        lines = [] if text == EMBEDDED else text.split("\n")
        line = cut(lines[number], *world.rules.card_line) if number < len(lines) else END

        def deliver() -> None:
            if world.losses == losses:
                prim.post("dataserver", query, line)

        if text != UNSAVED:
            world.after(READ_SECONDS, deliver)
        prim.lines_read += 1
        await script.sleep(DELAY_SECONDS)
        return query

    return {
        "llGetInventoryType": lambda name: NOTECARD if name in prim.cards else NOTHING,
        "llGetNotecardLine": get_notecard_line,
    }
