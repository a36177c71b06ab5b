"""What a script sees of a region: sensors, the list of agents, who sits on the prim, names by key."""

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lummao import Key, Vector

if TYPE_CHECKING:
    from tests.support.script import Script
    from tests.support.simulator import Avatar

NULL = str(uuid.UUID(int=0))
DATA_NAME = 2
DATASERVER_SECONDS = 0.5
REQUEST_AGENT_DATA_SECONDS = 0.1
AGENT_LIST_PARCEL, AGENT_LIST_REGION = 1, 4
MOST_LISTED, SENSOR_METRES = 100, 96.0
NOBODY, SIZE = Vector((0.0, 0.0, 0.0)), Vector((0.45, 0.6, 1.9))


class Senses:
    """The senses of one script; each function is named after its LSL name."""

    def __init__(self, script: "Script") -> None:
        self.script, self.prim, self.world = script, script.prim, script.prim.world

    def volume_detect(self, detect: int) -> None:
        self.prim.volume_detect = bool(detect)

    def sensor_repeat(self, name: str, key: str, kind: int, metres: float, arc: float, seconds: float) -> None:
        self.script.sweep = sweep = object()
        self.world.after(seconds, lambda: self._sweep(sweep, min(metres, SENSOR_METRES), seconds))

    def _sweep(self, sweep: object, metres: float, seconds: float) -> None:
        if sweep is not self.script.sweep:
            return
        self.world.after(seconds, lambda: self._sweep(sweep, metres, seconds))
        near = sorted((distance, who.key, who) for who, distance in self.world.people.values() if distance <= metres)
        if near:
            self.script.detect("sensor", [who for _, _, who in near[: self.world.rules.sensor_results]])
        else:
            self.script.post("no_sensor")

    def get_agent_list(self, scope: int, options: list[object]) -> list[object]:
        flags = scope & ~7
        if flags & ~self.world.rules.list_flags or scope & 7 not in (AGENT_LIST_PARCEL, AGENT_LIST_REGION):
            return ["INVALID_SCOPE"]
        listed = [who for who, _ in self.world.people.values() if who.key not in self.world.unlisted]
        return [Key(who.key) for who in listed if not flags or who.kind == 1][:MOST_LISTED]

    def key2name(self, key: str) -> str:
        who = self._present(key)
        return who.name if who else ""

    def get_agent_size(self, key: str) -> Vector:
        return SIZE if self._present(key) else NOBODY

    def get_number_of_prims(self) -> int:
        return 1 + len(self.prim.seated)

    def get_link_key(self, link: int) -> Key:
        if link == 1:
            return Key(self.prim.key)
        return Key(self.prim.seated[link - 2].key if 2 <= link <= 1 + len(self.prim.seated) else NULL)

    async def request_agent_data(self, key: str, data: int) -> Key:
        assert data == DATA_NAME, "only names are asked for here"
        question, world = Key(uuid.uuid4()), self.world
        who = self._present(key)
        name = who.name if who else world.accounts.get(str(key), world.rules.unknown_name)
        if world.name_throttles[self.prim.owner.key].admit(world.now) and name is not None:
            losses = world.losses

            def deliver() -> None:
                if world.losses == losses:
                    self.prim.post("dataserver", question, name)

            world.after(DATASERVER_SECONDS, deliver)
        await self.script.sleep(REQUEST_AGENT_DATA_SECONDS)
        return question

    def _present(self, key: str) -> "Avatar | None":
        return self.world.people.get(str(key), (None, 0.0))[0]


def builtins(script: "Script") -> dict[str, Callable[..., Any]]:
    """LSL name -> function."""
    senses = Senses(script)
    return {
        "llGetAgentList": senses.get_agent_list,
        "llGetAgentSize": senses.get_agent_size,
        "llGetLinkKey": senses.get_link_key,
        "llGetNumberOfPrims": senses.get_number_of_prims,
        "llGetRegionName": lambda: script.prim.world.region,
        "llKey2Name": senses.key2name,
        "llRequestAgentData": senses.request_agent_data,
        "llSensorRepeat": senses.sensor_repeat,
        "llVolumeDetect": senses.volume_detect,
    }
