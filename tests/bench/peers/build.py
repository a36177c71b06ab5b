"""Building the peers and the load client from their sources, where the benchmark runs."""

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def build(folder: Path) -> dict[str, list[str]]:
    """Command lines of the FastCGI peers by name; ``load`` and ``arrivals`` are clients, ``floor`` the least that Python takes.

    Go only where there is a toolchain.
    """
    client = build_load(folder)
    _compile(["cc", "-O2", "-o", str(folder / "arrivals"), str(HERE / "arrivals.c"), "-lm"])
    _compile(["cc", "-O2", "-o", str(folder / "hello_c"), str(HERE / "hello.c"), "-lfcgi"])
    peers = {"load": client, "arrivals": [str(folder / "arrivals")], "C hello": [str(folder / "hello_c")]}
    if shutil.which("go"):
        _compile(["go", "build", "-o", str(folder / "hello_go"), str(HERE / "hello.go")])
        peers["Go hello"] = [str(folder / "hello_go")]
    peers["floor"] = [sys.executable, "-I", str(HERE / "floor.py")]
    peers["stock flup"] = [sys.executable, str(HERE / "stock_flup.py")]
    return peers


def build_load(folder: Path) -> list[str]:
    """The load client for FastCGI and HTTP."""
    _compile(["cc", "-O2", "-o", str(folder / "load"), str(HERE / "load.c"), "-lpthread"])
    return [str(folder / "load")]


def build_cache_load(folder: Path) -> Path:
    """The load client for caches."""
    program = folder / "cache_load"
    _compile(["cc", "-O2", "-o", str(program), str(HERE / "cache_load.c")])
    return program


def _compile(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True)
    except (OSError, subprocess.CalledProcessError):
        sys.exit(f"cannot build a peer ({' '.join(command)}): apt-get install gcc libfcgi-dev")
