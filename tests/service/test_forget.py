"""The right to leave: hidden at once and in both directions, whatever is stored later, until it is undone."""

import itertools
import json
from pathlib import Path

import pytest

from n2k_fcgi import logs
from n2k_fcgi.errors import AskedToBeForgotten, NotForgotten, StoreFull, TokenNotEnough
from n2k_fcgi.files import PRIVATE, hold
from n2k_fcgi.model.keys import parse_key
from n2k_fcgi.service.directory.forget import Forgetting, Leaving, Undone
from n2k_fcgi.service.directory.history import History
from n2k_fcgi.service.directory.overview import gather
from n2k_fcgi.service.directory.search import search
from n2k_fcgi.service.dumps.export import Export, json_lines
from n2k_fcgi.service.dumps.name_list import NameList
from n2k_fcgi.store.lmdb.building.sizes import Sizes
from n2k_fcgi.store.lmdb.captures import captures_file
from n2k_fcgi.store.lmdb.layout import FORGOTTEN
from n2k_fcgi.store.lmdb.writable import with_prefix
from n2k_fcgi.wiring import directory, forgetting, pending_keys, purge
from tests.support.processes import talking
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, Sandbox, csv

KEY = parse_key(MASAKAZU)
OTHER = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def box(sandbox: Sandbox) -> Sandbox:
    """Masakazu was renamed by a dump and, later, seen in-world under a third name."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"), (GOVERNOR, "Governor Linden")), as_of=100)
    sandbox.import_text(csv((MASAKAZU, "Masakazu Newname"), (USERNAME, "Username Resident")), as_of=200)
    sandbox.record(MASAKAZU, "Masakazu Seen", 300)
    return sandbox


def forget(box: Sandbox) -> Forgetting:
    """The service."""
    return forgetting(box.store, box.settings)


def names_that_answer(box: Sandbox) -> set[str]:
    """Masakazu's names, current and former, that are found."""
    names = ("masakazu.kojima", "masakazu.newname", "masakazu.seen")
    return {name for name in names if box.view().name2key(name) is not None}


def everything_said(box: Sandbox) -> str:
    """Search, lists, exports and history in one text."""
    found = directory(box.store, box.settings)
    parts = [repr(search(found.view(), prefix, limit=100)) for prefix in ("m", "g", "u")]
    names = NameList(found, "Production")
    parts.append(b"".join(names).decode())
    names.close()
    parts.append(repr(History(found.view()).names_of(KEY)))
    box.store.generations.close()
    generation = box.store.generations.open(box.store.generations.current_name())
    export = Export(generation, box.store.captures, box.store.forgotten.hidden())
    parts.append(b"".join(json_lines(export.known())).decode())
    generation.close()
    return "\n".join(parts)


@pytest.mark.parametrize("by", ["key", "name", "former name"])
def test_nobody_hears_of_a_forgotten_avatar(box: Sandbox, by: str) -> None:
    """By key or by any of its names: no name returns the key, the key no name, and no list has it. Others are not affected."""
    if by == "key":
        box.forget_key(KEY)
    else:
        box.forget_name("masakazu.seen" if by == "name" else "masakazu.kojima", "Production")
    assert names_that_answer(box) == set()
    assert box.view().with_key(KEY) == [] and box.view().key2name(KEY) is None
    said = everything_said(box).lower()
    assert "masakazu" not in said and MASAKAZU not in said
    assert "governor" in said and "username" in said


def test_what_is_imported_later_stays_hidden(box: Sandbox) -> None:
    """The same name, a new name, another grid, JSON with former names: none shows the avatar or is stored in a generation."""
    box.forget_key(KEY)
    box.import_text(
        csv((MASAKAZU, "Masakazu Fourth"), (MASAKAZU, "Masakazu Kojima"), (USERNAME, "Username Resident")), as_of=400
    )
    row = {"key": MASAKAZU, "name": "Masakazu Elsewhere", "grid": "OpenSim", "former": [{"name": "Masakazu Gone", "seen": 5}]}
    box.import_text(json.dumps(row) + "\n" + json.dumps({"key": OTHER, "name": "Somebody Else"}), as_of=500)
    for name in ("masakazu.fourth", "masakazu.kojima", "masakazu.elsewhere", "masakazu.gone"):
        assert box.view().name2key(name) is None
    assert box.view().with_key(KEY) == []
    data = (box.data_dir / "generations" / box.store.generations.current_name() / "data.mdb").read_bytes()
    assert b"Fourth" not in data and b"elsewhere" not in data.lower() and b"Somebody Else" in data


def test_nobody_takes_a_forgotten_name(box: Sandbox) -> None:
    """Registering the avatar again, or its name for another key, is refused, and its key is not queued either."""
    box.forget_key(KEY)
    for name, key in (("Masakazu Kojima", MASAKAZU), ("Masakazu Brandnew", MASAKAZU), ("Masakazu Seen", OTHER)):
        with pytest.raises(AskedToBeForgotten, match="nothing was stored"):
            box.register(name, key)
    assert box.view().with_key(parse_key(OTHER)) == []
    queue = pending_keys(box.store, box.settings)
    assert queue.add([KEY, parse_key(OTHER)], "Production") == 1
    assert [asked.key for asked in queue.waiting()] == [parse_key(OTHER)]


def test_a_waiting_key_leaves_the_queue(sandbox: Sandbox) -> None:
    """An unknown avatar may be forgotten, too; its key is no longer pending."""
    queue = pending_keys(sandbox.store, sandbox.settings)
    assert queue.add([KEY], "Production") == 1
    sandbox.forget_key(KEY)
    assert queue.waiting() == [] and queue.add([KEY], "Production") == 0


def test_a_key_that_leaves_one_grid_waits_on_the_others(sandbox: Sandbox) -> None:
    """It is no longer pending there, but still on other grids."""
    queue, service = pending_keys(sandbox.store, sandbox.settings), forget(sandbox)
    assert queue.add([KEY], "Production") == queue.add([KEY], "OpenSim") == 1
    service.forget(service.with_key(KEY, "OpenSim"))
    assert [(asked.key, asked.grid) for asked in queue.waiting()] == [(KEY, "Production")]


def test_it_is_hidden_though_the_queue_is_locked(sandbox: Sandbox) -> None:
    """The log says whether it was known, and what was not updated, but not which avatar it is."""
    sandbox.record(MASAKAZU, "Masakazu Kojima", 1)
    sandbox.store.pending.add([KEY, parse_key(OTHER)], "Production", 1)
    log = sandbox.data_dir / "log" / "n2k.log"
    logs.set_up(log, "INFO", rotate_bytes=1 << 20, keep=1)
    with hold(sandbox.data_dir / "volatile.writer", PRIVATE, 0):
        sandbox.forget_key(KEY)
        sandbox.forget_key(parse_key(OTHER))
    logs.shut_down()
    lines = [line.split(maxsplit=4)[4] for line in log.read_text().splitlines()]
    assert lines[::2] == [f"forget: {who} is hidden from now on" for who in ("one avatar", "an unknown name or key")]
    assert len(lines) == 4 and all(line.startswith("the resolver's list was not updated: ") for line in lines[1::2])
    assert sandbox.view().with_key(KEY) == []


def test_a_name_that_nobody_has_yet(sandbox: Sandbox) -> None:
    """An unknown name hides the first avatar that is registered with it, on that grid only."""
    sandbox.forget_name("masakazu.kojima", "Production")
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=1)
    sandbox.import_text(csv((OTHER, "Masakazu Kojima")), grid="OpenSim", as_of=1)
    assert sandbox.view().with_key(KEY) == []
    avatar = sandbox.view().name2key("masakazu.kojima")
    assert avatar is not None and avatar.grid == "OpenSim"


def test_whom_a_name_means_everywhere(box: Sandbox) -> None:
    """By name, too, an avatar is hidden on all its grids; with a token for one grid, on that one."""
    box.record(MASAKAZU, "Masakazu Elsewhere", 300, grid="OpenSim")
    leaving = forget(box).called("masakazu.elsewhere", "OpenSim")
    assert (leaving.keys, leaving.only) == ([KEY], None) and set(leaving.grids) == {"OpenSim", "Production"}
    assert set(leaving.names) >= {("OpenSim", "masakazu.elsewhere"), ("Production", "masakazu.kojima")}
    assert forget(box).called("masakazu.seen", "OpenSim") == Leaving([], [("OpenSim", "masakazu.seen")], [])
    there = forget(box).called("masakazu.elsewhere", "OpenSim", only_there=True)
    assert (there.keys, set(there.names), there.grids) == ([KEY], {("OpenSim", "masakazu.elsewhere")}, ["OpenSim"])


def test_a_name_goes_on_its_grid_only(sandbox: Sandbox) -> None:
    """An avatar of that name on another grid is still shown, whichever grid is the default."""
    sandbox.import_text(csv((MASAKAZU, "Same Name")), as_of=1)
    sandbox.import_text(csv((OTHER, "Same Name")), grid="OpenSim", as_of=1)
    sandbox.forget_name("same.name", "Testing")
    assert {avatar.grid for avatar in sandbox.view().named("same.name")} == {"Production", "OpenSim"}
    sandbox.forget_name("same.name", "OpenSim")
    assert [avatar.key for avatar in sandbox.view().named("same.name")] == [KEY]


def test_what_was_asked_for_twice_is_undone_as_one(sandbox: Sandbox) -> None:
    """By a later name, too: everything that was ever hidden together is shown."""
    forgotten, early, late = sandbox.store.forgotten, ("Production", "early.name"), ("Production", "late.name")
    for undo in (([KEY], []), ([], [early]), ([], [late])):
        forgotten.forget([KEY], [early], 1)
        forgotten.forget([KEY], [late], 2)
        assert forgotten.count() == 1
        assert forgotten.undo(*undo, 3)
        assert forgotten.count() == 0
        assert not forgotten.hidden_among([(b"x" * 16, *early), (b"x" * 16, *late)])


def test_undoing_brings_everything_back(box: Sandbox) -> None:
    """By the key or any name: both directions, all names, the capture; a second undo is an error."""
    before = everything_said(box)
    for undo in (
        lambda: forget(box).undo_key(KEY),
        lambda: forget(box).undo_name("masakazu.kojima", "Production"),
        lambda: forget(box).undo_name("masakazu.seen", "Production"),
    ):
        box.forget_key(KEY)
        assert names_that_answer(box) == set()
        undo()
        assert everything_said(box) == before
        with pytest.raises(NotForgotten):
            undo()


@pytest.mark.parametrize("by_name", [False, True])
def test_what_an_undo_found(box: Sandbox, by_name: bool) -> None:
    """The avatar is shown again; for one that is unknown, or known on another grid only, there was nothing to show."""

    def hidden_and_undone(key: str, name: str) -> Undone:
        if by_name:
            box.forget_name(name, "Production")
            return forget(box).undo_name(name, "Production")
        box.forget_key(parse_key(key))
        return forget(box).undo_key(parse_key(key))

    box.record(OTHER, "Else Where", 1, grid="OpenSim")
    assert hidden_and_undone(MASAKAZU, "masakazu.seen") is Undone.SHOWN
    assert hidden_and_undone("99999999-2222-3333-4444-555555555555", "un.known") is Undone.UNKNOWN
    assert hidden_and_undone(OTHER, "else.where") is (Undone.UNKNOWN if by_name else Undone.SHOWN)
    box.forget_key(KEY), box.forget_name("masakazu.seen", "Production")
    purge(box.store, box.settings).run()
    found = forget(box).undo_name("masakazu.seen", "Production") if by_name else forget(box).undo_key(KEY)
    assert found is Undone.PURGED


def test_an_undo_of_what_is_not_hidden_names_it(box: Sandbox) -> None:
    """The message has the given name or key."""
    for undo, what in (
        (lambda: forget(box).undo_name("governor.linden", "Production"), "governor.linden"),
        (lambda: forget(box).undo_key(parse_key(GOVERNOR)), GOVERNOR),
    ):
        with pytest.raises(NotForgotten) as caught:
            undo()
        assert str(caught.value) == str(NotForgotten(what=what))


def test_leaving_one_grid(box: Sandbox) -> None:
    """Hidden there and shown on other grids; undone there only, and refused where it was not hidden."""
    service = forget(box)
    box.record(MASAKAZU, "Masakazu Seen", 1, grid="OpenSim")
    service.forget(service.with_key(KEY, "OpenSim"))
    assert {avatar.grid for avatar in box.view().with_key(KEY)} == {"Production"}
    with pytest.raises(NotForgotten):
        service.undo_key(KEY, "Production")
    assert service.undo_key(KEY, "OpenSim") is Undone.SHOWN
    assert {avatar.grid for avatar in box.view().with_key(KEY)} == {"Production", "OpenSim"}
    with pytest.raises(NotForgotten):
        service.undo_key(KEY, "OpenSim")
    assert service.called("un.known", "OpenSim", only_there=True) == Leaving([], [("OpenSim", "un.known")], [], "OpenSim")


def test_who_leaves_one_grid(box: Sandbox) -> None:
    """All its names there; if it is known on another grid only, that grid is returned, unless it is hidden."""
    service = forget(box)
    assert service.with_key(KEY, "OpenSim") == Leaving([KEY], [], [], "OpenSim", "Production")
    box.record(MASAKAZU, "Masakazu There", 1, grid="OpenSim")
    assert service.with_key(KEY, "OpenSim") == Leaving([KEY], [("OpenSim", "masakazu.there")], ["OpenSim"], "OpenSim", None)
    assert service.with_key(parse_key(OTHER), "OpenSim") == Leaving([parse_key(OTHER)], [], [], "OpenSim", None)
    whole = service.with_key(KEY)
    assert (whole.only, whole.elsewhere, sorted(whole.grids)) == (None, None, ["OpenSim", "Production"])
    service.forget(service.with_key(KEY, "Third"))
    assert service.with_key(KEY, "Third").elsewhere is None and service.with_key(KEY, "Fourth").elsewhere is not None
    box.forget_key(KEY)
    assert service.with_key(KEY, "Fourth").elsewhere is None


def test_who_left_every_grid_is_not_shown_on_one(box: Sandbox) -> None:
    """A token for that grid is not enough; the refusal names the grid."""
    box.record(MASAKAZU, "Masakazu Seen", 1, grid="OpenSim")
    box.forget_key(KEY)
    with pytest.raises(TokenNotEnough, match="it is for the grid 'OpenSim' only, and this avatar is hidden on all of them"):
        forget(box).undo_key(KEY, "OpenSim")
    assert box.view().with_key(KEY) == []
    assert forget(box).undo_key(KEY) is Undone.SHOWN


def test_the_grids_of_a_name(box: Sandbox) -> None:
    """Each grid once that shows an avatar of that name."""
    box.record(OTHER, "Masakazu Seen", 1, grid="OpenSim")
    box.record(USERNAME, "Masakazu Seen", 1, grid="Third")
    assert sorted(forget(box).grids_of("masakazu.seen")) == ["OpenSim", "Production", "Third"]
    forget(box).forget(forget(box).called("masakazu.seen", "Third", only_there=True))
    assert sorted(forget(box).grids_of("masakazu.seen")) == ["OpenSim", "Production"]
    assert forget(box).grids_of("un.known") == []


def test_asking_twice_is_one_request(box: Sandbox) -> None:
    """By name, then by key, then again: one undo is enough, and the count is one."""
    box.forget_name("masakazu.newname", "Production")
    box.forget_key(KEY)
    box.forget_key(KEY)
    assert box.store.forgotten.count() == 1
    forget(box).undo_key(KEY)
    assert names_that_answer(box) == {"masakazu.kojima", "masakazu.newname", "masakazu.seen"}


def test_only_digests_are_kept(tmp_path: Path) -> None:
    """No file has readable data of an avatar that was never stored, and equal avatars have different digests."""
    digests = []
    for place in "ab":
        box = Sandbox(tmp_path / place)
        box.forget_key(KEY)
        box.forget_name("masakazu.kojima", "Production")
        box.close()
        file = captures_file(box.data_dir, PRIVATE)
        with file.read() as transaction:
            digests.append({digest for digest, _ in with_prefix(transaction, FORGOTTEN)})
        file.close()
        data = b"".join(path.read_bytes() for path in box.data_dir.rglob("*") if path.is_file())
        assert KEY not in data and MASAKAZU.encode() not in data and b"masakazu" not in data.lower()
    assert len(digests[0]) == len(digests[1]) == 2 and not digests[0] & digests[1]


def test_other_processes_see_it_at_once(box: Sandbox) -> None:
    """A store that was open before answers without the avatar from its next lookup on."""
    code = (
        "import sys; from pathlib import Path; from tests.support.sandbox import Sandbox, MASAKAZU\n"
        "from n2k_fcgi.model.keys import parse_key\n"
        "box = Sandbox(Path(sys.argv[1])); ask = lambda: print(len(box.view().with_key(parse_key(MASAKAZU))), flush=True)\n"
        "input(); ask(); input(); ask()"
    )
    with talking(code, box.data_dir) as go_on:
        assert go_on() == "1\n"
        box.forget_key(KEY)
        assert go_on() == "0\n"


def test_a_purge_takes_a_forgotten_name_from_who_had_it_before(sandbox: Sandbox) -> None:
    """Where names pass on, the hidden avatar's name is a former name of another avatar: it is hidden, the other is not."""
    for key, name, now in ((MASAKAZU, "Quillon Ash", 1), (MASAKAZU, "Other Name", 2), (OTHER, "Quillon Ash", 3)):
        sandbox.record(key, name, now, grid="OpenSim", refuse=False)
    sandbox.forget_name("quillon.ash", "OpenSim")
    assert purge(sandbox.store, sandbox.settings).run().captures == 1
    sandbox.store.close()
    assert b"uillon" not in (sandbox.data_dir / "captures.mdb").read_bytes()
    assert [avatar.name for avatar in sandbox.view().with_key(KEY)] == ["Other Name"]


def test_a_purge_stops_before_the_disk_is_full(box: Sandbox) -> None:
    """Copies need disk space: if there is too little, it is reported and nothing changes."""
    box.forget_key(KEY)
    before = box.store.generations.names()
    box.store.generations.sizes = Sizes(reserve=1 << 62)
    with pytest.raises(StoreFull, match="MB are free"):
        purge(box.store, box.settings).run()
    assert box.store.generations.names() == before and box.view().name2key("governor.linden") is not None
    box.store.generations.sizes = None
    assert purge(box.store, box.settings).run().generations == len(before)


def test_hundreds_who_left_do_not_hide_the_rest(sandbox: Sandbox) -> None:
    """Every second of 400 avatars is forgotten: after an import of all of them every list has the other half."""
    rows = [(f"{n:08x}-0000-0000-0000-000000000001", f"Name{n} Last") for n in range(1, 401)]
    sandbox.import_text(csv(*rows), as_of=1)
    for key, _ in rows[::2]:
        sandbox.forget_key(parse_key(key))
    sandbox.import_text(csv(*itertools.chain(rows, [(OTHER, "Last One")])), as_of=2)
    names = NameList(directory(sandbox.store, sandbox.settings), "Production")
    lines = b"".join(names).decode().splitlines()
    names.close()
    assert len(lines) == 201
    assert {line.partition(",")[0] for line in lines} == {key for key, _ in rows[1::2]} | {OTHER}


def test_a_name_that_a_hidden_key_holds_is_refused_as_hidden(sandbox: Sandbox) -> None:
    """After going back to a generation with its former name: no message or list says that the hidden avatar holds it."""
    for name, as_of in (("Anna One", 1), ("Anna Two", 2)):
        sandbox.import_text(csv((MASAKAZU, name)), as_of=as_of)
    older = sandbox.store.generations.names()[0]
    sandbox.record(USERNAME, "Capt One", 1)
    sandbox.store.forgotten.forget([parse_key(MASAKAZU), parse_key(USERNAME)], [], 1)
    sandbox.store.generations.use(older)
    for name in ("Anna One", "Capt One"):
        with pytest.raises(AskedToBeForgotten):
            sandbox.register(name, GOVERNOR)
    assert sandbox.store.conflicts.conflicts() == []
    sandbox.store.generations.close()


def test_pending_keys_of_the_hidden_are_not_handed_out(sandbox: Sandbox) -> None:
    """One that was queued all the same (the queue could not be written) is dropped at the next read, uncounted."""
    sandbox.store.pending.add([parse_key(MASAKAZU), parse_key(GOVERNOR)], "Production", 5)
    sandbox.store.forgotten.forget([parse_key(MASAKAZU)], [], 6)
    counts = gather(sandbox.store, None)
    assert counts.pending == 1
    asked = pending_keys(sandbox.store, sandbox.settings).waiting()
    assert [each.key for each in asked] == [parse_key(GOVERNOR)] == [each.key for each in sandbox.store.pending.waiting()]


def test_conflicts_of_an_import_name_nobody_hidden(sandbox: Sandbox) -> None:
    """The holder of a name in Second Life is hidden: a dump with another key for it does not move it, and no list shows it."""
    sandbox.import_text(csv((MASAKAZU, "Anna One")), as_of=1)
    sandbox.store.forgotten.forget([parse_key(MASAKAZU)], [], 1)
    report = sandbox.import_text(csv((GOVERNOR, "Anna One")), as_of=2)
    assert report.moves == [] and sandbox.store.conflicts.conflicts() == []
