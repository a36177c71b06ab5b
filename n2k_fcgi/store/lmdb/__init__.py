"""The store on one host: LMDB files that many processes map and read."""
