"""One client: bytes that arrive cut anywhere become commands, and their answers leave in order."""

import time
from collections.abc import Generator, Sequence
from functools import partial

from n2k_fcgi.errors import BadRequest, N2KError, NoSuchEntry, ReadOnly
from n2k_fcgi.model.keyvalue.operations import Flush, Get
from n2k_fcgi.servers.connection import Connection
from n2k_fcgi.servers.memcached import meta, text
from n2k_fcgi.servers.memcached.long_read import TooSlow, parts
from n2k_fcgi.servers.memcached.names import MOST_NAMES, Names
from n2k_fcgi.servers.memcached.reading import LONGEST_LINE, Fault, Input
from n2k_fcgi.servers.memcached.server import Server
from n2k_fcgi.servers.memcached.steps import Block, Outcome, Quit, Read, Say, Skip, Step, Write, refusal

LONGEST_TURN = 0.05
"""Seconds after which the commands of a client wait, so that those of others are done."""
MOST_INPUT = 64 * 1024 * 1024
"""Bytes of half commands in all connections."""
LONGEST_PASSWORD = 2048
"""Bytes of the data that names a user and a token."""
COUNTED = {name: f"memcached.{name.decode()}" for name in (*text.COMMANDS, *meta.COMMANDS, b"version", b"stats")}
"""Command -> its counter."""
COUNTED_AS_OTHER = "memcached.other"
UNKNOWN = b"CLIENT_ERROR unauthenticated\r\n"
REFUSED = b"CLIENT_ERROR authentication failure\r\n"
BAD_AUTHENTICATION = b"CLIENT_ERROR bad authentication token format\r\n"


class Conversation:
    """See ``servers.protocol.Protocol``."""

    def __init__(self, connection: Connection, server: Server) -> None:
        self.connection = connection
        self._server = server
        server.stats.curr_connections += 1
        server.stats.total_connections += 1
        self._input = Input()
        self._held = 0  # bytes of it
        self._block: Block | None = None
        self._reading: Generator[bytes, None, None] | None = None
        self._waiting = 0  # answers that come with the end of the turn
        self._is_held_up = False  # by output that must be read first
        self._is_over = False
        self._is_known = self._input.may_be_long = server.options.authorise is None
        self._read_only = False

    # --- for the loop ---------------------------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Nothing is half received or half answered."""
        return not (self._waiting or self._block or self._reading or self._input)

    @property
    def has_more(self) -> bool:
        """Commands wait for output to be read, or the rest of an answer does."""
        return self._is_held_up

    @property
    def wants_input(self) -> bool:
        """Not while commands wait that were received already."""
        return not self._is_held_up

    @property
    def patience(self) -> float | None:
        """The rest of a command must follow; otherwise as long as the owner says."""
        return self._server.options.idle if self.idle else self.connection.limits.stalled_after

    def received(self, data: bytes) -> None:
        """Take a piece of input, and do what is complete."""
        if not self._is_over:
            self._input.add(data)
            self._go_on()

    def ended(self) -> None:
        """The peer waits for answers at most; half a command is dropped. (While whole ones wait, nothing is read.)"""
        self._settle()
        self._input.clear()
        self._block = None

    def advance(self) -> None:
        """Go on with what waited."""
        self._go_on()

    def cut_off(self) -> None:
        """Writes that were not answered may be done or not, as after any lost connection."""
        self.connection.close()

    def closed(self) -> None:
        """Make place for another."""
        self._is_over = True
        self._block = None
        self._end_reading()
        self._input.clear()
        self._hold(0)
        self._server.stats.curr_connections -= 1

    def answered(self, text: bytes) -> None:
        """See ``batch.Waiting``."""
        self._waiting -= 1
        if text and not self.connection.closed:
            self.connection.write([text])

    # --- commands -------------------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Do commands until input is lacking, or too much output waits, or others should have a turn."""
        batch, end = self._server.batch, time.monotonic() + LONGEST_TURN
        while not (self._is_over or self.connection.is_full or batch.is_full or time.monotonic() > end):
            if self._reading is not None:
                self._read_on(self._reading)
            elif not self._next():
                self._is_held_up = False
                break
        else:
            self._is_held_up = not self._is_over
        self._input.forget()
        self._hold(len(self._input))

    def _hold(self, size: int) -> None:
        """Count *size* bytes of input as held; with too many in all connections this one ends."""
        server = self._server
        server.input_held += size - self._held
        self._held = size
        if server.input_held > MOST_INPUT and size > LONGEST_LINE and not self._is_held_up:
            self._say(b"SERVER_ERROR out of memory reading request\r\n")
            self._leave(unread=True)

    def _next(self) -> bool:
        """Do the next command, or a part of it; False: its rest must arrive first."""
        if self._block is not None:
            data = self._input.block(self._block.size)
            if data is None:
                return False
            block, self._block = self._block, None
            if not isinstance(data, Fault):
                self._do(block.then(data))
            elif not block.is_quiet:
                self._say(b"CLIENT_ERROR bad data chunk\r\n")
            return True
        line = self._input.line()
        if line is None:
            return False
        if not isinstance(line, Fault):
            self._command(list(filter(None, line.split(b" "))))
        elif line is Fault.BINARY:
            self._is_over = True
            self.connection.close()
        else:
            self._say(b"CLIENT_ERROR line too long\r\n")
            self._leave(unread=True)
        return True

    def _command(self, words: list[bytes]) -> None:
        server = self._server
        name = words[0] if words else b""
        server.counters.requests += 1
        server.options.counted(COUNTED.get(name, COUNTED_AS_OTHER))
        if not self._is_known:
            self._take_up(_authentication(self, words))
        elif name in meta.COMMANDS:
            server.stats.cmd_meta += 1
            self._take_up(meta.step_of(server.terms(read_only=self._read_only), words))
        elif name == b"version":
            self._say(server.version)
        elif name == b"stats":
            if len(words) == 1:  # the others do not depend on what is stored
                self._settle()
            self._say(self._told(words))
        else:
            step = text.step_of(server.terms(read_only=self._read_only), words)
            if isinstance(step, Read):  # the most frequent: no other is looked for
                self._begin_reading(step)
                return
            server.stats.cmd_set += isinstance(step, Block)
            server.stats.cmd_touch += name in (b"touch", b"gat", b"gats")
            server.stats.cmd_flush += name == b"flush_all"
            self._take_up(step)

    def _take_up(self, step: Step | Block | Skip) -> None:
        if isinstance(step, Block):
            self._block = step
        elif isinstance(step, Skip):
            self._input.skip(step.size + 2)
            self._say(step.text)
        else:
            self._do(step)

    def _do(self, step: Step) -> None:
        if isinstance(step, Say):
            self._say(step.text)
        elif isinstance(step, Write):
            self._write(step)
        elif isinstance(step, Read):
            self._begin_reading(step)
        else:
            assert isinstance(step, Quit)
            self._leave()

    def _write(self, step: Write) -> None:
        names = self._server.options.names
        if names is not None and any(
            not isinstance(operation, Flush) and names.covers(operation.key) for operation in step.operations
        ):
            self._say(step.answer([ReadOnly(what="part of the keys")] * len(step.operations)))
        elif step.operations:
            self._waiting += 1
            self._server.batch.add(self, step.operations, step.answer)
        else:
            self._say(step.answer(()))

    def _begin_reading(self, step: Read) -> None:
        server = self._server
        if server.options.names is not None:
            try:
                step = _with_names(step, server.options.names)
            except N2KError as error:
                self._say(refusal(error))
                return
        if self._waiting and len(step.keys) <= server.most_at_once:
            self._waiting += 1
            server.batch.add(self, list(map(Get, step.keys)), partial(self._found, step))
            return
        self._settle()
        if len(step.keys) > server.most_at_once:
            self._reading = parts(server, step, self.connection.limits.stalled_after)
            return
        try:
            self._say(b"".join(map(step.item, step.keys, server.entries(step.keys))) + step.end)
        except N2KError as error:
            self._say(refusal(error))

    def _found(self, step: Read, outcomes: Sequence[Outcome]) -> bytes:
        """The answer to a read that waited for writes."""
        entries = []
        for outcome in outcomes:
            if isinstance(outcome, N2KError) and not isinstance(outcome, NoSuchEntry):
                return refusal(outcome)
            entries.append(None if isinstance(outcome, N2KError) else outcome.entry)
        self._server.count_reads(entries)
        return b"".join(map(step.item, step.keys, entries)) + step.end

    def _read_on(self, reading: Generator[bytes, None, None]) -> None:
        """Say the next part of a long answer; behind the last, end it."""
        try:
            part = next(reading, None)
        except TooSlow:
            self._leave(unread=True)
            return
        if part is None:
            self._reading = None
        else:
            self._say(part)

    def _end_reading(self) -> None:
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    def _told(self, words: list[bytes]) -> bytes:
        try:
            return self._server.told(words)
        except N2KError as error:
            return refusal(error)

    def _say(self, text: bytes) -> None:
        """Answer, behind the answers that are waited for."""
        if not text:
            return
        if self._waiting:
            self._waiting += 1
            self._server.batch.add(self, (), lambda _: text)
        else:
            self.connection.write([text])

    def _settle(self) -> None:
        """Let nothing wait."""
        if self._waiting:
            self._server.batch.commit()

    def _leave(self, *, unread: bool = False) -> None:
        self._settle()
        self._is_over = True
        self._input.clear()
        self._hold(0)
        self.connection.finish(unread=unread)

    def authenticate(self, data: bytes) -> Step:
        """Take a user's name, which is not looked at, and a token."""
        words = data.split()
        if len(words) < 2:
            return Say(BAD_AUTHENTICATION)
        read_only = self._server.read_only_token(words[1].decode("ascii", "replace"))
        if read_only is None:
            return Say(REFUSED)
        self._is_known, self._read_only = True, read_only
        self._input.may_be_long = True
        return Say(b"STORED\r\n")


def _with_names(step: Read, names: Names) -> Read:
    """Return *step* with the answers of the directory, all from one view. Raises BadRequest, and the errors of the store."""
    covered = list(filter(names.covers, step.keys))
    if not covered:
        return step
    if len(covered) > MOST_NAMES:
        raise BadRequest(why=f"one command asks the directory for {MOST_NAMES} names at most")
    found = names.entries(covered)
    return step._replace(item=lambda key, entry: step.item(key, found.get(key, entry)))


def _authentication(conversation: Conversation, words: list[bytes]) -> Step | Block:
    """The only command before a token is known: ``set`` with any key, and the token as its data."""
    if len(words) < 5 or words[0] != b"set" or not words[4].isdigit() or int(words[4]) > LONGEST_PASSWORD:
        return Say(UNKNOWN)
    return Block(int(words[4]), conversation.authenticate, False)
