"""What settings become."""

import json
from pathlib import Path

import pytest

from n2k_fcgi.config import load
from n2k_fcgi.errors import StoreUnreadable
from n2k_fcgi.model.grids import Grid
from n2k_fcgi.wiring import grids, log_path, store_options, unavailable
from tests.support.asking import wsgi


def test_the_grids_are_those_of_the_settings(tmp_path: Path) -> None:
    """Labels and shards, the default grid in its known spelling, and how many others registrations may create."""
    flags = {"data_dir": str(tmp_path), "grids": "Production, Mine=OpenSim", "default_grid": "mine", "max_grids": "3"}
    made = grids(load(environment={}, flags=flags).settings)
    assert made.known == (Grid("Production", "Production"), Grid("Mine", "OpenSim"))
    assert (made.labels, made.default, made.most_new) == (("Production", "Mine"), "Mine", 3)
    assert (made.parse("MINE"), made.of_shard("opensim"), made.parse("OpenSim")) == ("Mine", "Mine", "opensim")


def test_a_service_that_cannot_start_answers_in_the_form_of_the_address() -> None:
    """One line for scripts, an object for JSON callers, with the status of the problem; a body is not read."""
    ask = wsgi(unavailable(StoreUnreadable(path="/secret/path", why="it is gone")))
    for method, target, body in (("GET", "/?name=Masakazu+Kojima", b""), ("POST", "/", b"name=x&key=y" * 20_000)):
        reply = ask(method, target, {}, body)
        assert reply.status == StoreUnreadable.status
        assert reply.body.endswith(b"\n") and reply.body.count(b"\n") == 1 and b"secret" not in reply.body
    reply = ask("GET", "/api/v1/lookup?name=Masakazu+Kojima", {}, b"")
    assert reply.status == StoreUnreadable.status and json.loads(reply.body)


@pytest.mark.parametrize(
    ("log_file", "expected"),
    [("", "log/n2k.log"), ("-", None), ("n2k.log", "n2k.log"), ("/var/log/n2k.log", "/var/log/n2k.log")],
)
def test_where_the_log_is(tmp_path: Path, log_file: str, expected: str | None) -> None:
    """In the data directory unless its path is absolute; "-" is standard error."""
    settings = load(None, flags={"data_dir": str(tmp_path), "log_file": log_file}).settings
    assert log_path(settings) == (None if expected is None else str(tmp_path / expected))


def test_an_edit_opens_the_store_anew_only_if_the_store_is_made_from_it(tmp_path: Path) -> None:
    """Another limit leaves the store, and long answers under way, alone; another size of its maps does not."""
    before, limit, size = (
        store_options(load(None, flags={"data_dir": str(tmp_path), **flags}).settings)
        for flags in ({}, {"write_limit": "7"}, {"map_resident": "32M"})
    )
    assert before == limit != size
