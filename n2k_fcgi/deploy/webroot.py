"""Which folders the web hands out, and under which address."""

import os
import re
from pathlib import Path

from n2k_fcgi.deploy.htaccess import HTACCESS, is_deployed
from n2k_fcgi.deploy.neighbours import FRONT_PAGES
from n2k_fcgi.deploy.replacing import content

WEB_ROOTS = frozenset({"public_html", "htdocs", "www", "html", "httpdocs"})
"""Names of folders that hosts serve. The DocumentRoot is in the server's configuration, which cannot be read here."""

_DOMAIN = re.compile(r"([a-z0-9-]+\.)+[a-z]{2,}")


def web_root_around(data_dir: Path, web_dir: Path | None = None) -> Path | None:
    """The folder around *data_dir* that a web server serves, or may serve; None: there is none.

    That is *web_dir*, *data_dir* itself if it has a site, and any folder that has a usual name of web roots, the name of a
    domain and a site in it, or our block.
    """
    data = data_dir.resolve()
    if _is_served(data) or _has_site(data):
        return data
    web = web_dir.resolve() if web_dir else None
    if web and data.is_relative_to(web):
        return web
    return next((folder for folder in _around(data_dir) if _is_served(folder)), None)


def site_or_web_root_around(folder: Path) -> Path | None:
    """The same for a single file in *folder*, which can easily be elsewhere: any folder around it with a site counts as well.

    For data that is too much: hosts keep an ``.htaccess`` in the home folder, and wget leaves an ``index.html`` there.
    """
    return next((each for each in _around(folder) if _is_served(each) or _has_site(each)), None)


def site_around(web_dir: Path) -> Path:
    """The folder that a web server serves with *web_dir*: the nearest one around it with the name of a web root or a domain."""
    web = web_dir.resolve()
    around = (web, *web.parents)
    return next((each for each in around if each.name.lower() in WEB_ROOTS or _DOMAIN.fullmatch(each.name.lower())), web)


def likely_url(web_dir: Path) -> str:
    """The likely address of *web_dir*: some hosts name folders after domains."""
    parts = web_dir.resolve().parts
    host, below = "YOUR-SITE", parts[len(parts) :]
    for at, part in enumerate(parts):
        if part.lower() in WEB_ROOTS:
            below = parts[at + 1 :]
        elif _DOMAIN.fullmatch(part.lower()):
            host, below = part, parts[at + 1 :]
    return "/".join([f"https://{host}", *below, ""])


def _around(folder: Path) -> list[Path]:
    """*folder* and those around it, the nearest first: where it is, and by the links in its path, whose names tell as much."""
    there, named = folder.resolve(), Path(os.path.abspath(folder))
    return list(dict.fromkeys([there, *there.parents, named, *named.parents]))


def _is_served(folder: Path) -> bool:
    if folder.name.lower() in WEB_ROOTS or _is_deployed(folder):
        return True
    return bool(_DOMAIN.fullmatch(folder.name.lower())) and _has_site(folder)


def _is_deployed(folder: Path) -> bool:
    try:
        return is_deployed(content(folder / HTACCESS))
    except OSError:
        return False


def _has_site(folder: Path) -> bool:
    return any(os.path.exists(folder / name) for name in (HTACCESS, "dispatch.fcgi", *FRONT_PAGES))
