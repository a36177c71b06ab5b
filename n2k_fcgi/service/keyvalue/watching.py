"""Following a namespace by asking again and again: no write waits for a reader, and a reader misses nothing."""

from collections.abc import Iterator

from n2k_fcgi.errors import ChangesGone
from n2k_fcgi.service.keyvalue.space import Reader
from n2k_fcgi.store.keyvalue import Change, Kind, Range


class Watch:
    """The changes of keys with a *prefix* after the version *since*; None: from now on."""

    def __init__(self, reader: Reader, *, since: int | None = None, prefix: bytes = b"") -> None:
        self._reader = reader
        self._prefix = prefix
        self.since = reader.version() if since is None else since
        """Everything up to this version was yielded."""

    def poll(self) -> Iterator[Change]:
        """Yield what happened since the last call, each change once, in order.

        Where the log does not reach back as far, a FLUSH comes first, then a PUT for every key that there is: with the version
        0, and the last of them with the version up to which all is known then. So the last version that was yielded is always
        one to continue after. A key that is written meanwhile may come twice, its last change last.
        """
        more = True
        while more:
            try:
                found = self._reader.changes(self.since)
            except ChangesGone:
                yield from self._everything()
                continue
            for change in found.changes:
                if change.kind is Kind.FLUSH or change.key.startswith(self._prefix):
                    yield change
                self.since = change.version
            self.since, more = found.last, found.more

    def _everything(self) -> Iterator[Change]:
        last = self._reader.version()
        before = Change(0, Kind.FLUSH, b"")
        for entry in self._reader.scan(Range.of_prefix(self._prefix), values=False):
            yield before
            before = Change(0, Kind.PUT, entry.key)
        yield before._replace(version=last)
        self.since = last
