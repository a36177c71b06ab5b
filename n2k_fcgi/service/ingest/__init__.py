"""A dump becomes a generation, one module a step:

    dumps (bytes) -> encoding (UTF-8) -> dialect, lines (rows, bad lines) -> runs (sorted spills) -> keys, names (merged,
    appended) -> publish

The memory it takes does not grow with the dump: rows are held for one run or one range at a time.
"""
