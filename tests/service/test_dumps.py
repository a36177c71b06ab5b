"""Dump files: recognised by content, streamed, rejected if broken."""

import bz2
import gzip
import hashlib
import io
import lzma
import os
import shutil
import sys
import threading
import zipfile
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from n2k_fcgi.errors import DumpBroken, DumpChanged, DumpNotUnderstood, DumpTooLarge, DumpUnreadable
from n2k_fcgi.service.dumps.reading import Dump

pytestmark = pytest.mark.unmeasured

CONTENT = b"".join(b"%032x,Name%d\n" % (n, n) for n in range(1, 60_000))


def _zip(data: bytes, *names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, data if name.endswith(".csv") else b"read me")
    return buffer.getvalue()


PACK: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "bz2": lru_cache(bz2.compress),
    "gz": lru_cache(gzip.compress),
    "xz": lru_cache(lzma.compress),
    "zip": lambda data: _zip(data, "README", "tmp/name2key.csv"),
}


def _read(path: Path, **options: int) -> bytes:
    with Dump(path, **options) as dump:
        return b"".join(dump.blocks())


@pytest.fixture(params=["alone", "programs", "package"])
def jobs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How a dump is decompressed: by the standard library, by lbzip2 and pigz, by indexed_bzip2. Yield ``jobs``."""
    if request.param == "package":
        monkeypatch.setenv("PATH", "")
        assert find_spec("indexed_bzip2")
    elif request.param == "programs":
        assert shutil.which("lbzip2") and shutil.which("pigz")
    return 1 if request.param == "alone" else 2


@pytest.mark.parametrize("kind", PACK)
def test_content_tells_the_format(tmp_path: Path, kind: str, jobs: int) -> None:
    """The name is wrong; the content is read anyway, and the checksum is that of the compressed file."""
    packed = PACK[kind](CONTENT)
    path = tmp_path / "dump.gz.txt"
    path.write_bytes(packed)
    with Dump(path, jobs=jobs) as dump:
        assert b"".join(dump.blocks()) == CONTENT
        assert (dump.kind.value, dump.size, dump.sha256) == (kind, len(packed), hashlib.sha256(packed).hexdigest())


@pytest.mark.parametrize("kind", ["bz2", "gz"])
def test_a_program_is_given_the_threads_that_help(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """All jobs for bz2; one for gz, where pigz with more waits 0.1 ms per member: some archives have very many."""
    name = {"bz2": "lbzip2", "gz": "pigz"}[kind]
    program = tmp_path / name
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\nexec {shutil.which(name)} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    path = tmp_path / "dump"
    path.write_bytes(PACK[kind](b"a,b\n") + PACK[kind](b"") * 1000 + PACK[kind](CONTENT))
    assert _read(path, jobs=3) == b"a,b\n" + CONTENT
    assert (tmp_path / "arguments").read_text().split() == ["-dc", *(["-n", "3"] if kind == "bz2" else ["-p", "1"])]


@pytest.mark.parametrize("kind", ["bz2", "gz", "xz"])
def test_very_many_empty_streams(tmp_path: Path, jobs: int, kind: str) -> None:
    """As in a log that was appended to for years, with and without rows between them."""
    path = tmp_path / "dump"
    path.write_bytes(PACK[kind](b"a,b\n") + PACK[kind](b"") * 20_000 + PACK[kind](CONTENT))
    assert _read(path, jobs=jobs) == b"a,b\n" + CONTENT


STREAMS = ["bz2", "gz", "xz"]


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("padding", [b"", b"\0" * 3, b"\0" * 512, b"\0" * 600_000])
def test_several_streams_in_one_file_are_read_to_the_end(tmp_path: Path, jobs: int, kind: str, padding: bytes) -> None:
    """Parallel compressors write such files; tapes pad them with zeros, at which programs stop silently."""
    path = tmp_path / "dump"
    path.write_bytes(PACK[kind](b"a,b\n") + padding + PACK[kind](CONTENT) + padding)
    with Dump(path, jobs=jobs) as dump:
        assert b"".join(dump.blocks()) == b"a,b\n" + CONTENT
        assert dump.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert dump.warnings == ([f"{len(padding)} zeros behind the end of the {kind}: left out"] if padding else [])


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("between", [b"X", b"\0X", b"<!-- -->\n", b"\0" * 70_000 + b"X"])
def test_a_stream_that_is_not_where_the_one_before_ends_is_damage(tmp_path: Path, jobs: int, kind: str, between: bytes) -> None:
    """Otherwise it would be left out, with a warning only."""
    path = tmp_path / "dump"
    path.write_bytes(PACK[kind](b"a,b\n") + between + PACK[kind](CONTENT))
    with pytest.raises(DumpBroken, match="another stream of it is damaged at its beginning"):
        _read(path, jobs=jobs)


def test_a_stream_of_bz2_whose_first_bytes_were_hit_is_damage(tmp_path: Path) -> None:
    """It has a second magic number."""
    path = tmp_path / "dump"
    path.write_bytes(bz2.compress(b"a,b\n") + b"XX" + bz2.compress(CONTENT)[2:])
    with pytest.raises(DumpBroken, match="another stream of it is damaged at its beginning"):
        _read(path)


GARBAGE = {
    "one byte": b"X",
    "a line end": b"\r\n",
    "half a magic": b"B",
    "a comment": b"<!-- cached by a plugin -->\n",
    "noise": bytes(range(1, 256)) * 20,
    "zeros and noise": b"\0" * 99 + b"noise\0\0",
    "much noise": b"\xaa\x55" * 400_000,
    "a header": b"uuid,name\n",
}


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_garbage_behind_an_archive_is_left_out_with_a_warning(tmp_path: Path, jobs: int, kind: str, garbage: bytes) -> None:
    """As gzip does: the content is complete, by its checksum; the warning has the number of bytes."""
    path = tmp_path / "dump"
    path.write_bytes(PACK[kind](CONTENT) + garbage)
    count = len(garbage.lstrip(b"\0"))
    with Dump(path, jobs=jobs) as dump:
        assert b"".join(dump.blocks()) == CONTENT
        assert dump.warnings == [f"{count} bytes after the end of the {kind} stream, which are not {kind}: left out"]
        assert dump.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("gap", [b"", b"\0" * 10, b"\n"])
def test_rows_behind_an_archive_that_are_not_packed_are_refused(tmp_path: Path, jobs: int, kind: str, gap: bytes) -> None:
    """Two concatenated files: ignoring one would lose rows."""
    path = tmp_path / "dump"
    path.write_bytes(PACK[kind](CONTENT) + gap + CONTENT[:4000])
    with pytest.raises(
        DumpNotUnderstood, match=f"lines that are not packed follow the {kind}: unpack it and put them together"
    ):
        _read(path, jobs=jobs)


@pytest.mark.parametrize(("first", "second"), [("gz", "bz2"), ("bz2", "gz"), ("xz", "zip"), ("bz2", "xz")])
def test_another_archive_behind_one_is_refused(tmp_path: Path, jobs: int, first: str, second: str) -> None:
    """Of another kind: named, with what to do."""
    path = tmp_path / "dump"
    path.write_bytes(PACK[first](CONTENT) + PACK[second](CONTENT))
    with pytest.raises(DumpNotUnderstood, match=f"a {second} follows the {first}: unpack both and put them together"):
        _read(path, jobs=jobs)


def test_an_empty_stream_is_one(tmp_path: Path, jobs: int) -> None:
    """Compressors write it for no input; between others it is not the end."""
    for kind in STREAMS:
        path = tmp_path / kind
        path.write_bytes(PACK[kind](b"") + PACK[kind](CONTENT) + PACK[kind](b""))
        with Dump(path, jobs=jobs) as dump:
            assert b"".join(dump.blocks()) == CONTENT and dump.warnings == []


@pytest.mark.parametrize("kind", ["bz2", "gz"])
def test_a_program_that_gives_up_is_no_reason_to_refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """A host may kill it in the middle: the standard library continues at the same place."""
    program = tmp_path / {"bz2": "lbzip2", "gz": "pigz"}[kind]
    module = {"bz2": "bz2", "gz": "gzip"}[kind]
    lines = f"import {module}, os\nos.write(1, {module}.open(0).read(70000))\nos.kill(os.getpid(), 9)\n"
    program.write_text(f"#!{sys.executable}\n{lines}")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "dump"
    path.write_bytes(PACK[kind](CONTENT))
    assert _read(path, jobs=2) == CONTENT


def test_nothing_is_written_past_us(tmp_path: Path, capfd: pytest.CaptureFixture[str], jobs: int) -> None:
    """indexed_bzip2 writes to standard error if it finds garbage, which cron would mail: it gets none."""
    path = tmp_path / "dump"
    for tail in (b"", b"X", b"\0" * 512, bz2.compress(b"c,d\n")):
        path.write_bytes(PACK["bz2"](CONTENT) + tail)
        assert _read(path, jobs=jobs).startswith(CONTENT)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", PACK)
def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path, kind: str) -> None:
    """An incomplete download is rejected, even if its end looks valid."""
    path = tmp_path / "dump"
    path.write_bytes(PACK[kind](CONTENT))
    with Dump(path) as dump, pytest.raises(DumpChanged, match="written to while it was read"):
        for number, _ in enumerate(dump.blocks()):
            if number == 0:
                with path.open("ab") as more:
                    more.write(b"" if kind == "zip" else PACK[kind](b"c,d\n"))
                os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))  # the clock of a file system may stand for some ms


def test_a_file_without_permission_is_told(tmp_path: Path) -> None:
    """Read by cron's user, written by another."""
    path = tmp_path / "dump"
    path.write_bytes(CONTENT)
    path.chmod(0)
    me = os.geteuid()
    try:
        if me == 0:
            os.seteuid(65534)
        with pytest.raises(DumpUnreadable, match="Permission denied"):
            Dump(path)
    finally:
        os.seteuid(me)


@pytest.mark.parametrize("kind", ["bz2", "gz", "xz", "zip"])
@pytest.mark.parametrize("part", [0.05, 0.5, 0.99])
def test_a_truncated_archive_is_broken(tmp_path: Path, kind: str, part: float, jobs: int) -> None:
    """Truncated at any place."""
    packed = PACK[kind](CONTENT)
    path = tmp_path / "dump"
    path.write_bytes(packed[: int(len(packed) * part)])
    with pytest.raises(DumpBroken, match="download it again"):
        _read(path, jobs=jobs)


@pytest.mark.parametrize("kind", ["bz2", "gz", "xz", "zip"])
def test_a_flipped_bit_is_noticed(tmp_path: Path, kind: str, jobs: int) -> None:
    """Checksums of the archive are verified."""
    packed = bytearray(PACK[kind](CONTENT))
    packed[len(packed) // 2] ^= 16
    path = tmp_path / "dump"
    path.write_bytes(packed)
    with pytest.raises(DumpBroken):
        _read(path, jobs=jobs)


def test_an_archive_in_an_archive_is_refused(tmp_path: Path) -> None:
    """It is neither decompressed twice nor read as garbage lines."""
    path = tmp_path / "dump"
    path.write_bytes(gzip.compress(bz2.compress(CONTENT)))
    with pytest.raises(DumpNotUnderstood, match="archive in an archive"):
        _read(path)


def test_a_bomb_is_stopped(tmp_path: Path) -> None:
    """``max_bytes`` limits the decompressed size."""
    path = tmp_path / "dump"
    path.write_bytes(gzip.compress(b"x" * 30_000_000))
    with pytest.raises(DumpTooLarge, match="2000000"):
        _read(path, max_bytes=2_000_000)


def test_what_the_system_refuses_is_said(tmp_path: Path) -> None:
    """A missing file and a directory."""
    for path, why in ((tmp_path / "nothing", "No such file"), (tmp_path, "directory")):
        with pytest.raises(DumpUnreadable, match=why):
            Dump(path)


@pytest.mark.parametrize("kind", PACK)
def test_a_pipe_is_read_and_a_zip_on_one_refused(tmp_path: Path, kind: str) -> None:
    """A zip has its directory at its end; other formats are streamed."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    def feed() -> None:
        try:
            fifo.write_bytes(PACK[kind](CONTENT))
        except BrokenPipeError:
            return

    writer = threading.Thread(target=feed)
    writer.start()
    try:
        if kind == "zip":
            with pytest.raises(DumpNotUnderstood, match="pipe"):
                Dump(fifo)
        else:
            with Dump(fifo) as dump:
                assert dump.size is None and b"".join(dump.blocks()) == CONTENT
    finally:
        writer.join()
