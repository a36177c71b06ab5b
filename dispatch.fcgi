#!/usr/bin/env python3
"""Serves this checkout by FastCGI or CGI; data in N2K_DIR, else ~/n2k-data. 'n2k deploy' writes one for an installation."""

import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
own = os.path.join(here, ".venv")
python = os.path.join(own, "bin", "python")
if not sys.flags.no_site and os.path.exists(python):
    os.execv(python, [python, "-IS", os.path.abspath(__file__)])  # without the search for packages: it is as long as an answer
sys.path.insert(0, here)
if sys.flags.no_site:
    sys.path.append(os.path.join(own, "lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "site-packages"))
    try:
        import lmdb  # noqa: F401 - every answer needs it
    except ImportError:  # the packages of .venv are somewhere else
        import site

        site.main()

from n2k_fcgi.start import run  # noqa: E402 - not before the path is set

run("n2k_fcgi.servers.fastcgi")
