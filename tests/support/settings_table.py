"""Writes docs/settings.md from the table: ``python -m tests.support.settings_table > docs/settings.md``."""

import sys

from n2k_fcgi.config import SECTION, TABLE, Setting, variable
from n2k_fcgi.store.datadir import SETTINGS_FILE

INTRODUCTION = f"""\
# Settings

A setting has a default; the settings file overrides it, an environment variable overrides that, and an option on the
command line overrides all. `n2k config` prints the settings in force and where each came from.

The file is `{SETTINGS_FILE}` in the data directory (`n2k init` writes one), or the one that `--config` or `N2K_CONFIG`
names, at most 1 MiB and no pipe. It has one section:

    [{SECTION}]
    log_level = DEBUG
    grids = Production, Testing, OpenSim

An unknown name, an invalid value and a contradiction are rejected, with the place where they were found. Servers follow
the file: an edit takes effect within a second; an invalid one is logged, and the previous settings are kept.

Sizes are bytes, or have a K, M or G behind them (powers of 1024). Paths may start with `~`.

| Setting | Default | Values | Environment | Meaning |
|---|---|---|---|---|
"""


def settings_table() -> str:
    """The whole page, Markdown."""
    return INTRODUCTION + "".join(_row(setting) for setting in TABLE)


def _row(setting: Setting) -> str:
    default = f"`{setting.default}`" if setting.default else "(empty)"
    cells = [f"`{setting.name}`", default, _values(setting), f"`{variable(setting.name)}`", setting.meaning]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _values(setting: Setting) -> str:
    """What the parser says it wants, when it is given nothing."""
    try:
        setting.parse("")
    except ValueError as reason:
        return str(reason).partition(" (")[0]
    return "any text, or empty"


if __name__ == "__main__":
    sys.stdout.write(settings_table())
