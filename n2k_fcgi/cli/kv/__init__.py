"""The commands of ``n2k kv``. Each names its namespace first."""
