"""The contract of ``GenerationBuild``, and of what surrounds it: the lock, publishing, pruning, sweeping."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from n2k_fcgi.errors import ImportRunning, StoreFull
from n2k_fcgi.model.batch import Batch, joined
from n2k_fcgi.model.builds import Built, Claims, Merge, Step
from n2k_fcgi.model.choices import Phase
from n2k_fcgi.model.grids import PRODUCTION
from n2k_fcgi.model.manifests import Manifest
from n2k_fcgi.model.names import canonical
from n2k_fcgi.model.origins import Origin, OriginTable
from n2k_fcgi.store.avatars import GenerationBuild, GenerationView
from n2k_fcgi.store.base import Store
from tests.contract.engines import Place
from tests.contract.values import HERE, KEY, KEYS, OTHER, THERE, THIRD

Row = tuple[bytes, str] | tuple[bytes, str, int]
"""A key, a name, and the number of an origin other than 0."""


def first(claims: Claims) -> bytes:
    """The key that the import chooses: the latest keeps the name."""
    return claims.keys[0]


def batch(*rows: Row) -> Batch:
    """Rows as a batch."""
    names = [row[1].encode() for row in rows]
    forms = [canonical(row[1]).encode() for row in rows]
    numbers = bytes(row[2] if len(row) == 3 else 0 for row in rows)
    return Batch(b"".join(row[0] for row in rows), joined(names), joined(forms), numbers if any(numbers) else b"")


def described(built: Built, origin: Origin) -> Manifest:
    """The manifest that an import would write."""
    counts = dict(built._asdict())
    return Manifest(
        **counts,
        created=int(time.time()),
        source="test",
        sha256="",
        as_of=origin.as_of,
        grid=origin.grid,
        dump_rows=0,
        refused=0,
        seconds=0.0,
    )


@contextmanager
def building(
    store: Store, origins: OriginTable, merge: Merge | None = None, *, text_bytes: int = 0
) -> Iterator[GenerationBuild]:
    """A build under the lock, abandoned at the end."""
    with store.generations.locked():
        build = store.generations.build(origins, merge or Merge(first), text_bytes=text_bytes)
        try:
            yield build
        finally:
            build.abandon()


def publish(store: Store, *rows: Row, origins: OriginTable, merge: Merge | None = None) -> Built:
    """Build and publish *rows*."""
    with building(store, origins, merge) as build:
        build.add(batch(*rows))
        built = build.finish(lambda _: None)
        store.generations.publish(described(built, origins.origins[0]))
    return built


def own(as_of: int, grid: str = HERE, *more: Origin) -> OriginTable:
    """Origins of a dump of *grid*; *more* are numbered from 1."""
    table = OriginTable(Origin(grid, as_of))
    for origin in more:
        table.number(origin)
    return table


def live(store: Store) -> GenerationView:
    """The live generation, which must exist."""
    generation = store.generations.current()
    assert generation is not None
    return generation


def test_nothing_is_visible_before_it_is_published(place: Place, store: Store) -> None:
    """Neither here nor in another process; then at once and whole."""
    with place.peer() as peer, building(store, own(1)) as build:
        build.add(batch((KEY, "Name One")))
        built = build.finish(lambda _: None)
        assert store.generations.names() == [] and peer("store.generations.live()") is None
        store.generations.publish(described(built, Origin(HERE, 1)))
        assert peer("store.generations.live().name") == built.name == build.name
        assert [avatar.name for avatar in peer("store.generations.current().by_key(key)", key=KEY)] == ["Name One"]
    assert [avatar.name for avatar in live(store).by_key(KEY)] == ["Name One"]


@pytest.mark.parametrize("finished", [False, True])
def test_an_abandoned_one_leaves_nothing(store: Store, finished: bool) -> None:
    """The live one is as before, and there is nothing to sweep."""
    before = publish(store, (KEY, "Name One"), origins=own(1)).name
    with building(store, own(2)) as build:
        build.add(batch((KEY, "Name Two")))
        if finished:
            build.finish(lambda _: None)
    assert store.generations.names() == [before]
    assert [avatar.name for avatar in live(store).by_key(KEY)] == ["Name One"]
    with store.generations.locked():
        assert store.generations.sweep() == []


def test_of_a_killed_one_nothing_is_visible_and_sweeping_removes_it(place: Place, store: Store) -> None:
    """Sweeping returns the name that it would have had. The lock ended with its process."""
    before = publish(store, (KEY, "Name One"), origins=own(1)).name
    code = (
        "from tests.contract.test_building import *\n"
        "with building(store, own(2)) as build:\n"
        "    build.add(batch((KEY, 'Name Two')))\n"
        "    print(build.name, flush=True)\n"
        "    sys.stdin.read()"
    )
    with place.running(code) as child:
        assert child.stdout is not None
        name = child.stdout.readline().strip()
        with pytest.raises(ImportRunning), store.generations.locked():
            pass
        child.send_signal(signal.SIGKILL)
    assert store.generations.names() == [before] and name > before
    with store.generations.locked():
        assert store.generations.sweep() == [name]
        assert store.generations.sweep() == []
    assert [avatar.name for avatar in live(store).by_key(KEY)] == ["Name One"]


def test_live_rows_that_were_not_added_are_kept(store: Store) -> None:
    """They are counted; those of the replaced grid are removed, of other grids never."""
    publish(store, (KEY, "Name One"), (OTHER, "Name Two"), origins=own(1))
    publish(store, (KEY, "Name One"), origins=own(1, THERE))
    built = publish(store, (OTHER, "Name New"), (THIRD, "Name Three"), origins=own(2))
    assert (built.rows, built.keys, built.names, built.former) == (4, 3, 3, 1)
    assert (built.added, built.changed, built.unchanged, built.removed) == (1, 1, 0, 0)
    assert live(store).count() == 3 and [avatar.name for avatar in live(store).history(OTHER)] == ["Name Two"]
    built = publish(store, (THIRD, "Name Three"), origins=own(3), merge=Merge(first, replaced_grid=HERE))
    assert (built.rows, built.added, built.changed, built.unchanged, built.removed) == (2, 0, 0, 1, 2)
    assert [(avatar.name, avatar.grid) for avatar in live(store).by_key(KEY)] == [("Name One", THERE)]
    assert live(store).by_key(OTHER) == []


@pytest.mark.parametrize("apart", [False, True])
def test_the_latest_name_is_current(store: Store, apart: bool) -> None:
    """By origin, and of equal times the one that was added last, in one batch or in several; the others are former."""
    rows: list[Row] = [(KEY, "Later", 1), (KEY, "First"), (KEY, "Second"), (OTHER, "First Too"), (OTHER, "Second Too")]
    origins = own(5, HERE, Origin(HERE, 9))
    with building(store, origins) as build:
        for part in [[row] for row in rows] if apart else [rows]:
            build.add(batch(*part))
        store.generations.publish(described(build.finish(lambda _: None), Origin(HERE, 5)))
    view = live(store)
    assert [(avatar.name, avatar.seen) for avatar in view.by_key(KEY)] == [("Later", 9)]
    assert [avatar.name for avatar in view.by_key(OTHER)] == ["Second Too"]
    assert {avatar.name for avatar in view.history(KEY)} == {"First", "Second"}
    publish(store, (KEY, "Older"), origins=own(7))
    assert [avatar.name for avatar in live(store).by_key(KEY)] == ["Later"]
    assert [avatar.name for avatar in live(store).history(KEY)] == ["First", "Second", "Older"]


def test_the_import_decides_which_key_keeps_a_contested_name(store: Store) -> None:
    """It gets the keys, the latest first, and the holder so far; lookups then return its choice first."""
    publish(store, (KEY, "Same Name"), origins=own(1, PRODUCTION))
    asked: list[Claims] = []

    def keep(claims: Claims) -> bytes:
        asked.append(claims)
        return claims.keys[-1]

    built = publish(store, (OTHER, "Same Name"), (THIRD, "Own Name"), origins=own(2, PRODUCTION), merge=Merge(keep))
    assert set(map(str, asked)) == {str(Claims("same.name", [OTHER, KEY], KEY))} and built.conflicts == 1
    assert [avatar.key for avatar in live(store).by_name("same.name")] == [KEY, OTHER]
    asked.clear()
    publish(store, (OTHER, "Same Name"), origins=own(3, PRODUCTION), merge=Merge(keep, replaced_grid=PRODUCTION))
    assert asked == [] and [avatar.key for avatar in live(store).by_name("same.name")] == [OTHER]


def test_names_move_freely_on_other_grids(store: Store) -> None:
    """The import does not choose: the latest key is the answer."""
    publish(store, (KEY, "Same Name"), origins=own(1))
    publish(store, (OTHER, "Same Name"), origins=own(2), merge=Merge(lambda _: b"never asked"))
    assert [avatar.key for avatar in live(store).by_name("same.name")] == [OTHER, KEY]


def test_how_far_it_is_is_reported(store: Store) -> None:
    """Keys before names, never decreasing, and all rows of both indexes at the end."""
    steps: list[Step] = []
    with building(store, own(1)) as build:
        build.add(batch(*((key, f"Name{number}") for number, key in enumerate(KEYS))))
        build.finish(steps.append)
    assert [step.phase for step in steps] == sorted(step.phase for step in steps)
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert steps[-1] == Step(Phase.NAMES, 2 * len(KEYS))


def test_a_dump_without_space_is_rejected_at_once(store: Store) -> None:
    """Before anything is added, and nothing is left."""
    with pytest.raises(StoreFull), building(store, own(1), text_bytes=1 << 60):
        pass
    with store.generations.locked():
        assert store.generations.sweep() == []


def test_pruning_keeps_the_live_one(store: Store) -> None:
    """And the latest others, up to the number to keep."""
    names = [publish(store, (KEY, f"Name{number}"), origins=own(number)).name for number in range(1, 5)]
    store.generations.use(names[1])
    with store.generations.locked():
        assert store.generations.prune(2) == [names[0], names[2]]
        assert store.generations.prune(2) == []
    assert store.generations.names() == [names[1], names[3]]
    assert [avatar.name for avatar in live(store).by_key(KEY)] == ["Name2"]


def test_the_latest_time_of_a_grid(store: Store) -> None:
    """Of the avatars of the live generation, whichever grid its dump was of."""
    assert store.generations.latest(HERE) is None
    publish(store, (KEY, "Name One"), (OTHER, "Name Two", 1), origins=own(5, HERE, Origin(HERE, 3)))
    publish(store, (KEY, "Name One"), origins=own(7, THERE))
    assert (store.generations.latest(HERE), store.generations.latest(THERE)) == (5, 7)
    assert store.generations.latest("Nowhere") is None
