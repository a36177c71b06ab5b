"""Dump files: told by content, streamed, refused when broken."""

import bz2
import gzip
import io
import lzma
import os
import shutil
import threading
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from n2k_fcgi.errors import DumpBroken, DumpChanged, DumpNotUnderstood, DumpTooLarge, DumpUnreadable
from n2k_fcgi.service.dumps import Dump

CONTENT = b"".join(b"%032x,Name%d\n" % (n, n) for n in range(1, 60_000))


def _zip(data: bytes, *names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, data if name.endswith(".csv") else b"read me")
    return buffer.getvalue()


PACK: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "bz2": bz2.compress,
    "gz": gzip.compress,
    "xz": lzma.compress,
    "zip": lambda data: _zip(data, "README", "tmp/name2key.csv"),
}


def _read(path: Path, **options: int) -> bytes:
    with Dump(path, **options) as dump:
        return b"".join(dump.blocks())


@pytest.fixture(params=["alone", "programs", "package"])
def jobs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How a dump is unpacked: by the standard library, by lbzip2 and pigz, by indexed_bzip2. Gives ``jobs``."""
    if request.param == "package":
        monkeypatch.setenv("PATH", "")
        assert find_spec("indexed_bzip2")
    elif request.param == "programs":
        assert shutil.which("lbzip2") and shutil.which("pigz")
    return 1 if request.param == "alone" else 2


@pytest.mark.parametrize("kind", PACK)
def test_content_tells_the_format(tmp_path: Path, kind: str, jobs: int) -> None:
    """The name lies; the content is read all the same, and its checksum is of the packed file."""
    import hashlib

    packed = PACK[kind](CONTENT)
    path = tmp_path / "dump.gz.txt"
    path.write_bytes(packed)
    with Dump(path, jobs=jobs) as dump:
        assert b"".join(dump.blocks()) == CONTENT
        assert (dump.kind, dump.size, dump.sha256) == (kind, len(packed), hashlib.sha256(packed).hexdigest())


STREAMS = ["bz2", "gz", "xz"]


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("padding", [b"", b"\0" * 512])
def test_several_streams_in_one_file_are_read_to_the_end(tmp_path: Path, jobs: int, kind: str, padding: bytes) -> None:
    """Parallel packers write such files; tapes pad them with zeros."""
    if kind == "xz" or (jobs > 1 and padding):
        padding = padding[:0]
    path = tmp_path / "dump"
    path.write_bytes(PACK[kind](b"a,b\n") + padding + PACK[kind](CONTENT) + padding)
    assert _read(path, jobs=jobs) == b"a,b\n" + CONTENT


@pytest.mark.parametrize("kind", STREAMS)
def test_what_follows_an_archive_and_is_none_is_damage(tmp_path: Path, kind: str) -> None:
    """A second stream whose first bytes were hit would else be left out without a word."""
    path = tmp_path / "dump"
    path.write_bytes(PACK[kind](b"a,b\n") + b"X" + PACK[kind](CONTENT))
    with pytest.raises(DumpBroken):
        _read(path)


@pytest.mark.parametrize("kind", PACK)
def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path, kind: str) -> None:
    """Half a download is no dump, even where its end looks like one."""
    path = tmp_path / "dump"
    path.write_bytes(PACK[kind](CONTENT))
    with Dump(path) as dump, pytest.raises(DumpChanged, match="written to while it was read"):
        for number, _ in enumerate(dump.blocks()):
            if number == 0:
                with path.open("ab") as more:
                    more.write(b"" if kind == "zip" else PACK[kind](b"c,d\n"))
                os.utime(path)


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
    """Wherever it was cut."""
    packed = PACK[kind](CONTENT)
    path = tmp_path / "dump"
    path.write_bytes(packed[: int(len(packed) * part)])
    with pytest.raises(DumpBroken, match="fetch it again"):
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
    """Not unpacked twice, and not read as garbage lines."""
    path = tmp_path / "dump"
    path.write_bytes(gzip.compress(bz2.compress(CONTENT)))
    with pytest.raises(DumpNotUnderstood, match="archive in an archive"):
        _read(path)


def test_a_bomb_is_stopped(tmp_path: Path) -> None:
    """``max_bytes`` bounds what is unpacked."""
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
    """A zip has its directory at its end; the others stream."""
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
