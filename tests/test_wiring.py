"""What is made of the settings."""

from pathlib import Path

from n2k_fcgi.config import load
from n2k_fcgi.model.grids import Grid
from n2k_fcgi.wiring import grids


def test_the_grids_are_those_of_the_settings(tmp_path: Path) -> None:
    """Labels and shards, the default grid in its known spelling, and how many others registrations may create."""
    flags = {"data_dir": str(tmp_path), "grids": "Production, Mine=OpenSim", "default_grid": "mine", "max_grids": "3"}
    made = grids(load(environment={}, flags=flags).settings)
    assert made.known == (Grid("Production", "Production"), Grid("Mine", "OpenSim"))
    assert (made.labels, made.default, made.most_new) == (("Production", "Mine"), "Mine", 3)
    assert (made.parse("MINE"), made.of_shard("opensim"), made.parse("OpenSim")) == ("Mine", "Mine", "opensim")
