"""The contract of ``ForgottenStore`` and ``HiddenSet``: on one grid or everywhere, alone or in groups."""

import itertools
import pickle

import pytest

from n2k_fcgi.store.base import ForgottenStore, Store
from tests.contract.engines import SECONDS, Place, done
from tests.contract.values import HERE, KEY, KEYS, NAMES, OTHER, THERE

ELSEWHERE = "Mine"
GRIDS = (HERE, THERE, ELSEWHERE)
CALLED = [(HERE, "masakazu.kojima"), (THERE, "masakazu.else")]


def hidden(store: ForgottenStore) -> set[tuple[bytes, str]]:
    """The grids on which the two keys are hidden. All methods agree."""
    copy = store.hidden()
    pairs = set(itertools.product((KEY, OTHER), GRIDS))
    found = {(key, grid) for grid in GRIDS for key in store.hidden_keys([KEY, OTHER], grid)}
    assert found == {(key, grid) for key, grid in pairs if copy.hides_key(key, grid)}
    assert found == {(key, grid) for key, grid in pairs if copy.hides(key, grid, "x")}
    assert found == {(key, grid) for key, grid, _ in store.hidden_among((*pair, "x") for pair in pairs)}
    anywhere = {key for key, _ in found}
    assert anywhere == store.hidden_keys([KEY, OTHER], None) == {key for key in (KEY, OTHER) if copy.hides_key(key)}
    everywhere = {key for key in anywhere if copy.hides_everywhere(key)}
    assert everywhere == store.hidden_keys([KEY, OTHER], "a grid that nobody asked for")
    return found


def names_hidden(store: ForgottenStore) -> set[tuple[str, str]]:
    """The names of CALLED that are hidden, for a key that is not. Both methods agree."""
    copy = store.hidden()
    found = {(grid, name) for _, grid, name in store.hidden_among((OTHER, *name) for name in CALLED)}
    assert found == {name for name in CALLED if copy.hides_name(*name)} == {n for n in CALLED if copy.hides(OTHER, *n)}
    return found


def test_an_empty_store(store: Store) -> None:
    """Nothing is hidden, there is no secret, and undoing finds nothing."""
    forgotten = store.forgotten
    assert hidden(forgotten) == set() and names_hidden(forgotten) == set() and not forgotten.hidden()
    assert forgotten.hidden_among([]) == set() and forgotten.hidden_keys([], None) == set()
    assert (forgotten.count(), forgotten.secret(), forgotten.undone(), forgotten.purged()) == (0, b"", 0, 0)
    assert forgotten.undo([KEY], CALLED, 5) is None and forgotten.undone() == 0


def test_everywhere(store: Store) -> None:
    """Keys on every grid, names on theirs; asking again changes nothing."""
    for now in (10, 20):
        store.forgotten.forget([KEY], CALLED[:1], now)
        assert hidden(store.forgotten) == set(itertools.product([KEY], GRIDS))
        assert names_hidden(store.forgotten) == {CALLED[0]} and store.forgotten.count() == 1
        assert store.forgotten.hidden()
    assert store.forgotten.hidden_among([(OTHER, THERE, CALLED[0][1])]) == set()
    assert store.forgotten.undo([KEY], [], 30) == 10


def test_grid_by_grid(store: Store) -> None:
    """Each request adds its grid, each ``undo`` removes its own; once hidden everywhere, no single grid changes that."""
    forgotten = store.forgotten
    forgotten.forget([KEY], CALLED[:1], 10, HERE)
    assert hidden(forgotten) == {(KEY, HERE)} and forgotten.count() == 1
    forgotten.forget([KEY], CALLED[1:], 20, THERE)
    assert hidden(forgotten) == {(KEY, HERE), (KEY, THERE)} and forgotten.count() == 1
    assert forgotten.undo([KEY], [], 30, ELSEWHERE) is None and forgotten.undo([OTHER], [], 30, THERE) is None
    assert forgotten.undo([KEY], [], 30, THERE) == 10
    assert hidden(forgotten) == {(KEY, HERE)} and names_hidden(forgotten) == {CALLED[0]}
    forgotten.forget([KEY], CALLED, 40)
    forgotten.forget([KEY], CALLED, 50, ELSEWHERE)
    assert hidden(forgotten) == set(itertools.product([KEY], GRIDS))
    assert forgotten.undo([KEY], [], 60, ELSEWHERE) is None
    assert forgotten.undo([], CALLED[1:], 60) == 10
    assert hidden(forgotten) == set() and names_hidden(forgotten) == set() and forgotten.count() == 0


def test_a_name_in_common_widens_nothing(store: Store) -> None:
    """Two avatars had one name; one left a grid, the other every grid: the first is still hidden on that grid only."""
    store.forgotten.forget([KEY], CALLED[1:], 10, THERE)
    store.forgotten.forget([OTHER], CALLED[1:], 20)
    assert hidden(store.forgotten) == {(KEY, THERE), *itertools.product([OTHER], GRIDS)}


def test_groups(store: Store) -> None:
    """Hidden together, shown together, by any key or name; a shared name joins two groups, others are not affected."""
    forgotten = store.forgotten
    forgotten.forget([KEY], [(HERE, "one"), (HERE, "shared")], 10)
    forgotten.forget([OTHER], [(HERE, "two")], 20)
    forgotten.forget([], [(HERE, "three")], 30)
    assert forgotten.count() == 3
    forgotten.forget([OTHER], [(HERE, "shared")], 40)
    assert forgotten.count() == 2
    assert forgotten.undo([], [(HERE, "two")], 50) == 10
    copy = forgotten.hidden()
    assert [copy.hides_name(HERE, name) for name in ("one", "shared", "two", "three")] == [False, False, False, True]
    assert hidden(forgotten) == set() and forgotten.count() == 1


def test_a_thousand_names_are_one_group(store: Store) -> None:
    """Undone by any of them."""
    names = [(HERE, f"name{n}") for n in range(1000)]
    store.forgotten.forget([KEY], names, 10)
    assert store.forgotten.count() == 1
    assert len(store.forgotten.hidden_among((OTHER, *name) for name in names)) == 1000
    assert store.forgotten.undo([], names[500:501], 20) == 10
    assert store.forgotten.hidden_among((OTHER, *name) for name in names) == set() and store.forgotten.count() == 0


@pytest.mark.parametrize("name", NAMES)
def test_names_of_all_kinds(store: Store, name: str) -> None:
    """Each on its grid, and none of the others."""
    store.forgotten.forget([], [(THERE, name)], 5)
    everyone = {(KEY, grid, other) for other in NAMES for grid in (HERE, THERE)}
    assert store.forgotten.hidden_among(everyone) == {(KEY, THERE, name)}


def test_times(store: Store) -> None:
    """When an avatar was last shown again; when a purge last began; avatars hidden after it have a later time."""
    forgotten = store.forgotten
    forgotten.forget([KEY], [], 100)
    forgotten.note_purge(100)
    assert forgotten.purged() == 100
    forgotten.forget([OTHER], [], 100)
    assert forgotten.undo([KEY], [], 200) == 100 <= forgotten.purged()
    asked = forgotten.undo([OTHER], [], 300)
    assert asked is not None and asked > forgotten.purged() and forgotten.undone() == 300
    forgotten.note_purge(50)  # the clock was set back
    assert forgotten.purged() > 100


def test_the_secret_is_kept(place: Place) -> None:
    """Made by the first request, the same for every process and after opening again, also when nothing is hidden any more."""
    with place.opened() as store, place.peer() as peer:
        store.forgotten.forget([KEY], [], 5)
        secret = store.forgotten.secret()
        assert len(secret) >= 16 and peer("store.forgotten.secret()") == secret
        store.forgotten.undo([KEY], [], 6)
        store.forgotten.forget([OTHER], [], 7)
        assert store.forgotten.secret() == secret
    with place.opened() as store:
        assert store.forgotten.secret() == secret and hidden(store.forgotten) == set(itertools.product([OTHER], GRIDS))


def test_a_copy_is_of_one_moment(place: Place, store: Store) -> None:
    """The same one again as long as nothing was written; what is written later is in the next one only."""
    store.forgotten.forget([KEY], CALLED[:1], 5)
    copy = store.forgotten.hidden()
    assert store.forgotten.hidden(copy) is copy
    with place.peer() as peer:
        peer("store.forgotten.forget([key], [], 6)", key=OTHER)
    later = store.forgotten.hidden(copy)
    assert later is not copy and (copy.hides_key(OTHER), later.hides_key(OTHER)) == (False, True)
    store.forgotten.undo([KEY], [], 7)
    assert copy.hides(KEY, HERE, "x") and not store.forgotten.hidden(later).hides(KEY, HERE, "x")


def test_no_copy_holds_names_or_keys(store: Store) -> None:
    """A copy holds digests only."""
    store.forgotten.forget([KEYS[77]], CALLED, 5)
    state = pickle.dumps(vars(store.forgotten.hidden()))
    assert KEYS[77] not in state and not any(name.encode() in state for _, name in CALLED)


def test_another_process_sees_a_write_at_once(place: Place, store: Store) -> None:
    """Hidden and shown again with its very next question."""
    with place.peer() as peer:
        for n in range(3):
            store.forgotten.forget([KEY], CALLED, 10 * n)
            assert peer("store.forgotten.hidden_keys([key], None)", key=KEY) == {KEY}
            assert peer("store.forgotten.hidden_among([one])", one=(OTHER, *CALLED[1])) == {(OTHER, *CALLED[1])}
            peer("store.forgotten.undo([key], [], now)", key=KEY, now=10 * n + 1)
            assert hidden(store.forgotten) == set()


WRITER = """
first, count = int(sys.argv[3]), int(sys.argv[4])
for n in range(first, first + count):
    store.forgotten.forget([n.to_bytes(16, "big")], [(HERE, f"name{n}"), (THERE, f"name{n}")], n)
    print(n, flush=True)
"""


def whole(store: ForgottenStore, n: int) -> bool:
    """Whether all of a group of WRITER is hidden; False: nothing of it is."""
    found = store.hidden_among([(OTHER, HERE, f"name{n}"), (OTHER, THERE, f"name{n}"), (n.to_bytes(16, "big"), HERE, "x")])
    assert len(found) in (0, 3), f"a part of group {n}"
    return bool(found)


def test_two_processes_write_at_once(place: Place, store: Store) -> None:
    """Every group of both is hidden."""
    done(*(place.running(WRITER, first, 50) for first in (1000, 1050)))
    assert all(whole(store.forgotten, n) for n in range(1000, 1100)) and store.forgotten.count() == 100


def test_a_killed_writer_loses_nothing_that_was_acknowledged(place: Place) -> None:
    """Killed in the middle of its writes; a group is hidden as a whole or not at all."""
    with place.running(WRITER, 1000, 100_000) as child:
        assert child.stdout is not None
        for n in range(1000, 1010):
            assert child.stdout.readline() == f"{n}\n"
        child.kill()
        acknowledged = 10 + child.stdout.read().count("\n")
        child.wait(SECONDS)
    with place.opened() as store:
        assert all(whole(store.forgotten, n) for n in range(1000, 1000 + acknowledged))
        whole(store.forgotten, 1000 + acknowledged)
        assert store.forgotten.count() in (acknowledged, acknowledged + 1)
