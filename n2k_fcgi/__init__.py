"""name2key and key2name for Second Life and OpenSimulator, on a shared host."""

__version__ = "0.1.0"
