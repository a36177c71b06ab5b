"""The scripts that register avatars: how somebody comes to each one's notice, and what the service hears of it."""

import json
from collections.abc import Callable
from itertools import pairwise

from tests.support.scripted_server import Scripted
from tests.support.simulator import NEWER_NPC, NPC, PLAIN_NPC, Avatar, Prim, World

CARLA = Avatar("Carla Comer", "cccccccc-0000-4000-8000-000000000001")
DORA = Avatar("Dora Doering", "dddddddd-0000-4000-8000-000000000002")
IMPOSTOR = Avatar(CARLA.name, "eeeeeeee-0000-4000-8000-000000000003")
VISITOR = Avatar("Vera.Visitor @grid.example.org:8002", "ffffffff-0000-4000-8000-000000000004")
PUPPETS = [
    Avatar(f"Puppet{n} Npc", f"77777777-0000-4000-8000-00000000000{n}", kind)
    for n, kind in enumerate((NPC, PLAIN_NPC, NEWER_NPC))
]
"""OpenSimulator's people made by scripts."""
CROWD = [Avatar(f"Guest{n} Resident", f"{n:08x}-0000-4000-8000-00000000ffff") for n in range(1, 121)]


def _near(prim: Prim, *avatars: Avatar) -> None:
    """Come into the region and stay until the script has looked around."""
    prim.world.enter(*avatars)
    prim.world.run(61)


WAYS: dict[str, Callable[..., None]] = {
    "touch": Prim.touch,
    "gate": Prim.walk_through,
    "sensor": _near,
    "seat": Prim.sit,
    "greeter": _near,
}
"""Script -> what avatars do that it registers, with its prim and the avatars as arguments."""


def first(world: World, owner: Avatar, source: str, name: str, *avatars: Avatar) -> Prim:
    """A prim with *source*, the text of script *name*, of whose first list *avatars* are."""
    world.enter(*avatars)
    prim = world.rez(owner, source)
    if name == "sensor":
        world.run(20)
    elif name != "greeter":
        WAYS[name](prim, *avatars)
    return prim


def crowd(world: World, name: str, most: int) -> list[Avatar]:
    """Guests, *most* of them, or as many as a sensor finds beside the prim's owner."""
    return CROWD[: min(most, world.rules.sensor_results - 1) if name == "sensor" else most]


def lists(prim: Prim) -> list[list[str]]:
    """The names of each list that was sent, without the prim's owner, who is in the region as well; no empty ones."""
    bodies = [json.loads(exchange.request.body) for exchange in prim.exchanges if exchange.request.url.endswith("/avatars")]
    names = [[avatar["name"] for avatar in body["avatars"] if avatar["key"] != prim.owner.key] for body in bodies]
    return [some for some in names if some]


def sent(prim: Prim) -> list[str]:
    """The names that were sent, in their order."""
    return [name for names in lists(prim) for name in names]


def gaps(prim: Prim) -> list[float]:
    """Seconds between the requests."""
    return [later.time - earlier.time for earlier, later in pairwise(prim.exchanges)]


def said(value: object, status: int = 200) -> Scripted:
    """An answer in JSON."""
    return Scripted(status, json.dumps(value).encode() + b"\n", "application/json")


def yes(body: bytes) -> Scripted:
    """The answer of a service that writes down whomever it is told."""
    return said({"registered": len(json.loads(body)["avatars"]), "refused": []})


def refusing(*avatars: Avatar, why: str = "the name belongs to another key") -> Callable[[bytes], Scripted]:
    """The same of one that refuses *avatars*; as the service does, it names no more of them than fit into 2,048 bytes."""

    def answer(body: bytes) -> Scripted:
        told = [avatar["key"] for avatar in json.loads(body)["avatars"]]
        refused = [{"key": a.key, "status": 409, "why": why} for a in avatars if a.key in told]
        stored = len(told) - len(refused)
        while len(json.dumps({"registered": stored, "refused": refused})) >= 2048:
            refused.pop()
        return said({"registered": stored, "refused": refused})

    return answer
