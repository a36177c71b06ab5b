"""Generations as earlier versions wrote them."""

import json
from pathlib import Path

import lmdb

from n2k_fcgi.store.base import Store
from n2k_fcgi.store.datadir import DATA_FILE, GENERATIONS, MANIFEST
from n2k_fcgi.store.lmdb.layout import FORMAT_KEY, FORMER, HELD, ID_KEY, META, NAMES, SIZES_KEY


def as_format(data_dir: Path, store: Store, name: str, number: int) -> None:
    """Remove from a whole generation what format 1 or 2 did not have."""
    store.close()
    folder = data_dir / GENERATIONS / name
    env = lmdb.open(str(folder / DATA_FILE), subdir=False, lock=False, max_dbs=8)
    with env.begin(write=True) as transaction:
        for database in (NAMES, FORMER):
            opened = env.open_db(database, txn=transaction)
            for db_key, value in list(transaction.cursor(opened)):
                bare = b"".join(value[at : at + 17] for at in range(0, len(value), 18))
                transaction.put(db_key, bare, db=opened)
        if number == 1:
            transaction.drop(env.open_db(HELD, txn=transaction))
        meta = env.open_db(META, txn=transaction)
        transaction.put(FORMAT_KEY, b"%d" % number, db=meta)
        for db_key in (SIZES_KEY, ID_KEY):
            transaction.delete(db_key, db=meta)
    env.close()
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["base"]
    size = (folder / DATA_FILE).stat().st_size
    (folder / MANIFEST).write_text(json.dumps({**manifest, "format": number, "bytes": size}))
