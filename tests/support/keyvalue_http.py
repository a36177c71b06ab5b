"""A namespace over HTTP with the methods of ``KeyValueSpace``, for the state machine of ``keyvalue_model``."""

import json
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlencode

from n2k_fcgi.errors import (
    BatchRefused,
    ConditionFailed,
    N2KError,
    NoSuchEntry,
    NotANumber,
    NumberTooLarge,
    QuotaReached,
    ValueTooLarge,
)
from n2k_fcgi.model.keyvalue.entry import Entry, ValueType
from n2k_fcgi.model.keyvalue.operations import ALWAYS, Append, AssignId, Condition, Delete, Increment, Operation, Put, Touch
from n2k_fcgi.store.keyvalue import Change, Changes, Kind, Page, Range, Result
from tests.support.golden import Ask, Reply


class HttpSpace:
    """Asks *ask* with *token*; *now*: the server's clock, from which what is left of a time is counted."""

    def __init__(self, ask: Ask, token: str, now: Callable[[], int]) -> None:
        self._ask = ask
        self._token = token
        self._now = now

    # --- writing -----------------------------------------------------------------------------------------------------

    def apply(self, operation: Operation, *, request: str) -> Any:
        """The request of *operation*; a batch of one if no request of one key can express it."""
        condition: Condition = operation.condition  # type: ignore[attr-defined]
        is_swap = isinstance(operation, Put) and condition.value is not None
        is_empty = (
            isinstance(operation, AssignId) and operation.put is not None and not operation.put.value
        )  # no body, no value
        if is_empty or (condition.value is not None and not is_swap):
            result = self._alone(operation, request)
        else:
            result = self._requested(operation, condition, request)
        return SimpleNamespace(results=[result])

    def _requested(self, operation: Operation, condition: Condition, request: str) -> Result:
        key, target = operation.key.decode(), _target(operation.key.decode())
        if isinstance(operation, Put):
            query = {"flags": operation.flags, "ttl_ms": operation.ttl}
            if condition.value is not None:
                old, new = _base64(condition.value), _base64(operation.value)
                fields = {"key": key, "old_base64": old, "new_base64": new, "type": str(operation.type), **query}
                return self._written(
                    self._send("POST", "/db", {"op": "cas"}, request=request, body=json.dumps(fields).encode())
                )
            type, value = str(operation.type), operation.value
            return self._written(self._send("PUT", target, query, condition=condition, request=request, body=value, type=type))
        if isinstance(operation, Delete):
            return self._written(self._send("DELETE", target, {}, condition=condition, request=request), removed=True)
        if isinstance(operation, Increment):
            query = {"op": "incr", "by": operation.by, "initial": operation.initial, "ttl_ms": operation.ttl}
            reply = self._send("POST", target, query, condition=condition, request=request)
            result = self._written(reply)
            again = self.get(key)  # the answer's number is the value from then on
            assert again is None or again.version != result.version or json.loads(reply.body)["number"] == again.text
            return result
        if isinstance(operation, Touch):
            query = {"op": "touch", "ttl_ms": operation.ttl}
            return self._written(self._send("POST", target, query, condition=condition, request=request))
        if isinstance(operation, Append):
            op, body, type = "prepend" if operation.before else "append", operation.value, str(ValueType.BYTES)
        else:
            assert isinstance(operation, AssignId)
            put = operation.put or Put(b"", b"")
            op, body, type = "id", put.value, str(put.type)
        return self._written(self._send("POST", target, {"op": op}, condition=condition, request=request, body=body, type=type))

    def batch(self, operations: Sequence[Operation], *, request: str) -> Any:
        """``op=batch``."""
        body = json.dumps({"operations": [_item(operation) for operation in operations]}).encode()
        reply = self._send("POST", "/db", {"op": "batch"}, request=request, body=body)
        said = json.loads(reply.body)
        if "failures" in said:
            failures = [(each["index"], _error(each["status"], each["error"])) for each in said["failures"]]
            refused = BatchRefused(failures=failures)
            assert refused.status == reply.status and f"operation {failures[0][0]}: " in said["error"]
            raise refused
        results = [
            _result(fields, removed=isinstance(operation, Delete))
            for operation, fields in zip(operations, said["results"], strict=True)
        ]
        return SimpleNamespace(results=results)

    def sequence(self, name: str, count: int) -> int:
        """``op=sequence``."""
        reply = self._send("POST", "/db", {"op": "sequence", "name": name, "count": count})
        return int(json.loads(reply.body)["first"])

    # --- reading -----------------------------------------------------------------------------------------------------

    def get(self, key: str) -> Entry | None:
        """GET, as it is stored and as JSON: both must tell the same."""
        plain, described = self._get(_target(key), {}), self._get(_target(key), {"format": "json"})
        assert plain.status == described.status
        if plain.status == 404:
            return None
        entry = self._entry(json.loads(described.body))
        headers = plain.headers
        assert (entry.value, str(entry.version), str(entry.flags)) == (
            plain.body,
            headers["x-kv-version"],
            headers["x-kv-flags"],
        )
        assert headers["content-type"].partition(";")[0] == entry.type
        assert headers.get("x-kv-ttl-ms") == (str(entry.expires - self._now()) if entry.expires else None)
        return entry

    def page(self, wanted: Range, *, after: bytes | None, limit: int, values: bool, reverse: bool) -> Page:
        """A list; the entries of one without values are asked for by ``op=get``."""
        end = "" if wanted.end is None else wanted.end.decode()
        query = {"start": wanted.start.decode(), "end": end, "limit": limit, "reverse": int(reverse), "values": int(values)}
        query["cursor"] = "" if after is None else urlsafe_b64encode(after).decode().rstrip("=")
        said = json.loads(self._get("/db", {**query, "format": "json"}).body)
        cursor = said.get("cursor")
        following = None if cursor is None else urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        if values:
            return Page([self._entry(each) for each in said["entries"]], following)
        if not said["keys"]:
            return Page([], following)
        named = self._send("POST", "/db", {"op": "get"}, body=json.dumps({"keys": said["keys"]}).encode())
        entries = [self._entry(each)._replace(value=b"") for each in json.loads(named.body)["entries"]]
        return Page(entries, following)

    def count(self, wanted: Range) -> tuple[int, int]:
        """``count=1``."""
        end = "" if wanted.end is None else wanted.end.decode()
        reply = self._get("/db", {"start": wanted.start.decode(), "end": end, "count": 1, "format": "json"})
        said = json.loads(reply.body)
        return said["keys"], said["bytes"]

    def changes(self, since: int, limit: int) -> Changes:
        """``since=``."""
        said = json.loads(self._get("/db", {"since": since, "limit": limit, "format": "json"}).body)
        found = [Change(int(each["version"]), Kind(each["op"]), each["key"].encode()) for each in said["changes"]]
        return Changes(found, int(said["last"]), said["more"])

    # --- requests ----------------------------------------------------------------------------------------------------

    def _alone(self, operation: Operation, request: str) -> Result:
        """Do one operation as a batch; raise its own error."""
        try:
            (result,) = self.batch([operation], request=request).results
        except BatchRefused as refused:
            raise refused.failures[0][1] from None
        assert isinstance(result, Result)
        return result

    def _get(self, target: str, query: dict[str, object]) -> Reply:
        reply = self._ask("GET", f"{target}{'&' if '?' in target else '?'}{_encoded(query)}", self._headers(), b"")
        assert reply.status in (200, 404), reply
        return reply

    def _send(
        self,
        method: str,
        target: str,
        query: dict[str, object],
        *,
        condition: Condition = ALWAYS,
        request: str = "",
        body: bytes = b"",
        type: str = str(ValueType.JSON),
    ) -> Reply:
        """Ask for JSON; raise the error of any answer but a success and the refusal of a batch."""
        headers = {**self._headers(), "Content-Type": type}
        if request:
            headers["X-KV-Request-Id"] = request
        if condition.exists is not None:
            query = {**query, "if": "exists" if condition.exists else "absent"}
        if condition.versions is not None:
            headers["If-Match"] = ", ".join(f'"{version}"' for version in sorted(condition.versions))
        whole = f"{target}{'&' if '?' in target else '?'}{_encoded({**query, 'format': 'json'})}"
        reply = self._ask(method, whole, headers, body)
        if reply.status in (200, 201) or b'"failures"' in reply.body:
            return reply
        raise _error(reply.status, json.loads(reply.body)["error"])

    def _headers(self) -> dict[str, str]:
        return {"X-N2K-Token": self._token}

    def _written(self, reply: Reply, *, removed: bool = False) -> Result:
        said = json.loads(reply.body)
        assert reply.status == (201 if said["created"] else 200)
        return _result(said, removed=removed)

    def _entry(self, fields: dict[str, Any]) -> Entry:
        expires = 0 if fields["ttl_ms"] is None else self._now() + fields["ttl_ms"]
        flags, kind = fields["flags"], ValueType(fields["type"])
        key, version, number = fields["key"].encode(), int(fields["version"]), int(fields.get("id", 0))
        return Entry(key, _value(fields), version, expires, flags, kind, number)


def _target(key: str) -> str:
    """One of the two forms of an address, by the key: both must do the same."""
    return f"/db/{quote(key, safe='')}" if len(key) % 2 else f"/db?{urlencode({'key': key})}"


def _encoded(query: dict[str, object]) -> str:
    return urlencode({name: value for name, value in query.items() if value is not None})


def _base64(value: bytes) -> str:
    return b64encode(value).decode()


def _value(fields: dict[str, Any]) -> bytes:
    if "json" in fields:
        return json.dumps(fields["json"], separators=(",", ":"), ensure_ascii=False).encode()
    return b64decode(fields["base64"]) if "base64" in fields else fields["text"].encode()


def _result(fields: dict[str, Any], *, removed: bool) -> Result:
    version = int(fields["version"])
    return Result(None if removed else Entry(b"", b"", version), fields["created"], version)


def _item(operation: Operation) -> dict[str, Any]:
    """An operation as an item of a batch."""
    item: dict[str, Any] = {"key": operation.key.decode()}
    condition: Condition = operation.condition  # type: ignore[attr-defined]
    if condition.exists is not None:
        item["if"] = "exists" if condition.exists else "absent"
    if condition.versions is not None:
        item["if_version"] = [str(version) for version in sorted(condition.versions)]
    if condition.value is not None:
        item["if_value_base64"] = _base64(condition.value)
    put = operation.put if isinstance(operation, AssignId) else operation
    if isinstance(put, Put):
        item |= {"base64": _base64(put.value), "type": str(put.type), "ttl_ms": put.ttl, "flags": str(put.flags)}
    if isinstance(operation, Append):
        item["base64"] = _base64(operation.value)
        return {**item, "op": "prepend" if operation.before else "append"}
    if isinstance(operation, Increment):
        return {**item, "op": "incr", "by": str(operation.by), "initial": operation.initial, "ttl_ms": operation.ttl}
    if isinstance(operation, Touch):
        item["ttl_ms"] = operation.ttl
    return {**item, "op": {Put: "put", Delete: "delete", Touch: "touch", AssignId: "id"}[type(operation)]}


def _error(status: int, line: str) -> N2KError:
    """The error of an answer."""
    simple: list[N2KError] = [NoSuchEntry(), NotANumber(), NumberTooLarge()]
    for error in simple:
        if (status, line) == (error.status, error.told):
            return error
    if status == 412:
        version = line.partition("version is ")[2].partition(",")[0]
        failed = ConditionFailed(version=0 if version == "none" else int(version))
        assert line == failed.told
        return failed
    assert status == 413, (status, line)
    return QuotaReached(free_bytes=0, free_keys=0) if "quota" in line else ValueTooLarge(size=0, limit=0)
