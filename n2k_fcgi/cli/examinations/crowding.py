"""The workers of a deployed folder: how many run, and whether more copies of the script would help."""

from collections.abc import Iterator
from pathlib import Path

from n2k_fcgi.deploy.occupancy import USUAL, Occupancy, lost, occupancy
from n2k_fcgi.deploy.spread import MOST
from n2k_fcgi.errors import counted
from n2k_fcgi.model.findings import Finding, ok, warning

TOO_MANY = 0.01
"""The share of requests that wait for a second above which more scripts are advised."""

FEW = 0.002
"""The share that the advised number leaves."""


def examine(scripts: list[Path]) -> Iterator[Finding]:
    """The workers of *scripts*, where mod_fcgid runs them on this machine; nothing where there are none."""
    taken = [occupancy(script) for script in scripts]
    if any(each.processes for each in taken):
        yield enough(taken, scripts[0].parent)


def enough(taken: list[Occupancy], web_dir: Path) -> Finding:
    """Whether the workers, *taken* by script, are enough for what is asked."""
    what = f"{counted(sum(each.processes for each in taken), 'worker')} of {counted(len(taken), 'script')}"
    if not any(each.grown for each in taken):
        return ok("workers", f"{what}, started less than a minute ago: too early to say how busy they are")
    held = sum(each.held for each in taken)
    share = sum(each.waiting * each.held for each in taken) / held if held else 0.0
    if share < TOO_MANY:
        return ok("workers", f"{what}; the requests keep {held:.2f} busy on average")
    what += f"; the requests would keep {held:.2f} busy on average: about {share:.0%} of them wait for a second"
    if len(taken) == MOST:
        return warning("workers", what, "ask the host for more (FcgidMaxProcessesPerClass), or use a machine of your own")
    better = next((number for number in range(len(taken) + 1, MOST) if lost(held / number, USUAL) < FEW), MOST)
    return warning("workers", what, f"n2k deploy --spread {better} {web_dir}")
