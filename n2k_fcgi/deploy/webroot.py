"""Which folders the web hands out, and under which address."""

import os
import re
from pathlib import Path

from n2k_fcgi.deploy.htaccess import HTACCESS
from n2k_fcgi.deploy.neighbours import FRONT_PAGES

WEB_ROOTS = frozenset({"public_html", "htdocs", "www", "html", "httpdocs"})
"""Names of folders that hosts serve. The DocumentRoot is in the server's configuration, which cannot be read here."""

_DOMAIN = re.compile(r"([a-z0-9-]+\.)+[a-z]{2,}")


def web_root_around(data_dir: Path, web_dir: Path | None = None) -> Path | None:
    """The folder around *data_dir* that a web server serves, or may serve; None: there is none.

    That is *web_dir*, *data_dir* itself if it has a site, and any folder that has a usual name of web roots, or the name of
    a domain and a site in it.
    """
    data = data_dir.resolve()
    if _is_served(data) or _has_site(data):
        return data
    web = web_dir.resolve() if web_dir else None
    if web and data.is_relative_to(web):
        return web
    return next((folder for folder in data.parents if _is_served(folder)), None)


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


def _is_served(folder: Path) -> bool:
    if folder.name.lower() in WEB_ROOTS:
        return True
    return bool(_DOMAIN.fullmatch(folder.name.lower())) and _has_site(folder)


def _has_site(folder: Path) -> bool:
    return any(os.path.exists(folder / name) for name in (HTACCESS, "dispatch.fcgi", *FRONT_PAGES))
