"""Reading the settings file: an INI file with one section.

A plain file, as nearly all are, is read by a few lines of Python: importing ``configparser`` takes longer than a lookup. That
one reads the others, and finds what is wrong with them.
"""

import os
import stat

from n2k_fcgi.errors import BadSetting, ConfigUnreadable

SECTION = "n2k"
"""The only section of the settings file."""

LARGEST = 1 << 20
"""Bytes of a settings file: a thousand times what all settings take. A device, such as /dev/zero, may have no end."""

_PIECE = 1 << 16


def read(file: str) -> dict[str, str]:
    """Name -> text. Raises ConfigUnreadable, BadSetting for another section."""
    try:
        data = _bytes(file).removeprefix(b"\xef\xbb\xbf")  # the mark that some editors put before UTF-8
        text = data.decode()
    except OSError as error:
        raise ConfigUnreadable(path=file, why=error.strerror or error) from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigUnreadable(path=file, why=f"line {line} is not in UTF-8: save the file in that encoding") from None
    found = _plain(text)
    return _parsed(file, text) if found is None else found


def _bytes(file: str) -> bytes:
    """All of *file*. A server reads it while its callers wait, so nothing is waited for: a pipe is refused. Raises OSError."""
    fd = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe that nobody writes opens at once
    try:
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            raise ConfigUnreadable(path=file, why="it is a pipe, not a file")
        data = b""
        while piece := os.read(fd, _PIECE):
            data += piece
            if len(data) > LARGEST:
                raise ConfigUnreadable(path=file, why=f"it is larger than {LARGEST} bytes")
        return data
    finally:
        os.close(fd)


def _plain(text: str) -> dict[str, str] | None:
    """What *text* says if its lines are the section, then ``name = value`` from their first column on, each name once."""
    lines = [line for line in text.split("\n") if line.strip() and line.lstrip()[0] not in "#;"]
    if not lines or lines[0].strip() != f"[{SECTION}]":
        return None
    found: dict[str, str] = {}
    for line in lines[1:]:
        name, delimiter, value = line.partition("=")
        name = name.rstrip().lower()
        if not delimiter or not name.isidentifier() or name in found:
            return None
        found[name] = value.strip()
    return found


def _parsed(file: str, text: str) -> dict[str, str]:
    import configparser

    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        parser.read_string(text, file)
    except configparser.MissingSectionHeaderError:
        raise ConfigUnreadable(path=file, why=f"it needs the line [{SECTION}] at its top") from None
    except configparser.ParsingError as error:
        raise ConfigUnreadable(path=file, why=f"line {error.errors[0][0]} is not 'name = value'") from None
    except configparser.Error as error:
        why = str(error).replace(repr(file), "it")  # the message has the path already, and a long one hides the rest
        raise ConfigUnreadable(path=file, why=" ".join(why.split())) from None
    for section in parser.sections():
        if section != SECTION:
            raise BadSetting(name=f"[{section}]", where=file, why=f"the only section is [{SECTION}]")
    return dict(parser.items(SECTION)) if parser.has_section(SECTION) else {}
