"""Dump files: recognized, unpacked, read as batches of rows, and written."""
