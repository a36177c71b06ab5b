"""``n2k config`` and ``n2k stats``."""

import json

import pytest

from tests.support.commands import Commands, Done


def test_where_each_setting_came_from(n2k: Commands) -> None:
    """One line per setting, with its origin: default, file, variable or command line."""
    n2k("init")
    settings = n2k.data_dir / "n2k.ini"
    settings.write_text("[n2k]\nkeep = 3\nmax_body = 64K\n")
    lines = n2k("config", N2K_KEEP="4", N2K_SHARE_WITH_GROUP="yes").out.splitlines()
    assert lines[0] == f"data_dir = {n2k.data_dir}\t(command line)"
    assert {
        "keep = 4\t(N2K_KEEP)",
        f"max_body = 65536\t({settings})",
        "share_with_group = yes\t(N2K_SHARE_WITH_GROUP)",
        "register = token\t(default)",
        "grids = Production, Testing, OpenSim\t(default)",
    } < set(lines)


@pytest.mark.measured
def test_config_as_json(n2k: Commands) -> None:
    """--json gives value and origin of each."""
    shown = json.loads(n2k("config", "--json").out)
    assert shown["keep"] == {"value": 2, "from": "default"}
    assert shown["data_dir"] == {"value": str(n2k.data_dir), "from": "command line"}


@pytest.mark.measured
def test_a_password_in_the_update_source_is_not_shown(n2k: Commands) -> None:
    """Settings are pasted into bug reports."""
    shown = n2k("config", N2K_UPDATE_SOURCE="https://me:secret@example.org/dump.bz2?key=hidden").out
    assert "update_source = https://example.org/dump.bz2\t" in shown and "secret" not in shown and "hidden" not in shown


@pytest.mark.parametrize("token", ["n2k_0123_4567", "abc.def"])
def test_a_token_is_not_shown(n2k: Commands, token: str) -> None:
    """Neither as text nor as JSON, nor in the message about one that cannot be sent."""
    for options in ([], ["--json"]):
        shown = n2k("config", *options, N2K_UPDATE_TOKEN=token).out
        assert "(set, not shown)" in shown and "N2K_UPDATE_TOKEN" in shown and token not in shown
    done = n2k("config", N2K_UPDATE_TOKEN=f"{token} {token}")
    assert done.code != 0 and "update_token" in done.err and token not in done.err
    assert "update_token = \t(default)" in n2k("config").out


def test_the_environment_names_directory_and_file(n2k: Commands) -> None:
    """N2K_DIR works like --dir, N2K_CONFIG like --config."""
    n2k("init")
    file = n2k.data_dir.parent / "other.ini"
    file.write_text(f"[n2k]\ndata_dir = {n2k.data_dir}\n")
    for variables in ({"N2K_DIR": str(n2k.data_dir)}, {"N2K_CONFIG": str(file)}):
        assert n2k.bare("stats", **variables).out.startswith("generation: none\n")
    assert n2k.bare("--config", file, "config").out.startswith(f"data_dir = {n2k.data_dir}\t({file})\n")


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("[n2k]\nkep = 3\n", 80, "setting 'kep' ("),
        ("[n2k]\nkeep = none\n", 80, "a whole number from 1 to 100"),
        ("[other]\nkeep = 3\n", 80, "the only section is [n2k]"),
        ("keep = 3\n", 81, "cannot read the settings file "),
    ],
)
def test_broken_settings(n2k: Commands, text: str, code: int, message: str) -> None:
    """A mistake in the settings file stops every command, with one line that says where it is."""
    n2k("init")
    settings = n2k.data_dir / "n2k.ini"
    whole = settings.read_text()
    settings.write_text(text)
    for command in (["stats"], ["lookup", "x"], ["import", "-"]):
        done = n2k(*command)
        assert (done.code, done.out, done.err.count("\n")) == (code, "", 1)
        assert message in done.err and str(settings) in done.err
    settings.write_text(whole)


def test_an_unknown_variable(n2k: Commands) -> None:
    """A misspelt variable is refused rather than ignored."""
    done = n2k("config", N2K_KEPE="3")
    assert (done.code, done.err) == (80, "n2k: setting 'N2K_KEPE' (environment): no such setting; see 'n2k config'\n")


def counts_of(stats: Done) -> str:
    """What is stored, as ``n2k stats`` says it before what the service did (``test_stats.py``)."""
    return stats.out.partition("lookups in 24 hours")[0]


@pytest.mark.measured
def test_stats_before_the_first_import(n2k: Commands) -> None:
    """An empty directory says so."""
    n2k("init")
    assert counts_of(n2k("stats")) == (
        "generation: none\navatars: 0\nnames: 0\nformer names: 0\nas of: -\n"
        "captures: 0\nevicted: 0\ntokens: 1\nforgotten: 0\npending: 0\n"
        "kv sync: always, a write is on the disk before it is acknowledged\n"
    )


def test_stats_count(peopled: Commands) -> None:
    """Avatars, names, former names, captures and tokens as they are."""
    peopled("register", "New Comer", "11111111-1111-4111-8111-111111111111")
    assert counts_of(peopled("stats")) == (
        f"generation: {peopled.live()}\navatars: 3\nnames: 3\nformer names: 0\n"
        "as of: 2026-01-02T00:00:00Z\ncaptures: 1\nevicted: 0\ntokens: 0\nforgotten: 0\npending: 0\n"
        "kv sync: always, a write is on the disk before it is acknowledged\n"
    )
    assert json.loads(peopled("stats", "--json").out)["as_of"] == 1_767_312_000
