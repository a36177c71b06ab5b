"""Where avatars are kept. ``base`` says what a store promises, ``lmdb`` keeps it on one host."""
