"""Calls of keyvalue.lsl as link messages, and their answers."""

import uuid

from tests.support.simulator import LINK_THIS, Prim

CALL, REPLY = 7221867, 7221868


def call_text(*texts: str) -> str:
    """The text of a call: each text behind its length and a colon."""
    return "".join(f"{len(text)}:{text}" for text in texts)


class Calls:
    """A script in *prim* that calls."""

    def __init__(self, prim: Prim) -> None:
        self.prim = prim

    def call(self, *texts: str) -> str:
        """Send a call; return its id."""
        return self.send(call_text(*texts))

    def send(self, message: str) -> str:
        """Send a message with the number of a call; return its id."""
        name = str(uuid.uuid4())
        self.prim.message_linked(LINK_THIS, CALL, message, name)
        return name

    @property
    def answers(self) -> dict[str, str]:
        """Id -> answer, of all calls that were answered. Raises AssertionError if one was answered twice."""
        replies = [(key, text) for number, text, key in self.prim.link_messages if number == REPLY]
        assert len(dict(replies)) == len(replies)
        return dict(replies)

    def ask(self, *texts: str, seconds: float = 15.0) -> str:
        """Call and wait; return the answer, '' if there is none."""
        return self.answer_to(call_text(*texts), seconds)

    def answer_to(self, message: str, seconds: float = 15.0) -> str:
        """Send a message with the number of a call and wait."""
        name = self.send(message)
        self.prim.world.run(seconds)
        return self.answers.get(name, "")
