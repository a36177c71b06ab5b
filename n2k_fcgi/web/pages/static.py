"""The style sheet, the script and the icon: read once per process, under addresses that name their content.

``static/n2k.css.0123456789ab``: the digest comes last, because some hosts answer every path that ends with ``.css`` or ``.js``
from the disk and never ask us.
"""

import hashlib
import os
from functools import cache
from typing import NamedTuple

from n2k_fcgi.errors import NothingHere
from n2k_fcgi.web.pages.headers import SAFE
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import Answer, revalidated
from n2k_fcgi.web.services import Services

FOLDER = os.path.join(os.path.dirname(__file__), "static")

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


class File(NamedTuple):
    """One of them."""

    content: bytes
    digest: str
    content_type: str


@cache
def files() -> dict[str, File]:
    """All of them by name."""
    return {name: _read(name) for name in sorted(os.listdir(FOLDER)) if name.rpartition(".")[2] in _TYPES}


def _read(name: str) -> File:
    with open(os.path.join(FOLDER, name), "rb") as file:  # noqa: PTH123 - pathlib is not needed for this
        content = file.read()
    return File(content, hashlib.blake2b(content, digest_size=6).hexdigest(), _TYPES[name.rpartition(".")[2]])


def address(name: str) -> str:
    """The address of a file, below the root."""
    return f"static/{name}.{files()[name].digest}"


def file(request: Request, services: Services, name: str) -> Answer:
    """A file. With another digest, as on a page of older code, it is the one of now, which no cache keeps."""
    stem, _, digest = name.rpartition(".")
    found = files().get(stem)
    if found is None:
        raise NothingHere
    answer = Answer(200, found.content, found.content_type, SAFE, kept=digest == found.digest)
    return revalidated(answer, request.header("IF_NONE_MATCH"))
