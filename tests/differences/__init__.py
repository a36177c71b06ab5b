"""Generations as differences: built, read, rebuilt and purged."""
