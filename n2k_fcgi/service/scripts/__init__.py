"""The LSL scripts: listed, and filled in."""
