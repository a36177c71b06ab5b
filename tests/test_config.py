"""Settings: where they come from, what is refused and with which words, and their page in the documentation."""

import configparser
import os
from pathlib import Path

import pytest

from n2k_fcgi.config import TABLE, Loaded, Setting, Settings, file_stamp, ini, load, variable
from n2k_fcgi.errors import BadSetting, ConfigUnreadable
from n2k_fcgi.model.grids import Grid
from n2k_fcgi.store.datadir import SETTINGS_FILE
from tests.support.settings_table import settings_table

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"


def written(folder: Path, *lines: str) -> Path:
    """A settings file of these lines in *folder*."""
    file = folder / SETTINGS_FILE
    file.write_text("\n".join(["[n2k]", *lines, ""]), "utf-8")
    return file


def given(name: str, text: str) -> object:
    """The value of the setting *name* when it is given as *text* on the command line."""
    return getattr(load(environment={}, flags={"data_dir": "/nowhere", name: text}).settings, name)


def refusal(**flags: str) -> str:
    """The message with which *flags* are refused."""
    with pytest.raises(BadSetting) as caught:
        load(environment={}, flags={"data_dir": "/nowhere", **flags})
    return str(caught.value)


def test_every_field_has_one_row() -> None:
    """The fields of Settings are the rows of TABLE, in the same order, each with a meaning."""
    assert tuple(setting.name for setting in TABLE) == Settings._fields
    assert all(setting.meaning.endswith(".") for setting in TABLE)


def test_defaults_are_the_tables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With nothing given, every setting has its default, says so, and the data directory is below home."""
    monkeypatch.setenv("HOME", str(tmp_path))
    loaded = load(environment={})
    assert set(loaded.set_by.values()) == {"default"}
    assert loaded.settings.folder == tmp_path / "n2k-data"
    assert loaded.file == str(tmp_path / "n2k-data" / SETTINGS_FILE) and loaded.stamp is None
    assert loaded.settings.log_rotate == 5 * 1024 * 1024 and loaded.settings.register == "token"


def test_flags_beat_environment_beats_file_beats_default(tmp_path: Path) -> None:
    """The nearest to the user wins, and every origin says who did."""
    file = written(tmp_path, "keep = 3", "log_keep = 3", "max_bad = 3")
    env = {"N2K_DIR": str(tmp_path), "N2K_LOG_KEEP": "5", "N2K_MAX_BAD": "5", "PATH": "/bin"}
    settings, set_by, read, stamp = load(environment=env, flags={"max_bad": "7"})
    assert (settings.keep, settings.log_keep, settings.max_bad, settings.register) == (3, 5, 7.0, "token")
    assert [set_by[n] for n in ("keep", "log_keep", "max_bad", "register", "data_dir")] == [
        str(file),
        "N2K_LOG_KEEP",
        "command line",
        "default",
        "N2K_DIR",
    ]
    assert read == str(file) and stamp == file_stamp(file) is not None


def test_the_real_environment_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without an environment of its own, load reads that of the process."""
    monkeypatch.setenv("N2K_DIR", str(tmp_path))
    assert load().settings.folder == tmp_path


@pytest.mark.parametrize("setting", TABLE, ids=lambda setting: setting.name)
def test_every_setting_can_come_from_everywhere(tmp_path: Path, setting: Setting) -> None:
    """Each setting takes its default's text from the file, from its variable and as a flag, with one result."""
    name, default = setting.name, setting.default
    file = written(tmp_path, f"{name} = {default}")
    for loaded in (load(file, {}), load(environment={variable(name): default}), load(None, {}, {name: default})):
        assert getattr(loaded.settings, name) == setting.parse(default)
        assert loaded.set_by[name] in (str(file), variable(name), "command line")


def test_the_environment_names_the_file(tmp_path: Path) -> None:
    """N2K_CONFIG names the settings file; empty it means nothing."""
    file = written(tmp_path, "keep = 9")
    assert load(environment={"N2K_CONFIG": str(file), "N2K_DIR": "/nowhere"}).settings.keep == 9
    assert load(environment={"N2K_CONFIG": "", "N2K_DIR": "/nowhere"}).settings.keep == 2


@pytest.mark.parametrize("named_by", ["argument", "environment"])
def test_a_file_that_was_named_must_be_there(tmp_path: Path, named_by: str) -> None:
    """A missing default file is accepted; a missing file that was named is an error with its path."""
    missing = tmp_path / "missing.ini"
    with pytest.raises(ConfigUnreadable, match=f"{missing}: it does not exist"):
        if named_by == "argument":
            load(missing, {})
        else:
            load(environment={"N2K_CONFIG": str(missing)})
    assert load(environment={"N2K_DIR": str(tmp_path)}).stamp is None


def test_unknown_names_are_refused_with_their_place(tmp_path: Path) -> None:
    """An unknown name in the file or the environment, or another section, is refused by name and place."""
    file = written(tmp_path, "log_levle = INFO")
    with pytest.raises(BadSetting) as in_file:
        load(file, {})
    assert str(in_file.value) == f"setting 'log_levle' ({file}): no such setting; see 'n2k config'"
    with pytest.raises(BadSetting, match=r"'N2K_LOGLEVEL' \(environment\): no such setting"):
        load(environment={"N2K_LOGLEVEL": "INFO"})
    for section in ("other", "DEFAULT", "N2K"):
        file.write_text(f"[n2k]\n[{section}]\nkeep = 3\n")
        with pytest.raises(BadSetting, match=rf"'\[{section}\]' .*the only section is \[n2k\]"):
            load(file, {})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("keep = 3\n", "it needs the line [n2k] at its top"),
        ("[n2k]\nkeep\n", "line 2 is not 'name = value'"),
        ("[n2k]\nkeep = 3\nkeep = 4\n", "[line  3]"),
        ("[n2k]\nregister = \xff\n", "line 2 is not in UTF-8: save the file in that encoding"),
        ("\n# f\xfcr Zo\xeb\n\n[n2k]\n", "line 2 is not in UTF-8"),
        ("\xff\xfe[\0n\0002\0k\0]\0\n\0", "line 1 is not in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_parsed(tmp_path: Path, text: str, says: str) -> None:
    """A broken file is one line that names the file and what is wrong."""
    file = tmp_path / "b.ini"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigUnreadable) as caught:
        load(file, {})
    message = str(caught.value)
    assert message.isprintable() and message.startswith(f"cannot read the settings file {file}: ")
    assert " ".join(says.split()) in message


def test_a_directory_in_place_of_the_file(tmp_path: Path) -> None:
    """What the operating system refuses is said in its words."""
    with pytest.raises(ConfigUnreadable, match=f"{tmp_path}: Is a directory"):
        load(tmp_path, {})


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    """A file from a Windows editor is read like any other; a percent sign is just that."""
    file = tmp_path / SETTINGS_FILE
    file.write_bytes(b"\xef\xbb\xbf[n2k]\r\nmax_bad = 5%\r\ngrids = Production,\r\n  Ost\xc3\xa9rra\r\n")
    settings = load(file, {}).settings
    assert (settings.max_bad, settings.labels) == (5.0, ("Production", "Ostérra"))


@pytest.mark.parametrize(
    ("text", "size"),
    [("4096", 4096), ("4k", 4096), ("4 KB", 4096), ("5000 B", 5000), ("1M", 1 << 20), (" 1 g ", 1 << 30)],
)
def test_sizes(text: str, size: int) -> None:
    """A size is bytes, or has K, M or G behind it, in either case, with or without B and spaces."""
    assert given("log_rotate", text) == size


@pytest.mark.parametrize("text", ["", "K", "B", "4095", "4.5K", "-1", "2G", "1T", "0x1000", "9" * 5000, "²K"])
def test_sizes_that_are_none(text: str) -> None:
    """What is no size, or out of bounds, is refused with the bounds and an example."""
    assert "must be a size from 4K to 1G bytes, such as 512K or 10M, not '" in refusal(log_rotate=text)


@pytest.mark.parametrize(("text", "value"), [("0", 0.0), ("1.5", 1.5), ("2.5 %", 2.5), ("100%", 100.0)])
def test_percentages(text: str, value: float) -> None:
    """A percentage is a number from 0 to 100, with or without its sign."""
    assert given("max_bad", text) == value


@pytest.mark.parametrize("text", ["", "-1", "100.1", "nan", "inf", "%", "one"])
def test_percentages_that_are_none(text: str) -> None:
    """Anything else is refused, NaN too."""
    assert "must be a percentage from 0 to 100, not" in refusal(max_bad=text)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("log_level", " debug ", "DEBUG"),
        ("register", "OPEN", "open"),
        ("on_conflict", "newest", "newest"),
        ("share_with_group", "Yes", True),
        ("share_with_group", "0", False),
        ("contact", " mailto:me@example.com ", "mailto:me@example.com"),
        ("log_keep", " 0 ", 0),
        ("log_file", " - ", "-"),
        ("search", "Token", "token"),
        ("keep_days", "0", 0),
        ("keep_days", "36500", 36_500),
        ("keep_places", "no", False),
        ("update_source", " https://example.org/x ", "https://example.org/x"),
        ("update_source", "", ""),
        ("update_stall", "60", 60),
        ("update_time", "172800", 172_800),
        ("update_size", "1G", 1 << 30),
        ("update_tries", "20", 20),
        (
            "grids",
            "production, OpenSim,opensim, , Mine = OpenSimulator",
            (Grid("Production", "Production"), Grid("OpenSim", "OpenSim"), Grid("Mine", "OpenSimulator")),
        ),
        ("trusted_proxies", "127.0.0.1, ::1,10.0.0.0/8", ("127.0.0.1/32", "::1/128", "10.0.0.0/8")),
        ("default_grid", "PRODUCTION", "Production"),
        ("default_grid", "opensim", "OpenSim"),
        ("default_grid", "opensim ", "OpenSim"),
    ],
)
def test_values_in_their_known_spelling(name: str, text: str, value: object) -> None:
    """Case and spaces around a value do not matter; grids are given as the known ones are spelled."""
    assert given(name, text) == value


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("log_level", "LOUD", "one of DEBUG, INFO, WARNING, ERROR"),
        ("register", "", "one of open, token, off"),
        ("share_with_group", "maybe", "yes or no"),
        ("contact", "x" * 201, "one line of at most 200 characters"),
        ("contact", "a\x07b", "one line of at most 200 characters"),
        ("keep", "0", "a whole number from 1 to 100"),
        ("keep_days", "36501", "a whole number from 0 to 36500"),
        ("keep_days", "-1", "a whole number from 0 to 36500"),
        ("keep_places", "never", "yes or no"),
        ("search", "closed", "one of open, token, off"),
        ("keep", "9" * 5000, "a whole number from 1 to 100"),
        ("update_source", "a\nb", "a URL or a path, or empty"),
        ("update_stall", "0", "a whole number from 1 to 3600"),
        ("update_time", "0", "a whole number from 1 to 172800"),
        ("update_size", "1", "a size from 1K to"),
        ("update_tries", "0", "a whole number from 1 to 20"),
        ("keep", "2 ; comment", "a whole number from 1 to 100"),
        ("grids", " , ", "one grid or more, separated by commas"),
        ("grids", "a\x07b", "the name of a grid (bad grid"),
        ("grids", "A=x, B=X", "one grid for each shard: 'X' is given for 'A' and 'B'"),
        ("grids", "Production=OpenSim", "without '=' for Production and Testing"),
        ("grids", "Mine=production", "without '=' for Production and Testing"),
        ("grids", "Mine=", "the name of a grid (bad grid"),
        ("trusted_proxies", "example.org", "addresses or networks such as 127.0.0.1"),
        ("trusted_proxies", "10.0.0.1/8", "addresses or networks such as 127.0.0.1, 10.0.0.0/8 (10.0.0.1/8 has host bits set)"),
        ("trusted_proxies", "127.0.0.1:80", "addresses or networks such as 127.0.0.1"),
        ("default_grid", "", "the name of a grid (bad grid '': it is empty)"),
        ("data_dir", " ", "a path"),
        ("data_dir", "a\0b", "a path"),
        ("data_dir", "~nobody-has-this-name/x", "a path below the home directory of an existing user"),
        ("log_file", "~nobody-has-this-name/x", "a path below the home directory of an existing user"),
    ],
)
def test_values_that_cannot_be_read(name: str, text: str, wanted: str) -> None:
    """The message names the setting, where it is set, the values that it takes and the given one, on one line."""
    message = refusal(**{name: text})
    assert message.startswith(f"setting '{name}' (command line): must be {wanted}")
    assert message.isprintable() and len(message) < 300


def test_an_unreadable_value_says_where_it_stands(tmp_path: Path) -> None:
    """In the file it is the file's path, in the environment the variable's name."""
    file = written(tmp_path, "keep = many")
    with pytest.raises(BadSetting) as caught:
        load(file, {})
    assert str(caught.value) == f"setting 'keep' ({file}): must be a whole number from 1 to 100, not 'many'"
    with pytest.raises(BadSetting, match=r"^setting 'keep' \(N2K_KEEP\): must be"):
        load(environment={"N2K_KEEP": "many"})
    with pytest.raises(BadSetting, match=r"^setting 'data_dir' \(N2K_DIR\): must be a path"):
        load(environment={"N2K_DIR": ""})


def test_a_default_grid_that_is_not_known_contradicts() -> None:
    """The default grid must be among the known ones; the message says what to add where."""
    message = refusal(default_grid="Elsewhere", grids="Production")
    expected = (
        "setting 'default_grid' (command line): add 'Elsewhere' to the setting 'grids' (Production), "
        "or set default_grid to one of these"
    )
    assert message == expected
    assert tuple(grid.label for grid in given("grids", "Production, Elsewhere")) == ("Production", "Elsewhere")


def test_relative_and_home_paths(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Paths become absolute at once, whatever the current folder is later, and ~ is the home directory."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    file = written(tmp_path, "data_dir = data", "log_file = ~/n2k.log")
    loaded = load(Path(SETTINGS_FILE), {})
    assert loaded.file == str(file)
    assert loaded.settings.folder == tmp_path / "data"
    assert loaded.settings.log_file == str(tmp_path / "home" / "n2k.log")
    assert given("data_dir", "~/d") == str(tmp_path / "home" / "d")
    assert given("data_dir", "a//./b/") == str(tmp_path / "a" / "b")
    with pytest.raises(ConfigUnreadable, match=f"{tmp_path}/home/n2k.ini: it does not exist"):
        load(environment={"N2K_CONFIG": "~/n2k.ini"})


@pytest.mark.parametrize(
    "lines",
    [
        ["keep = 3", "grids = A, B=C", "default_grid=A", "update_source = https://x/?a=b;c#d"],
        ["# keep = 4", " ; keep = 5", "", "  ", "KEEP = 3", "log_file =", "url:https://example.com/"],
        ["keep : 3"],
        ["keep = 3 ; not a comment"],
        ["grids = A,", "  B,", "\tC"],
        ["keep=3", "  # a comment in the middle", "max_grids = 4"],
        ["keep = 3\r", "max_grids = 4\r"],
        ["log_file = a\x0bb\u2028c"],
    ],
)
def test_a_plain_file_is_read_as_configparser_reads_it(tmp_path: Path, lines: list[str]) -> None:
    """Comments, empty values, continued lines, colons, carriage returns: what is not plain is left to ``configparser``."""
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    file = written(tmp_path, *lines)
    with file.open(encoding="utf-8", newline="") as opened:
        parser.read_string(opened.read())
    assert ini.read(str(file)) == dict(parser.items("n2k"))


@pytest.mark.parametrize(
    "text",
    [
        "keep = 3\n",
        "[n2k]\nkeep\n",
        "[n2k]\nkeep = 1\nkeep = 2\n",
        "[n2k]\n[n2k]\n",
        "[other]\n",
        "[n2k]\n = 3\n",
        "[n2k\n",
        "[n2k]\nk p = 3\n",
    ],
)
def test_what_configparser_refuses_is_refused(tmp_path: Path, text: str) -> None:
    """No section, another or twice, no value, a name twice, no name, a name with a space."""
    (tmp_path / SETTINGS_FILE).write_text(text)
    with pytest.raises((BadSetting, ConfigUnreadable)):
        load(environment={}, flags={"data_dir": str(tmp_path)})


def test_the_stamp_changes_on_an_edit_and_on_a_replacement(tmp_path: Path) -> None:
    """A rewrite in place, a rename over it and a removal each change the stamp; looking does not."""
    file = written(tmp_path, "keep = 3")
    stamps = [file_stamp(file)]
    assert file_stamp(file) == stamps[0]
    os.utime(file, ns=(0, 1))
    stamps.append(file_stamp(file))
    written(tmp_path, "keep = 33")
    stamps.append(file_stamp(file))
    other = tmp_path / "other"
    other.write_bytes(file.read_bytes())
    os.utime(other, ns=(0, file.stat().st_mtime_ns))
    other.replace(file)
    stamps.append(file_stamp(file))
    file.unlink()
    stamps.append(file_stamp(file))
    assert len(set(stamps)) == 5 and stamps[-1] is None is file_stamp(None)


def test_loaded_settings_are_frozen() -> None:
    """Nobody changes a setting behind the others' backs."""
    loaded: Loaded = load(environment={}, flags={"data_dir": "/nowhere"})
    with pytest.raises(AttributeError):
        loaded.settings.keep = 5  # type: ignore[misc]


def test_the_page_is_up_to_date() -> None:
    """docs/settings.md is what TABLE says: refresh it with python -m tests.support.settings_table > docs/settings.md."""
    assert PAGE.read_text("utf-8") == settings_table()
