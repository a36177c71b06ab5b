"""The nightly run: download a dump when it changed, check it, import it."""
