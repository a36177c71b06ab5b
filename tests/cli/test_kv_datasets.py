"""``n2k kv build``, ``datasets``, ``use``: from a file to what a namespace shows."""

import gzip
import json
import os
from pathlib import Path

import pytest

from tests.support.commands import Commands
from tests.support.kv import lines, put

RED = b'{"key":"colour","text":"red"}\n\n{"key":"n","json":{"a":1},"flags":7}\n'
BLUE = b'colour,blue\nquoted,"a ""b"",\nc"\n'


def get(n2k: Commands, key: str) -> str | None:
    """A value; None: there is none."""
    found = n2k("kv", "get", "shop", key)
    assert found.code in (0, 103), found
    return None if found.code else found.out


@pytest.fixture
def painted(shop: Commands, tmp_path: Path) -> Commands:
    """A namespace and two datasets."""
    (tmp_path / "blue.csv").write_bytes(b"\xef\xbb\xbfkey,value\n" + BLUE)
    assert shop("kv", "build", "-", "--dataset", "red", stdin=RED).code == 0
    assert shop("kv", "build", tmp_path / "blue.csv", "--dataset", "blue").code == 0
    return shop


@pytest.mark.measured
def test_a_dataset_is_built_listed_and_used(painted: Commands) -> None:
    """Its values are there at once, below what is written later; 'none' leaves datasets."""
    put(painted, "own", "1")
    used = painted("kv", "use", "shop", "red")
    said = "shop shows red\nhidden until 'none' is shown again: 1 key written without a dataset\n"
    assert (used.code, used.err) == (0, said) and int(used.out) > 0
    assert [get(painted, key) for key in ("colour", "n", "own")] == ["red", '{"a":1}', None]
    put(painted, "colour", "pink")
    assert painted("kv", "use", "shop", "blue").code == 0
    assert [get(painted, key) for key in ("colour", "quoted")] == ["blue", 'a "b",\nc']
    assert painted("kv", "list", "shop").out == "colour\nquoted\n"
    listed = painted("kv", "datasets")
    assert [line.split("\t")[::4] for line in listed.out.splitlines()] == [["blue", "shop"], ["red", "-"]]
    assert lines(painted("kv", "datasets", "--json"))[1].keys() == {"name", "keys", "bytes", "size", "namespaces", "problem"}
    assert json.loads(painted("kv", "stat", "--json", "shop").out)["dataset"] == "blue"
    assert painted("kv", "use", "shop", "red").code == 0 and get(painted, "colour") == "pink"
    assert painted("kv", "use", "--fresh", "shop", "red").code == 0 and get(painted, "colour") == "red"
    assert painted("kv", "use", "shop", "none").code == 0 and get(painted, "own") == "1"
    assert painted("kv", "use", "--carry", "shop", "red").code == 0
    assert [get(painted, key) for key in ("colour", "own")] == ["red", "1"]
    assert painted("check").code == 0


@pytest.mark.measured
def test_nothing_is_removed_without_a_word(painted: Commands) -> None:
    """What --carry would replace, and what 'none --fresh' would remove; what a swap hides is named by export and drop, too."""
    put(painted, "own", "1")
    painted("kv", "use", "shop", "red")
    put(painted, "colour", "pink")
    refused = painted("kv", "use", "--carry", "shop", "none")
    assert refused.code == 2 and "remove 1 key written without a dataset in shop: add --yes" in refused.err
    exported = painted("kv", "export", "shop", "-")
    assert len(exported.out.splitlines()) == 2 and "not in it, because another dataset is shown: 1 key of none" in exported.err
    assert "with 1 key and 1 hidden by a dataset" in painted("kv", "drop", "shop").err
    painted("kv", "use", "shop", "none")
    refused = painted("kv", "use", "--fresh", "shop", "none")
    assert refused.code == 2 and "remove 1 key written without a dataset" in refused.err and get(painted, "own") == "1"
    assert painted("kv", "use", "--carry", "shop", "blue").code == 0  # nothing was written above it
    refused = painted("kv", "use", "--carry", "shop", "red")
    assert refused.code == 2 and "1 key written above red" in refused.err
    assert painted("kv", "use", "--carry", "--yes", "shop", "red").code == 0
    assert [get(painted, key) for key in ("own", "colour")] == ["1", "red"]
    assert painted("kv", "use", "--fresh", "--yes", "shop", "none").code == 0 and painted("kv", "list", "shop").out == ""


def test_swaps_are_logged(painted: Commands) -> None:
    """By name and version."""
    version = painted("kv", "use", "shop", "red").out.strip()
    log = (painted.data_dir / "log" / "n2k.log").read_text()
    assert f"dataset red is shown by a namespace, as version {version}" in log


@pytest.mark.measured
def test_an_empty_file_is_no_dataset(painted: Commands) -> None:
    """What made it has failed, most likely."""
    for stdin in (b"", b"key,value\n"):
        done = painted("kv", "build", "--csv", "-", "--dataset", "none-today", stdin=stdin)
        assert (done.code, "--empty" in done.err) == (29, True)
    assert painted("kv", "build", "--csv", "--empty", "-", "--dataset", "none-today", stdin=b"").code == 0
    assert painted("kv", "build", "-", "--dataset", "gone", stdin=b'{"key":"k","text":"","expires_ms":5}\n').code == 29


def test_csv_is_known_by_its_name_and_heading(painted: Commands, tmp_path: Path) -> None:
    """In any letters; a packed file is named with the option that its pipe needs."""
    (tmp_path / "P.CSV").write_bytes(b" Key , VALUE\na,1\n")
    assert "1 key" in painted("kv", "build", tmp_path / "P.CSV", "--dataset", "upper").err
    (tmp_path / "p.csv.gz").write_bytes(gzip.compress(BLUE))
    assert "kv build --dataset packed --csv -'" in painted("kv", "build", tmp_path / "p.csv.gz", "--dataset", "packed").err


def test_a_value_that_is_longer_than_this_host_permits(painted: Commands, tmp_path: Path) -> None:
    """A dataset from a machine with another kv_max_value: what serves it counts on its own limit."""
    long = b'{"key":"k","text":"' + b"x" * 2000 + b'"}\n'
    assert painted("kv", "build", "-", "--dataset", "long", stdin=long).code == 0
    done = painted("kv", "use", "shop", "long", N2K_KV_MAX_VALUE="1999")
    assert done.code != 0 and "a value of 2000 bytes, and kv_max_value is 1999" in done.err
    assert painted("kv", "use", "shop", "long", N2K_KV_MAX_VALUE="2000").code == 0


def test_a_pipe_is_no_dataset(painted: Commands) -> None:
    """Nobody waits for a writer that never comes."""
    os.mkfifo(painted.data_dir / "datasets" / "pipe.mdb")
    assert painted("kv", "use", "shop", "pipe").code == 127
    assert "pipe" in painted("kv", "datasets").out and "datasets/pipe" in painted("check").out
    painted.damaged = True


@pytest.mark.measured
def test_an_export_is_a_dataset(painted: Commands, tmp_path: Path) -> None:
    """All that is seen, with flags; what expired and sequences are left out and counted; the last of a key counts."""
    painted("kv", "use", "shop", "red")
    put(painted, "own", "1")
    assert painted("kv", "export", "shop", tmp_path / "all.jsonl").code == 0
    more = b'{"sequence":"s","next":"5"}\n{"key":"own","text":"2"}\n{"key":"old","text":"","expires_ms":5}\n'
    with (tmp_path / "all.jsonl").open("ab") as file:
        file.write(more)
    built = painted("kv", "build", tmp_path / "all.jsonl", "--dataset", "all")
    assert built.code == 0 and "3 keys" in built.err and "1 replaced" in built.err
    assert "1 expired, 1 sequence left out" in built.err
    painted("kv", "use", "shop", "all")
    assert [get(painted, key) for key in ("colour", "own", "old")] == ["red", "2", None]
    assert json.loads(painted("kv", "stat", "--json", "shop", "n").out)["flags"] == 7


def test_built_elsewhere(painted: Commands, tmp_path: Path) -> None:
    """Without a data directory; the file is moved into place, and is used as others are."""
    there = Commands(tmp_path / "there")
    built = there("kv", "build", "-", "--dataset", "green", "--to", tmp_path / "out", "--json", stdin=b'{"key":"k","text":"g"}')
    assert (built.code, json.loads(built.out)["dataset"], json.loads(built.out)["keys"]) == (0, "green", 1)
    assert not (tmp_path / "there").exists()
    (made,) = (tmp_path / "out").iterdir()
    assert (made.name, made.stat().st_mode & 0o777) == ("green.mdb", 0o600)
    made.rename(painted.data_dir / "datasets" / made.name)
    assert painted("kv", "use", "shop", "green").code == 0
    assert get(painted, "k") == "g"
    assert painted("check").code == 0


BAD = [
    (b'{"key":"a","text":""}\nnonsense\n', (), "line 2: bad item: it is not JSON"),
    (b'{"key":"a","text":"' + b"x" * 70_000 + b'"}', (), "line 1: the value has 70000 bytes"),
    (b"x" * 10_000_000, (), "line 1: bad item: it has more than"),
    (b"\0\xff\xfe garbage", (), "line 1: bad item: it is not UTF-8"),
    (b"a,b\nc\n", ("--csv",), "line 2: bad item: it has 1 column, a key and a value are wanted"),
    (b"a,\xff\n", ("--csv",), "line 1: bad item: it is not UTF-8"),
    (b"\xff,a\n", ("--csv",), "line 1: bad key: it is not UTF-8"),
    (b'a,"b"c\n', ("--csv",), "line 1: bad item: it is not csv"),
    (b'a,"' + b"b" * 10_000_000, ("--csv",), "bad item: it is not csv"),
    (b"," * 100, ("--csv",), "line 1: bad item: it has 101 columns"),
    (b"x" * 501 + b",v", ("--csv",), "line 1: bad key: it has 501 bytes"),
]


@pytest.mark.parametrize(("text", "options", "why"), BAD, ids=range(len(BAD)))
def test_a_bad_line_makes_no_dataset(shop: Commands, text: bytes, options: tuple[str, ...], why: str) -> None:
    """Each is named; nothing is left, and the name is free."""
    done = shop("kv", "build", "-", "--dataset", "bad", *options, stdin=text)
    assert done.code == 115 and why in done.err and "no dataset was made" in done.err, done.err
    assert shop("kv", "datasets").out == ""
    assert shop("kv", "build", "-", "--dataset", "bad", "--empty", stdin=b"").code == 0


@pytest.mark.measured
def test_what_is_refused(painted: Commands) -> None:
    """Names that are paths, or taken, or unknown; the dataset that is shown stays."""
    painted("kv", "use", "shop", "red")
    for name in ("../red", "none", ".red", "a/b", "x" * 65, ""):
        assert painted("kv", "build", "-", "--dataset", name, stdin=b"").code == 129
    assert painted("kv", "build", "-", "--dataset", "red", stdin=b"").code == 128
    assert painted("kv", "use", "shop", "../red").code == 129
    assert painted("kv", "use", "shop", "green").code == 126
    assert painted("kv", "use", "nowhere", "red").code == 102
    assert painted("kv", "use", "--carry", "--fresh", "shop", "blue").code == 2
    (painted.data_dir / "datasets" / "blue.mdb").write_bytes(b"short")
    assert painted("kv", "use", "shop", "blue").code == 127
    assert painted("check").code != 0 and "blue" in painted("check").out
    assert get(painted, "colour") == "red"
    (painted.data_dir / "datasets" / "blue.mdb").unlink()


@pytest.mark.measured
def test_one_that_cannot_be_used_hides_no_other(painted: Commands) -> None:
    """It is listed with its problem, and the exit code is that of the first; so is one that is shown, whose file is gone."""
    painted("kv", "use", "shop", "red")
    folder = painted.data_dir / "datasets"
    for name in ("blue.mdb", "foreign.mdb"):
        (folder / name).write_bytes(b"no dataset\n" * 1000)
    (folder / "folder.mdb").mkdir()
    (folder / "red.mdb").rename(folder / "red")
    listed = painted("kv", "datasets")
    rows = [line.split("\t") for line in listed.out.splitlines()]
    assert [row[:5] for row in rows] == [
        ["blue", "-", "-", "-", "-"],
        ["folder", "-", "-", "-", "-"],
        ["foreign", "-", "-", "-", "-"],
        ["red", "-", "-", "-", "shop"],
    ]
    words = ("no seal", "folder.mdb", "no seal", "no dataset 'red'")
    assert [word for word, row in zip(words, rows, strict=True) if word not in row[5]] == []
    assert listed.code == 127 and listed.err.splitlines()[-1].endswith(rows[0][5])
    (folder / "red").rename(folder / "red.mdb")
    found = [json.loads(line) for line in painted("kv", "datasets", "--json").out.splitlines()]
    assert [(each["name"], each["keys"], each["namespaces"], bool(each["problem"])) for each in found] == [
        ("blue", None, [], True),
        ("folder", None, [], True),
        ("foreign", None, [], True),
        ("red", 2, ["shop"], False),
    ]
    (folder / "folder.mdb").rmdir()
    for name in ("blue", "foreign"):
        assert painted("kv", "remove", "--yes", name).code == 0
    assert painted("kv", "datasets").code == 0 and painted("check").code == 0


def test_a_damaged_namespace_hides_no_dataset(painted: Commands) -> None:
    """All are listed; none is removed, because it might show it."""
    painted("kv", "use", "shop", "red")
    (painted.data_dir / "keyvalue" / "shop" / "data.mdb").write_bytes(b"damaged" * 1000)
    listed = painted("kv", "datasets")
    assert listed.code == 0 and [line.split("\t")[0] for line in listed.out.splitlines()] == ["blue", "red"]
    assert painted("kv", "remove", "--yes", "red").code == 121
    assert (painted.data_dir / "datasets" / "red.mdb").exists()
    painted.damaged = True


@pytest.mark.measured
def test_removing(painted: Commands) -> None:
    """Not what is shown, nor what is not there; later writes are kept, and are there again, unless they are to go."""
    painted("kv", "use", "shop", "red")
    put(painted, "own", "1")
    refused = painted("kv", "remove", "--yes", "red")
    assert refused.code == 125 and "shop" in refused.err and get(painted, "colour") == "red"
    painted("kv", "use", "shop", "blue")
    asked = painted("kv", "remove", "red")
    assert asked.code == 2 and "--yes" in asked.err
    removed = painted("kv", "remove", "--yes", "red")
    assert (removed.code, removed.err) == (0, "removed: red, its later writes are kept in shop\n")
    assert [path.name for path in (painted.data_dir / "datasets").iterdir()] == ["blue.mdb"]
    assert painted("kv", "remove", "--yes", "red").code == 126
    assert painted("kv", "remove", "--yes", "../shop").code == 129
    assert painted("kv", "build", "-", "--dataset", "red", stdin=b'{"key":"colour","text":"crimson"}').code == 0
    assert painted("kv", "use", "shop", "red").code == 0
    assert [get(painted, key) for key in ("colour", "own")] == ["crimson", "1"]
    painted("kv", "use", "shop", "blue")
    (painted.data_dir / "datasets" / "red.mdb").unlink()
    gone = painted("kv", "remove", "--later", "--yes", "red")
    assert (gone.code, gone.err) == (0, "removed: red, with its later writes in shop\n")
    assert painted("kv", "remove", "--later", "--yes", "red").code == 126
    painted("kv", "build", "-", "--dataset", "red", stdin=RED)
    painted("kv", "use", "shop", "red")
    assert [get(painted, key) for key in ("colour", "own")] == ["red", None]
    assert painted("check").code == 0


def test_what_is_possible_without_the_file_that_is_shown(painted: Commands) -> None:
    """The namespace is listed, compacted, and dropped; what reads values, or stores one, says what is missing."""
    painted("kv", "use", "shop", "red")
    put(painted, "own", "1")
    (painted.data_dir / "datasets" / "red.mdb").unlink()
    listed = painted("kv", "namespaces")
    assert (listed.code, listed.out.split("\t")[:4:3]) == (0, ["shop", "1"])
    assert json.loads(painted("kv", "stat", "--json", "shop").out)["dataset"] == "red"
    for command in (("get", "shop", "own"), ("put", "shop", "own"), ("list", "shop"), ("export", "shop", "-")):
        done = painted("kv", *command, stdin=b"2")
        assert (done.code, done.out) == (54, "") and "'red'" in done.err, done
    checked = painted("check")
    assert checked.code == 48 and "'red'" in checked.out and "n2k kv use" in checked.err
    assert painted("kv", "compact", "shop").code == 0
    painted("kv", "build", "-", "--dataset", "red", stdin=RED)
    assert painted("kv", "use", "shop", "red").code == 0
    assert [get(painted, key) for key in ("colour", "own")] == ["red", "1"]
    (painted.data_dir / "datasets" / "red.mdb").unlink()
    assert painted("kv", "drop", "--yes", "shop").code == 0
    assert painted("check").code == 0
