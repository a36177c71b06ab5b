"""What a server did, in counts: tests hold the cost of a request to them."""


class Counters:
    """What the loop did since it started; ``turns`` are its wake-ups, ``receives`` and ``sends`` system calls."""

    __slots__ = ("accepts", "receives", "requests", "sends", "turns")

    def __init__(self) -> None:
        self.accepts = self.receives = self.requests = self.sends = self.turns = 0
