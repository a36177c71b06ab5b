"""A process that logs, for tests of several at once: ``python -m tests.support.log_writer PATH WRITER COUNT KEEP EVERY``.

It says it is ready, waits for a line on standard input, and writes COUNT lines through rotation at ROTATE_BYTES; with
EVERY above 0 it is buffered and flushes after that many lines.
"""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from n2k_fcgi import logs

REPOSITORY = Path(__file__).parents[2]
ROTATE_BYTES = 4096
SECONDS = 60.0
"""A limit for hangs, not a measure."""


def line(writer: object, number: int) -> str:
    """What writer *writer* says as its *number*-th line: its length varies, so that rotation hits everywhere."""
    return f"writer {writer} says {number} " + "=" * (number % 37) + "."


@contextlib.contextmanager
def python(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A Python process in the repository, with text pipes; gone when the block ends, whatever happened."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def write_together(path: Path, writers: int, count: int, *, keep: int, every: int) -> None:
    """Let *writers* processes write at the same time; each must end well and say nothing on standard error."""
    with contextlib.ExitStack() as stack:
        module = ["-m", "tests.support.log_writer", str(path)]
        started = [stack.enter_context(python(*module, str(n), str(count), str(keep), str(every))) for n in range(writers)]
        for process in started:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in started:
            out, err = process.communicate(timeout=SECONDS)
            assert (out, err, process.returncode) == ("", "", 0)


def main(path: str, writer: str, count: str, keep: str, every: str) -> None:
    """The process itself."""
    flush_every = int(every)
    logs.set_up(Path(path), "INFO", rotate_bytes=ROTATE_BYTES, keep=int(keep), buffered=flush_every > 0)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    for number in range(int(count)):
        logs.info(line(writer, number))
        if flush_every and number % flush_every == 0:
            logs.flush()
    logs.shut_down()


if __name__ == "__main__":
    main(*sys.argv[1:])
