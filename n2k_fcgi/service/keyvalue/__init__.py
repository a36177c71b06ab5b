"""The key-value service: a place for scripts and programs to keep data."""
