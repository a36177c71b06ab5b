"""One LSL script at work: events in, what it says and asks for out.

A script runs one handler at a time; llSleep and the functions that delay a script suspend the handler until the
simulated clock has passed. A function that is not listed here and not computed by the compiler's library is a KeyError:
scripts use only what both grids have.
"""

import re
import types
import uuid
from collections.abc import Callable, Coroutine, Generator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from lummao import BaseLSLScript, DetectedDetails, Key, compile_script

from tests.support import inventory, lsl_json, senses

if TYPE_CHECKING:
    from tests.support.simulator import Avatar, Prim

MOST_EVENTS = 64
"""Events a script's queue holds; more are dropped, as on the grids."""
MOST_LISTENERS = 65
INSTANT_MESSAGE_SECONDS = 2.0
FILLED_IN = re.compile(r'(?m)^string (URL|TOKEN|SPARE|SPARE_TOKEN|GRID) = "(.*)";$')
EPOCH = 1_700_000_000
"""Unix time at the start of a world."""


class ScriptReset(Exception):
    """llResetScript: the handler ends where it stands."""


@types.coroutine
def pause(seconds: float) -> Generator[float, None, None]:
    """Suspend the running handler for *seconds*."""
    yield seconds


@dataclass(frozen=True)
class Listener:
    """A filter of llListen; empty text and the null key match everything."""

    channel: int
    name: str
    key: str
    message: str

    def matches(self, channel: int, name: str, key: str, message: str) -> bool:
        """Tell whether this chat passes the filter."""
        return (
            channel == self.channel
            and self.name in ("", name)
            and self.key in ("", str(uuid.UUID(int=0)), key)
            and self.message in ("", message)
        )


class Script:
    """A compiled script in a prim. ``most_listeners`` is the highest number that listened at a time."""

    def __init__(self, prim: "Prim", source: str) -> None:
        self.prim, self.source = prim, source
        self.listeners: dict[int, Listener] = {}
        self.most_listeners = 0
        self.errors: list[float] = []
        """When answers of 500 and more came in."""
        self.starts = 0
        self.lost_events = 0
        """Those for which the queue had no room."""
        self._handler: Coroutine[float, None, None] | None = None

    def start(self) -> None:
        """Begin (again) with every variable new and state_entry waiting."""
        if self._handler is not None:
            self._handler.close()
        self._handler = None
        self.lsl = _compiled(self.source)
        self.lsl.builtin_funcs["llListFindList"] = _quick(self.lsl.builtin_funcs["llListFindList"])
        for name, function in _builtins(self).items():
            self.lsl.builtin_funcs[name] = function
        self.listeners.clear()
        self._timer = self.sweep = object()
        self._clock_start = self.prim.world.now
        self.starts += 1
        self._work()

    def post(self, event: str, *arguments: object, detected: Sequence[DetectedDetails] = ()) -> None:
        """Queue *event* and handle it, unless the script sleeps."""
        self.queue(event, *arguments, detected=detected)
        self._work()

    def queue(self, event: str, *arguments: object, detected: Sequence[DetectedDetails] = ()) -> None:
        """Queue *event*, to be handled when the running handler has ended; it is lost if the queue is full."""
        if len(self.lsl.event_queue) >= MOST_EVENTS:
            self.lost_events += 1
            return
        self.lsl.queue_event(event, arguments, list(detected))
        self.prim.world.after(0.0, self._work)

    def detect(self, event: str, avatars: "Sequence[Avatar]") -> None:
        """Queue an event that llDetectedKey and its kin tell about."""
        seen = [DetectedDetails(Key=Key(a.key), Owner=Key(a.key), Name=a.name, Type=a.kind) for a in avatars]
        self.post(event, len(seen), detected=seen)

    def list_bytes(self) -> int:
        """About how much of a script's 64 KB its global lists take: text in UTF-16, and what Mono adds to an element."""
        own = [v for n, v in vars(self.lsl).items() if isinstance(v, list) and n not in ("event_queue", "detected_stack")]
        return sum(28 + sum(26 + 2 * len(str(element)) for element in elements) for elements in own)

    def hear(self, channel: int, name: str, key: str, text: str) -> None:
        """Queue a listen event when some listener matches."""
        if any(listener.matches(channel, name, key, text) for listener in self.listeners.values()):
            self.post("listen", channel, name, Key(key), text)

    def _work(self) -> None:
        while self._handler is None and self.lsl.event_queue:
            self._handler = self.lsl.execute_one()
            self._resume()

    def _resume(self) -> None:
        handler, state = self._handler, self.lsl.current_state
        assert handler is not None
        try:
            seconds = handler.send(None)
        except StopIteration:
            self._handler = None
            if self.lsl.current_state != state:
                self.listeners.clear()
        except ScriptReset:
            self._handler = None
            self.start()
        else:
            self.prim.world.after(seconds, lambda: self._wake(handler))

    def _wake(self, handler: Coroutine[float, None, None]) -> None:
        if handler is self._handler:
            self._resume()
            self._work()

    def _tick(self, timer: object, seconds: float) -> None:
        if timer is not self._timer:
            return
        self.prim.world.after(seconds, lambda: self._tick(timer, seconds))
        if all(event[0] != "timer" for event in self.lsl.event_queue):
            self.post("timer")

    # --- functions that scripts call; each is named after its LSL name --------------------------------------------

    def set_timer_event(self, seconds: float) -> None:
        self._timer = timer = object()
        if seconds > 0:
            self.prim.world.after(seconds, lambda: self._tick(timer, seconds))

    def listen(self, channel: int, name: str, key: str, message: str) -> int:
        handle = max(self.listeners, default=0) + 1
        self.listeners[handle] = Listener(channel, name, str(key), message)
        self.most_listeners = max(self.most_listeners, len(self.listeners))
        assert len(self.listeners) <= MOST_LISTENERS, "too many listens"
        return handle

    def listen_remove(self, handle: int) -> None:
        self.listeners.pop(handle, None)

    def region_say_to(self, key: str, channel: int, text: str) -> None:
        assert channel == 0, "only people are listening here"
        self.prim.told[str(key)].append(text)

    async def instant_message(self, key: str, text: str) -> None:
        self.prim.told[str(key)].append(text)
        await pause(INSTANT_MESSAGE_SECONDS)

    async def sleep(self, seconds: float) -> None:
        await pause(seconds)

    def get_time(self) -> float:
        return self.prim.world.now - self._clock_start

    def reset_time(self) -> None:
        self._clock_start = self.prim.world.now

    def reset_script(self) -> None:
        raise ScriptReset


def _compiled(source: str) -> BaseLSLScript:
    """A new instance of the script. What differs from test to test, its filled-in lines, is set and not compiled again."""
    filled_in = dict(FILLED_IN.findall(source))
    script = _class(FILLED_IN.sub(r'string \1 = "";', source))()
    for name, value in filled_in.items():
        setattr(script, name, re.sub(r"\\(.)", r"\1", value))
    return script


@cache
def _class(source: str) -> type[BaseLSLScript]:
    return type(compile_script(source))


def _quick(find: Callable[[list[Any], list[Any]], int]) -> Callable[[list[Any], list[Any]], int]:
    """The compiler's library takes long to find one text in a list; a key and a string are not the same to it."""

    def call(where: list[Any], what: list[Any]) -> int:
        if len(what) != 1 or not isinstance(what[0], str):
            return find(where, what)
        if what[0] not in where:
            return -1
        at = where.index(what[0])
        return at if type(where[at]) is type(what[0]) else find(where, what)

    return call


def _builtins(script: Script) -> dict[str, Callable[..., Any]]:
    prim = script.prim
    return {
        "llGetKey": lambda: Key(prim.key),
        "llGetObjectName": lambda: prim.name,
        "llGetOwner": lambda: Key(prim.owner.key),
        "llGetTime": script.get_time,
        "llGetUnixTime": lambda: EPOCH + int(prim.world.now),
        "llHTTPRequest": lambda url, options, body: prim.request(script, url, options, body),
        "llGenerateKey": lambda: Key(uuid.uuid4()),
        "llInstantMessage": script.instant_message,
        "llJsonGetValue": lsl_json.get_value,
        "llJsonValueType": lsl_json.value_type,
        "llListen": script.listen,
        "llListenRemove": script.listen_remove,
        "llMessageLinked": prim.message_linked,
        "llOwnerSay": prim.to_owner.append,
        "llRegionSayTo": script.region_say_to,
        "llResetScript": script.reset_script,
        "llResetTime": script.reset_time,
        "llSetTimerEvent": script.set_timer_event,
        "llSleep": script.sleep,
        **senses.builtins(script),
        **inventory.builtins(script),
    }
