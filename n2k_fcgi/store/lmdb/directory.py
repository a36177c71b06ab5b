"""Making a data directory."""

from pathlib import Path

from n2k_fcgi.files import Modes, refuse_os_error, sync_folder
from n2k_fcgi.store.lmdb.captures import captures_file
from n2k_fcgi.store.lmdb.layout import GENERATIONS


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
