"""Errors of the key-value service (exit codes 100 to 129)."""

from n2k_fcgi.errors.base import N2KError
from n2k_fcgi.errors.store import CapturesDamaged, StoreDamaged, StoreFull


class BadEntryKey(N2KError):
    """A key that cannot be stored."""

    template = "bad key: {why}"
    status = 400
    exit_code = 100


class BadNamespace(N2KError):
    """Not the name of a namespace."""

    template = "bad namespace '{namespace}': 1 to 40 of a-z, 0-9, '-' and '_'"
    status = 400
    exit_code = 101


class NoSuchNamespace(N2KError):
    """A namespace that was never made."""

    template = "no namespace '{namespace}': 'n2k token create --scope keyvalue --namespace {namespace}' makes it"
    status = 404
    exit_code = 102


class NoSuchEntry(N2KError):
    """Nothing is stored below this key, or it has expired."""

    template = "no such key"
    status = 404
    exit_code = 103


class ConditionFailed(N2KError):
    """The condition of a write does not hold: nothing was written."""

    template = "the condition does not hold: the present version is {version}, nothing was written"
    status = 412
    exit_code = 104

    def __init__(self, *, version: int) -> None:
        super().__init__(version=version or "none")
        self.version = version
        """The present one; 0 if there is no entry."""


class NotANumber(N2KError):
    """An increment of something else."""

    template = "the value is not a whole number: nothing was written"
    status = 409
    exit_code = 105


class NumberTooLarge(N2KError):
    """An increment beyond 64 bits with sign."""

    template = "the number would need more than 64 bits: nothing was written"
    status = 409
    exit_code = 106


class QuotaReached(N2KError):
    """A namespace holds all that it may."""

    template = "the quota of this namespace is reached: {free_bytes} bytes and {free_keys} keys are free, nothing was written"
    status = 413
    exit_code = 107
    limit = "quota"

    def __init__(self, *, free_bytes: int, free_keys: int) -> None:
        super().__init__(free_bytes=free_bytes, free_keys=free_keys)
        self.free_bytes = free_bytes
        self.free_keys = free_keys


class StillSweeping(N2KError):
    """A write needs the space of so many expired entries that one request does not remove them all."""

    template = "expired keys are being removed to make space: nothing was written yet, try again"
    status = 503
    exit_code = 123
    retry_after = 1


class ValueTooLarge(N2KError):
    """A value above the limit."""

    template = "the value has {size} bytes, {limit} at most (setting 'kv_max_value'): nothing was written"
    status = 413
    exit_code = 108
    limit = "value"


class UnsupportedType(N2KError):
    """A content type that no value has."""

    template = "bad Content-Type '{type}': {why}"
    status = 415
    exit_code = 109


class ChangesGone(N2KError):
    """The log of changes does not reach back as far, or the version is from elsewhere."""

    template = "version {since} is not in the log of changes, which goes from {first} to {last}: list the keys anew"
    status = 410
    exit_code = 110

    def __init__(self, *, since: int, first: int, last: int) -> None:
        super().__init__(since=since, first=first, last=last)
        self.last = last
        """The latest version: changes after it are those after a list that is read now."""


class BatchRefused(N2KError):
    """Some operations of a batch cannot be done: none was."""

    template = "nothing was written: operation {index}: {why}"
    status = 412
    exit_code = 111

    def __init__(self, *, failures: "list[tuple[int, N2KError]]") -> None:
        index, first = failures[0]
        super().__init__(index=index, why=first)
        self.failures = failures
        """Index from 0 and error of each operation that failed, as if the others had been done."""
        self.status = first.status
        self.limit = first.limit


class BatchTooLarge(N2KError):
    """A batch that works on more bytes of present values than one request may."""

    template = "the operations of one batch may work on {limit} bytes of present values: nothing was written, send several"
    status = 413
    exit_code = 124
    limit = "batch"


class NamespaceClosed(N2KError):
    """Reading without a token a namespace that its owner has not opened. Unknown ones are not distinguished."""

    template = "a token is needed for the namespace '{namespace}': send it in the header X-N2K-Token"
    status = 401
    exit_code = 112


class BadItem(N2KError):
    """A line of an import, or an item of a batch, that describes no entry or operation."""

    template = "bad item: {why}"
    status = 400
    exit_code = 114


class LinesRefused(N2KError):
    """An import had bad lines; the others were stored."""

    template = "{lines} refused, {stored}"
    status = 400
    exit_code = 115


class ReadOnly(N2KError):
    """A write with a token, or through a handle, that may only read."""

    template = "this {what} permits reading only"
    status = 403
    exit_code = 113


class NamespaceFull(StoreFull):
    """No space on the disk for a write to a namespace. Reads still work."""

    status = 507
    exit_code = 120


class NamespaceDamaged(CapturesDamaged):
    """The file of a namespace is inconsistent. It can only be restored."""

    template = "{path} is damaged ({why}): restore it from a backup (docs/storage.md)"
    public = "the namespace is damaged: restore it from a backup (docs/storage.md)"
    exit_code = 121


class SnapshotLost(N2KError):
    """So much was written during a snapshot, in its own process, that the file outgrew its map."""

    template = "the snapshot ended because much was written meanwhile: take another one"
    status = 503
    exit_code = 122


class NoSuchDataset(N2KError):
    """A dataset that is not in the data directory. What was live stays live."""

    template = "no dataset '{dataset}': 'n2k kv datasets' lists them, 'n2k kv build' makes one"
    status = 404
    exit_code = 126


class DatasetGone(N2KError):
    """The file of the dataset that a namespace shows is not there: not the caller's mistake, as another name would be."""

    template = "the dataset '{dataset}' is shown, and its file is gone: put it back, or show another one with 'n2k kv use'"
    public = "the dataset that is shown is gone: the owner must put it back, or show another one"
    status = 503
    exit_code = 54


class DatasetDamaged(StoreDamaged):
    """A dataset whose file is not the one that was built: cut, changed, replaced, or not completely copied."""

    template = "{path} is damaged ({why})"
    public = "the dataset is damaged: see 'n2k check'"
    exit_code = 127


class DatasetExists(N2KError):
    """A dataset of this name is there or is being built: one that may be read is never changed."""

    template = "there is a dataset '{dataset}', or it is being built: choose another name"
    status = 409
    exit_code = 128


class NoEntries(N2KError):
    """A file without an entry, from which a dataset was to be built: most likely what made the file has failed."""

    template = "the file has no entry: no dataset was made (--empty makes an empty one)"
    status = 400
    exit_code = 29


class DatasetInUse(N2KError):
    """Removing a dataset that a namespace shows."""

    template = "the dataset '{dataset}' is shown by {namespaces}: 'n2k kv use' shows another one, nothing was removed"
    status = 409
    exit_code = 125


class BadDatasetName(N2KError):
    """Not the name of a dataset; a path is none."""

    template = "bad dataset '{dataset}': a letter or digit, then up to 63 letters, digits, '.', '-' and '_', and not 'none'"
    status = 400
    exit_code = 129
