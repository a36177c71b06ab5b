"""What an avatar is: names, keys, grids. No I/O, no settings."""
