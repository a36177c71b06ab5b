"""Building a generation as the differences against a whole one, its base: of each name and key whose answer differs, all of it.

numbers (which origin a number means) · dump_order, name_join (the dump beside the live names: what came, what is gone)
-> key_changes (their keys) -> name_changes (their names) -> build (one file); folding (a whole generation again)
"""
