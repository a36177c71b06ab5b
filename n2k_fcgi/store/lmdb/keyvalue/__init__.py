"""The key-value service on LMDB: one file per namespace, ``keyvalue/NAMESPACE/data.mdb``."""
