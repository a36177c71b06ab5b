"""A data directory: making one, and what it says of the file system below it."""

from pathlib import Path

from n2k_fcgi.store.lmdb.captures import captures_file
from n2k_fcgi.store.lmdb.environment import refuse_os_error, sync_folder
from n2k_fcgi.store.lmdb.layout import GENERATIONS, Modes

NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs", "fuse.glusterfs"}
)
"""Where LMDB must not be written: its lock and its map do not reach the other hosts (lmdb.h, "Caveats")."""

MOUNTS = Path("/proc/self/mountinfo")


def create_directory(data_dir: Path, modes: Modes) -> None:
    """Make the data directory with an empty captures file; what is there stays. Raises StoreUnreadable, StoreFull."""
    for folder in (data_dir, data_dir / GENERATIONS):
        try:
            if not folder.is_dir():
                folder.mkdir(mode=modes.directory, parents=True)
                folder.chmod(modes.directory)
        except OSError as error:
            refuse_os_error(folder, error)
    file = captures_file(data_dir, modes)
    try:
        file.create()
    finally:
        file.close()
    sync_folder(data_dir)


def file_system(path: Path) -> str:
    """The type of the file system that *path* is (or would be) on, such as ``ext4``; '' when it cannot be told."""
    try:
        lines = MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    place = str(path.resolve())
    best, kind = "", ""
    for line in lines:
        # mountinfo(5): id parent major:minor root mount-point options optional... - type source super-options
        left, _, right = line.partition(" - ")
        point = left.split(" ")[4].encode().decode("unicode_escape")
        inside = place == point or place.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, right.split(" ")[0]
    return kind
