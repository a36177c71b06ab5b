"""A region of a virtual world in small: a clock, avatars, prims, and the scripts in them.

The scripts are the real ones, compiled to Python; their HTTP requests are real. Time is not: it passes only in
``World.run``, so a story of half an hour takes milliseconds and always ends the same.
"""

import heapq
import itertools
import uuid
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from lummao import Key

from tests.support.grid_rules import Rules, Throttle
from tests.support.outbound_filter import is_allowed
from tests.support.script import Script
from tests.support.simulated_http import Request, perform, read_request

LINK_SET, LINK_THIS = -1, -4
CARD = "n2k"
CHANGED_INVENTORY, CHANGED_LINK, CHANGED_OWNER, CHANGED_REGION_START = 0x1, 0x20, 0x80, 0x400
AGENT, OBJECT, NPC, PLAIN_NPC, NEWER_NPC = 1, 2, 0x1000001, 0x1000000, 0x20
"""What llDetectedType says: an avatar, a moving object, a puppet by what it was made as and by OpenSimulator's version."""
REFUSED, BLOCKED = Key(uuid.UUID(int=0)), Key("")
"""What llHTTPRequest gives when there are too many requests, and for an address that scripts may not ask."""


@dataclass(frozen=True)
class Avatar:
    """Somebody in the region, under the legacy name that scripts detect."""

    name: str
    key: str
    kind: int = AGENT


@dataclass(frozen=True)
class Exchange:
    """A request that left the region: when, what, and the status that came back."""

    time: float
    request: Request
    status: int


class World:
    """One region under one grid's rules.

    ``real_seconds`` bounds how long a request may really take; a script hears of it after the grid's own time-out.
    ``excepted`` is what ``OutboundDisallowForUserScriptsExcept`` says in ``OpenSim.ini``: this machine, where the services are.
    """

    def __init__(self, rules: Rules, real_seconds: float = 60.0) -> None:
        self.rules = rules
        self.real_seconds = real_seconds
        self.region = "Test Region"
        self.excepted = "127.0.0.0/8"
        self.now = 0.0
        self.prims: list[Prim] = []
        self.people: dict[str, tuple[Avatar, float]] = {}
        """Who is in the region, and how many metres from the prims; by key, in the order they came."""
        self.unlisted: set[str] = set()
        """Keys of those whom no list of the region has, as OpenSimulator's gods."""
        self.accounts: dict[str, str] = {}
        """The names that the grid knows of avatars that are elsewhere, by key."""
        self.owner_throttles: defaultdict[str, Throttle] = defaultdict(rules.owner_throttle)
        self.name_throttles: defaultdict[str, Throttle] = defaultdict(rules.name_throttle)
        self.losses = 0
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Have *action* called when *seconds* have passed."""
        heapq.heappush(self._agenda, (self.now + seconds, next(self._order), action))

    def run(self, seconds: float) -> None:
        """Let *seconds* pass; whatever falls due in them happens in its order."""
        end = self.now + seconds
        while self._agenda and self._agenda[0][0] <= end:
            self.now, _, action = heapq.heappop(self._agenda)
            action()
        self.now = end

    @property
    def busy(self) -> bool:
        """Something is still to happen."""
        return bool(self._agenda)

    def rez(self, owner: Avatar, *sources: str, name: str = "Object", card: str | None = None) -> "Prim":
        """Put a prim with the scripts of *sources*, and a notecard n2k, into the region; its owner is there."""
        self.enter(owner)
        prim = Prim(self, owner, name)
        if card is not None:
            prim.cards[CARD] = card
        self.prims.append(prim)
        for source in sources:
            prim.add(source)
        return prim

    def enter(self, *avatars: Avatar, metres: float = 10.0) -> None:
        """Let *avatars* come to the region, or move to that distance."""
        self.people.update({avatar.key: (avatar, metres) for avatar in avatars})

    def leave(self, *avatars: Avatar) -> None:
        """Let *avatars* go."""
        for avatar in avatars:
            self.people.pop(avatar.key, None)

    def say(self, avatar: Avatar, channel: int, text: str) -> None:
        """Let *avatar* say *text* where every prim hears it that listens."""
        for prim in self.prims:
            for script in prim.scripts:
                script.hear(channel, avatar.name, avatar.key, text)

    def lose_answers(self) -> None:
        """Have every answer that is under way never arrive."""
        self.losses += 1

    def restart(self) -> None:
        """Restart the region: scripts keep their state, answers under way are lost."""
        self.lose_answers()
        for prim in self.prims:
            prim.post("changed", CHANGED_REGION_START)


class Prim:
    """An object with scripts. What its scripts say is in ``to_owner`` and, by avatar key, in ``told``."""

    def __init__(self, world: World, owner: Avatar, name: str) -> None:
        self.world, self.owner, self.name = world, owner, name
        self.key = str(uuid.uuid4())
        self.scripts: list[Script] = []
        self.to_owner: list[str] = []
        self.told: defaultdict[str, list[str]] = defaultdict(list)
        self.exchanges: list[Exchange] = []
        self.refused: list[float] = []
        self.blocked: list[str] = []
        self.throttle = world.rules.object_throttle()
        self.linkset: list[Prim] = [self]
        """The prims of the object, the root first."""
        self.link_messages: list[tuple[int, str, str]] = []
        """Number, text and key of each link message that its scripts were sent."""
        self.cards: dict[str, str] = {}
        """Its notecards, by name."""
        self.lines_read = 0
        self.volume_detect = False
        self.seated: list[Avatar] = []

    def add(self, source: str) -> Script:
        """Drop a script into the prim: it starts at once."""
        script = Script(self, source)
        self.scripts.append(script)
        script.start()
        return script

    def post(self, event: str, *arguments: object) -> None:
        """Raise *event* in every script."""
        for script in self.scripts:
            script.post(event, *arguments)

    def link(self, *children: "Prim") -> None:
        """Make one object of this prim, the root, and *children*."""
        linkset = [self, *children]
        for prim in linkset:
            prim.linkset = linkset

    @property
    def link_number(self) -> int:
        """0: not linked. 1: the root."""
        return self.linkset.index(self) + 1 if len(self.linkset) > 1 else 0

    def message_linked(self, link: int, number: int, text: str, key: str) -> None:
        """Do llMessageLinked for one of the scripts. Its own prim is no exception."""
        sets = {LINK_SET: self.linkset, LINK_THIS: [self], 0: self.linkset[:1]}
        for prim in sets.get(link, self.linkset[link - 1 : link]):
            prim.link_messages.append((number, text, str(key)))
            for script in prim.scripts:
                script.queue("link_message", self.link_number, number, text, Key(str(key)))

    def touch(self, *avatars: Avatar) -> None:
        """Let *avatars* touch the prim in one frame: scripts get one event for all of them."""
        for script in self.scripts:
            script.detect("touch_start", avatars)

    def walk_through(self, *walkers: Avatar) -> None:
        """Let *walkers* pass in one frame. Who cannot pass collides with something solid, and no gate is meant by that."""
        assert self.volume_detect, "the prim is solid"
        for script in self.scripts:
            script.detect("collision_start", walkers)

    def sit(self, *avatars: Avatar) -> None:
        """Let *avatars* sit down, each with an event of its own."""
        for avatar in avatars:
            self.world.enter(avatar, metres=0.0)
            self.seated.append(avatar)
            self.post("changed", CHANGED_LINK)

    def stand(self, avatar: Avatar) -> None:
        """Let *avatar* stand up."""
        self.seated.remove(avatar)
        self.post("changed", CHANGED_LINK)

    def write_card(self, text: str | None) -> None:
        """Replace the notecard n2k; None: take it out."""
        self.cards.pop(CARD, None)
        if text is not None:
            self.cards[CARD] = text
        self.post("changed", CHANGED_INVENTORY)

    def rez_again(self) -> None:
        """Take the prim and put it down again."""
        self.post("on_rez", 0)

    def give_to(self, owner: Avatar) -> None:
        """Transfer the prim."""
        self.owner = owner
        self.post("changed", CHANGED_OWNER)

    def request(self, script: Script, url: str, options: list[object], body: str) -> Key:
        """Do llHTTPRequest for one of the scripts: NULL_KEY when a throttle refuses it, "" when the address is blocked."""
        world = self.world
        if not self._admitted(script):
            self.refused.append(world.now)
            return REFUSED
        if world.rules.blocked and not is_allowed(url, world.rules.blocked, world.excepted):
            self.blocked.append(url)
            return BLOCKED
        request = read_request(world.rules, url, options, body, self._headers())
        answer = perform(world.rules, request, world.real_seconds)
        self.exchanges.append(Exchange(world.now, request, answer.status))
        if answer.status >= 500:
            script.errors.append(world.now + answer.delay)
        name, losses = Key(uuid.uuid4()), world.losses

        def deliver() -> None:
            if world.losses == losses:
                self.post("http_response", name, answer.status, answer.metadata, answer.body)

        world.after(answer.delay, deliver)
        return name

    def _admitted(self, script: Script) -> bool:
        now, most = self.world.now, self.world.rules.errors_a_minute
        if most is not None and sum(now - 60.0 < error <= now for error in script.errors) >= most:
            return False
        return self.throttle.admit(now) and self.world.owner_throttles[self.owner.key].admit(now)

    def _headers(self) -> dict[str, str]:
        return {
            "X-SecondLife-Shard": self.world.rules.shard,
            "X-SecondLife-Object-Name": self.name,
            "X-SecondLife-Object-Key": self.key,
            "X-SecondLife-Region": f"{self.world.region} (256000, 256256)",
            "X-SecondLife-Local-Position": "(128.000000, 128.000000, 22.500000)",
            "X-SecondLife-Local-Rotation": "(0.000000, 0.000000, 0.000000, 1.000000)",
            "X-SecondLife-Local-Velocity": "(0.000000, 0.000000, 0.000000)",
            "X-SecondLife-Owner-Name": self.owner.name,
            "X-SecondLife-Owner-Key": self.owner.key,
        }
