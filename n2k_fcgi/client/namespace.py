"""A namespace of the key-value service over HTTP."""

from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import httpx

from n2k_fcgi.client.answers import Fields, parsed, unexpected
from n2k_fcgi.client.connection import Connection
from n2k_fcgi.client.operations import Ask, item_of, request_of
from n2k_fcgi.client.snapshot import copy_of
from n2k_fcgi.errors import BatchRefused, NoSuchEntry
from n2k_fcgi.keyvalue.namespace import KeyValue, Reading
from n2k_fcgi.keyvalue.values import Change, Changes, Count, Item, Span, Written
from n2k_fcgi.model.keyvalue.entry import ValueType, json_bytes, parse_entry_key
from n2k_fcgi.model.keyvalue.operations import Operation
from n2k_fcgi.store.keyvalue import Kind, Space

T = TypeVar("T")

MOST_LISTED = 1000
"""Keys or changes that one answer has."""
MOST_BYTES = 100_000
"""Of a request for many keys: a server accepts 128 KB unless its owner says otherwise."""


class Client(KeyValue):
    """The namespace of *token* at *url*, the address of the service such as ``https://example.com/n2k/``.

    *namespace*: for a token with the scope ``admin``, or without one if the owner opened the namespace for reading.

    A request without an answer, or with one that names a time to wait, is sent again within *patience* seconds (0: never;
    540 at most): a write is done once all the same. *timeout*: seconds for each attempt to connect, to send, and to receive.
    Every method may raise ServerUnreachable and UnexpectedAnswer, besides the errors of the service.
    """

    def __init__(
        self, url: str, token: str = "", namespace: str | None = None, *, timeout: float = 10.0, patience: float = 30.0
    ) -> None:
        self._connection = Connection(url, token, timeout=timeout, patience=patience)
        self._common: Fields = {} if namespace is None else {"ns": namespace}

    def close(self) -> None:
        self._connection.close()

    # --- reading -----------------------------------------------------------------------------------------------------

    def get(self, key: str) -> Item | None:
        parse_entry_key(key)
        try:
            answer = self._connection.read({**self._common, "key": key})
        except NoSuchEntry:
            return None
        return _item_in(key, answer)

    def get_many(self, keys: Sequence[str]) -> list[Item | None]:
        for key in keys:
            parse_entry_key(key)
        items: list[Item | None] = []
        query = {**self._common, "op": "get", "values": "base64", "format": "json"}
        while len(items) < len(keys):
            body = json_bytes({"keys": _some(keys, len(items))})
            answer = self._connection.read(query, method="POST", content=body)
            items += parsed(answer, lambda found: [each and _item_of(each) for each in found["entries"]])
        return items

    def count(self, prefix: str = "", *, start: str = "", end: str = "") -> Count:
        query = _bounds(prefix, start, end) | {"count": 1}
        return self._read(query, lambda found: Count(found["keys"], found["bytes"]))

    def changes(self, since: int = 0, limit: int = MOST_LISTED) -> Changes:
        return self._read({"since": since, "limit": min(limit, MOST_LISTED)}, _changes_of)

    def version(self) -> int:
        return self._read({"op": "space"}, lambda found: int(found["version"]))

    def space(self) -> Space:
        return self._read({"op": "space"}, lambda found: Space(*(found[name] for name in Space._fields)))

    @contextmanager
    def snapshot(self) -> Iterator[Reading]:
        """Read a copy in memory: all of the namespace is read first. Raises NeverQuiet if it is changed all the time."""
        copy = copy_of(self)
        try:
            yield copy
        finally:
            copy.close()

    def _pages(self, span: Span, *, values: bool, reverse: bool, limit: int | None) -> Iterator[list[Item]]:
        query = _bounds(*span) | {"reverse": int(reverse), "limit": min(limit or MOST_LISTED, MOST_LISTED)}
        if values:
            query["values"] = "base64"
        while True:
            items, cursor = self._read(query, lambda found: (_items_of(found), found.get("cursor")))
            yield items
            if cursor is None:
                return
            query["cursor"] = cursor

    def _read(self, query: Fields, parse: Callable[[Fields], T]) -> T:
        return parsed(self._connection.read({**self._common, **query, "format": "json"}), parse)

    # --- writing -----------------------------------------------------------------------------------------------------

    def sequence(self, name: str, count: int = 1) -> range:
        parse_entry_key(name)
        ask = Ask("POST", {"op": "sequence", "name": name, "count": count})
        first = self._written(ask, lambda found: int(found["first"]))
        return range(first, first + count)

    def _write(self, operation: Operation) -> Written:
        ask = request_of(operation)
        if ask is not None:
            return self._written(ask, _result_of)
        try:
            return self._write_all([operation])[0]
        except BatchRefused as refused:
            raise refused.failures[0][1] from None

    def _write_all(self, operations: Sequence[Operation]) -> list[Written]:
        ask = Ask("POST", {"op": "batch"}, json_bytes({"operations": list(map(item_of, operations))}), ValueType.JSON)
        return self._written(ask, lambda found: list(map(_result_of, found["results"])))

    def _written(self, ask: Ask, parse: Callable[[Fields], T]) -> T:
        query = {**self._common, **ask.query, "format": "json"}
        return parsed(self._connection.write(ask.method, query, content=ask.content, type=str(ask.type)), parse)


def _some(keys: Sequence[str], first: int) -> list[str]:
    """Return keys from the index *first* on, as many as one request may have."""
    some: list[str] = []
    size = 0
    for key in keys[first : first + MOST_LISTED]:
        size += 2 * len(key.encode()) + 3  # a quotation mark is escaped, and no control character is allowed
        if size > MOST_BYTES and some:
            break
        some.append(key)
    return some


def _bounds(prefix: str, start: str, end: str) -> Fields:
    """Return the fields of a query that name a range. Raises BadRequest."""
    span = Span(prefix, start, end)
    span.in_bytes()
    return {name: text for name, text in span._asdict().items() if text}


def _item_in(key: str, answer: httpx.Response) -> Item:
    """Return what an answer of one value holds, with its metadata in headers. Raises UnexpectedAnswer."""
    headers = answer.headers
    try:
        version, flags, ttl = int(headers["X-KV-Version"]), int(headers["X-KV-Flags"]), headers.get("X-KV-TTL-Ms")
        kind = ValueType(headers.get("Content-Type", "").partition(";")[0])
        return Item(key, answer.content, version, None if ttl is None else int(ttl), flags, kind)
    except (KeyError, ValueError):
        raise unexpected(answer) from None


def _items_of(found: Fields) -> list[Item]:
    """Return the entries of a page, or its keys as items without values."""
    if "entries" in found:
        return list(map(_item_of, found["entries"]))
    return [Item(key, b"", 0, None, 0, ValueType.BYTES) for key in found["keys"]]


def _changes_of(found: Fields) -> Changes:
    changes = [Change(int(each["version"]), Kind(each["op"]), each.get("key", "")) for each in found["changes"]]
    return Changes(changes, int(found["last"]), found["more"])


def _item_of(fields: Fields) -> Item:
    value = b64decode(fields["base64"])
    return Item(fields["key"], value, int(fields["version"]), fields["ttl_ms"], fields["flags"], ValueType(fields["type"]))


def _result_of(fields: Fields) -> Written:
    number, given = fields.get("number"), fields.get("id")
    return Written(
        int(fields["version"]),
        fields["created"],
        None if number is None else int(number),
        None if given is None else int(given),
    )
