"""This package in another program: a data directory opened beside the servers that use it."""
