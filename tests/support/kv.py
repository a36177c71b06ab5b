"""Entries of the namespace 'shop', through ``n2k kv``."""

import json

from tests.support.commands import Commands, Done


def put(n2k: Commands, key: str, value: bytes | str = b"", *options: object) -> int:
    """Store a value; return its version."""
    done = n2k("kv", "put", "shop", *options, "--", key, stdin=value.encode() if isinstance(value, str) else value)
    assert done.code == 0, done
    return int(done.out)


def get(n2k: Commands, key: str) -> dict[str, object]:
    """An entry as JSON."""
    found: dict[str, object] = json.loads(n2k("kv", "get", "--json", "shop", "--", key).out)
    return found


def lines(done: Done) -> list[dict[str, object]]:
    """The JSON objects that a command printed."""
    assert done.code == 0, done
    return [json.loads(line) for line in done.out.splitlines()]
