"""Generations and captures as earlier versions wrote them."""

import json
from pathlib import Path
from typing import Any

import lmdb

from n2k_fcgi.model.keys import parse_key
from n2k_fcgi.model.names import canonical
from n2k_fcgi.store.base import Store
from n2k_fcgi.store.datadir import CAPTURES, DATA_FILE, GENERATIONS, MANIFEST
from n2k_fcgi.store.lmdb.layout import FORMAT_KEY, FORMER, HELD, ID_KEY, META, NAMES, SIZES_KEY

FORMAT_OF_CAPTURES = b"mformat"


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


def put_captures(data_dir: Path, number: int, captures: dict[str, list[dict[str, Any]]]) -> None:
    """Put captures, rows by key, and a token into captures.mdb as format 1 or 2 had them: without what came later."""
    token = {"digest": "00" * 32, "scopes": ["register"], "grid": None, "created": 5, "revoked": False}
    env = lmdb.open(str(data_dir / CAPTURES), subdir=False)
    with env.begin(write=True) as transaction:
        for key, rows in captures.items():
            transaction.put(b"k" + parse_key(key), json.dumps(rows).encode())
            for name in [name for row in rows for name in (row["name"], *(former for former, _ in row["former"]))]:
                transaction.put(b"n" + canonical(name).encode(), parse_key(key))
        transaction.put(b"t0123456789ab", json.dumps(token).encode())
        transaction.put(FORMAT_OF_CAPTURES, b"%d" % number)
    env.close()


def format_of_captures(data_dir: Path) -> int:
    """The format that captures.mdb says it has."""
    env = lmdb.open(str(data_dir / CAPTURES), subdir=False, readonly=True, lock=False)
    with env.begin() as transaction:
        number = int(transaction.get(FORMAT_OF_CAPTURES) or 0)
    env.close()
    return number
