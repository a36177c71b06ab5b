"""The key-value service: what a power cut can do, how large a value may be, and each namespace."""

from collections.abc import Iterator

from n2k_fcgi.config import KIB, Settings
from n2k_fcgi.errors import DatasetDamaged, DatasetGone, N2KError
from n2k_fcgi.model.choices import Sync
from n2k_fcgi.model.findings import Finding, ok, problem, warning
from n2k_fcgi.store.base import Store
from n2k_fcgi.wiring import namespaces

MOD_FCGID = 128 * KIB
"""Bytes of a request's body above which mod_fcgid answers 500, unless FcgidMaxRequestLen is set."""

NEARLY_FULL = 0.9
"""Of a quota."""

LOCK_PATIENCE = 2.0


def examine(settings: Settings, store: Store, patience: float = LOCK_PATIENCE) -> Iterator[Finding]:
    """Examine the settings, then each namespace. *patience*: seconds to wait for the writers of each."""
    names = store.keyvalue.names()
    if not names:
        yield ok("key-value", "no namespace")
        return
    yield promise(settings.kv_sync)
    yield largest_value(settings)
    for name in names:
        yield namespace(store, name, patience)
    yield from stopped_readers(store)


def promise(sync: Sync) -> Finding:
    """What a power cut can do to an acknowledged write."""
    what = f"kv_sync = {sync}: {sync.promise}"
    return warning("key-value", what, "use it for caches only") if sync is Sync.OFF else ok("key-value", what)


def largest_value(settings: Settings) -> Finding:
    """The least of the limits on a value, and which it is."""
    largest = settings.kv_max_value
    if settings.max_body < largest:
        return warning(
            "values",
            f"at most {settings.max_body} bytes, because of max_body; kv_max_value is {largest}",
            "raise max_body, and the limit of the web server",
        )
    if largest > MOD_FCGID:
        return warning(
            "values",
            f"at most {largest} bytes; mod_fcgid refuses bodies above {MOD_FCGID} unless FcgidMaxRequestLen is set",
            "raise FcgidMaxRequestLen (docs/keyvalue.md)",
        )
    return ok("values", f"at most {largest} bytes")


_OTHER_DATASET = "put its file back, or show another one: 'n2k kv use {} DATASET'"


def namespace(store: Store, name: str, patience: float = LOCK_PATIENCE) -> Finding:
    """Whether it can be read and written, and how full it is."""
    subject = f"namespace {name}"
    try:
        with store.keyvalue.namespace(name).snapshot():  # with the dataset that it shows
            found = namespaces(store).summary(name)
        refusal = store.keyvalue.write_problem(name, patience)
    except DatasetGone:
        shown = store.keyvalue.namespace(name).dataset()
        return problem(subject, f"the file of its dataset '{shown}' is gone", _OTHER_DATASET.format(name))
    except DatasetDamaged as error:
        return problem(subject, str(error), _OTHER_DATASET.format(name))
    except N2KError as error:
        return problem(subject, str(error), "restore the file, or its owner and mode")
    if refusal:
        return problem(subject, *refusal)
    what = f"{found.bytes} of {found.quota} bytes, {found.keys} of {found.most_keys} keys"
    if found.bytes > found.quota * NEARLY_FULL or found.keys > found.most_keys * NEARLY_FULL:
        advice = f"delete some, or 'n2k token create --scope keyvalue --namespace {name} --quota SIZE --keys NUMBER'"
        return warning(subject, what, advice)
    return ok(subject, what)


def stopped_readers(store: Store) -> Iterator[Finding]:
    """Processes that were stopped while they read a namespace: until they continue, every write makes its file longer."""
    for name, pid, behind in store.keyvalue.stopped_readers():
        yield problem(
            "readers",
            f"process {pid} reads the namespace {name} as it was {behind} changes ago, so its file grows with each",
            f"continue it (kill -CONT {pid}) or end it (kill -KILL {pid})",
        )
