"""How much of one name and one key an engine keeps, and reads for an answer; how large differences may grow."""

MOST_FORMER = 64
"""Former names of one key on one grid that captures keep. Captures from before that bound keep more, which are found."""

MOST_KEYS = 64
"""Keys of one name on one grid that captures keep, and that an answer reads, however many are stored."""

REBUILD = 10.0
"""Percent of a whole generation's avatars that differences may have; above, a whole generation is built."""
