"""Several entries at a time: the keys of a range, with or without values, those that are named, and changes since a version."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence

from n2k_fcgi.errors import BadRequest, ChangesGone
from n2k_fcgi.model.choices import Choice
from n2k_fcgi.model.keyvalue.entry import MAX_KEY, Entry, json_bytes
from n2k_fcgi.model.keyvalue.operations import MOST
from n2k_fcgi.service.keyvalue.entry_json import entry_json
from n2k_fcgi.service.keyvalue.space import MOST_LISTED
from n2k_fcgi.store.keyvalue import Change, Kind, Range
from n2k_fcgi.web.db import is_json_wanted
from n2k_fcgi.web.db.access import reading
from n2k_fcgi.web.db.answers import json_of, numbers
from n2k_fcgi.web.db.cutting import MOST_BYTES, array, as_object, lines
from n2k_fcgi.web.db.fields import is_set
from n2k_fcgi.web.json_bodies import Body, body_of, texts_of
from n2k_fcgi.web.requests import Request, number
from n2k_fcgi.web.responses import Answer
from n2k_fcgi.web.services import Services

_OF_A_RANGE = frozenset({"prefix", "start", "end", "reverse", "cursor", "values", "count"})


class _Values(Choice):
    """How a list shows values."""

    READABLE = "1"
    """As ``text``, ``json`` or ``base64``."""
    EXACT = "base64"
    """All alike, byte for byte: line feeds of JSON are kept."""


def listed(request: Request, services: Services) -> Answer:
    """One page of a range, ascending or (``reverse=1``) descending, and the cursor of the next one."""
    wanted, after, limit = _range(request), _after(request), _limit(request)
    as_json, values, reverse = is_json_wanted(request), _form_of_values(request), is_set(request, "reverse")
    only_count, room = is_set(request, "count"), request.kept_bytes(request.query)
    space = reading(request, services)
    if only_count:
        keys, size = space.count(wanted)
        return numbers(request, {"keys": keys, "bytes": size})
    most = MOST_BYTES if room is None else min(room, MOST_BYTES)
    page = space.page(wanted, after=after, limit=limit, values=values is not None, reverse=reverse, max_bytes=most)
    keys_of_page = [entry.key for entry in page.entries]

    def cursor(count: int) -> str:
        """Return where the list goes on after the first *count* keys of the page; '' if that was all."""
        last = page.more_after if count == len(keys_of_page) else keys_of_page[count - 1]
        return "" if last is None else urlsafe_b64encode(last).decode().rstrip("=")

    def end(count: int) -> Body:
        following = cursor(count)
        return {"cursor": following} if following else {}

    if values is not None:
        return _entries(page.entries, space.now, end, room, exact=values is _Values.EXACT)
    if as_json:
        return array("keys", [json_bytes(key.decode()) for key in keys_of_page], end, room)
    return lines(keys_of_page, cursor, room)


def named(request: Request, services: Services) -> Answer:
    """The entries of ``{"keys": […]}``, in order, all of one state; null for a missing key. ``more``: how many are cut off."""
    space = reading(request, services)
    body, room = body_of(request), request.kept_bytes(request.query)
    exact = _form_of_values(request) is _Values.EXACT
    keys = texts_of(body, "keys")
    if len(body) > 1 or not 1 <= len(keys) <= MOST_LISTED:
        raise BadRequest(why=f'the body must be {{"keys": […]}} with 1 to {MOST_LISTED} texts')
    entries: list[Entry | None] = []
    left = MOST_BYTES if room is None else min(room, MOST_BYTES)
    with space.snapshot() as state:
        for key in keys:
            entry = state.get(key)
            entries.append(entry)
            left -= len(entry.value) if entry else 0
            if left < 0:
                break
    return _entries(entries, space.now, lambda count: {"more": len(keys) - count}, room, exact=exact)


def changes(request: Request, services: Services) -> Answer:
    """What happened after the version ``since``, in order; 410 if the log does not reach back as far.

    Changes are those of all keys: raises BadRequest for the fields of a range.
    """
    for name in request.query:
        if name in _OF_A_RANGE:
            raise BadRequest(why=f"the field {name!r} means nothing beside since=")
    since, limit = number(request.query.get("since", ""), "since", 0, MOST), _limit(request)
    as_json, room = is_json_wanted(request), request.kept_bytes(request.query)
    space = reading(request, services)
    try:
        found = space.changes(since, limit)
    except ChangesGone as gone:
        if not as_json:
            raise
        return json_of(json_bytes({"error": gone.told, "last": str(gone.last)}), status=gone.status)

    def last(count: int) -> str:
        return str(found.last if count == len(found.changes) else found.changes[count - 1].version)

    def end(count: int) -> Body:
        return {"last": last(count), "more": found.more or count < len(found.changes)}

    if as_json:
        return array("changes", [json_bytes(_fields(change)) for change in found.changes], end, room)
    return lines([_line(change) for change in found.changes], last, room)


def _fields(change: Change) -> Body:
    fields: Body = {"version": str(change.version), "op": str(change.kind)}
    return fields if change.kind is Kind.FLUSH else {**fields, "key": change.key.decode()}


def _line(change: Change) -> bytes:
    return b" ".join(filter(None, (b"%d" % change.version, str(change.kind).encode(), change.key)))


def _form_of_values(request: Request) -> _Values | None:
    """Return how values are shown; None: not at all. Raises BadRequest."""
    text = request.query.get("values", "0")
    try:
        return None if text == "0" else _Values(text)
    except ValueError:
        raise BadRequest(why="values is 0, 1 or base64") from None


def _range(request: Request) -> Range:
    """Return the keys that begin with ``prefix``, from ``start`` to before ``end``. Raises BadRequest."""
    prefix, start, end = (_bound(request, name) for name in ("prefix", "start", "end"))
    return Range.of_prefix(prefix).within(Range(start, end or None))


def _bound(request: Request, name: str) -> bytes:
    bound = request.query.get(name, "").encode()
    if len(bound) > MAX_KEY:
        raise BadRequest(why=f"{name} has {len(bound)} bytes, and a key has {MAX_KEY} at most")
    return bound


def _limit(request: Request) -> int:
    return number(request.query.get("limit", str(MOST_LISTED)), "limit", 1, MOST_LISTED)


def _after(request: Request) -> bytes | None:
    """Return the key behind which the list goes on. Raises BadRequest for a cursor that is not ours."""
    text = request.query.get("cursor", "")
    if not text:
        return None
    try:
        key = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:  # also UnicodeEncodeError
        key = b""
    if not 1 <= len(key) <= MAX_KEY or urlsafe_b64encode(key).decode().rstrip("=") != text:
        raise BadRequest(why="this cursor is not of this server: start again without one")
    return key


def _entries(entries: Sequence[Entry | None], now: int, end: Callable[[int], Body], room: int | None, *, exact: bool) -> Answer:
    """Return entries with their values. If the first does not fit, it has its size instead, or a list could not go on."""
    items = [b"null" if entry is None else entry_json(entry, now, exact=exact) for entry in entries]
    if entries and entries[0] and room is not None and len(as_object("entries", items[:1], end(1))) > room:
        items[0] = entry_json(entries[0], now, b"")
    return array("entries", items, end, room)
