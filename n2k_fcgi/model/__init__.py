"""Values: names, keys, grids, avatars and what is stored of them. No I/O, no settings."""
