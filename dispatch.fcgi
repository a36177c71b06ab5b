#!/usr/bin/env python3
"""Serves this checkout by FastCGI or CGI; data in N2K_DIR, else ~/n2k-data. 'n2k deploy' writes one for an installation."""

import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
python = os.path.join(here, ".venv", "bin", "python")
if os.path.exists(python) and os.path.realpath(sys.prefix) != os.path.realpath(os.path.join(here, ".venv")):
    os.execv(python, [python, os.path.abspath(__file__)])
sys.path.insert(0, here)

from n2k_fcgi.start import run  # noqa: E402 - not before the path is set

run("n2k_fcgi.servers.fastcgi")
