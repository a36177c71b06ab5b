"""How the service is doing: what the status page shows, and its JSON."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from n2k_fcgi.errors import N2KError
from n2k_fcgi.model.findings import Finding
from n2k_fcgi.model.keyvalue.entry import NO_DATASET
from n2k_fcgi.model.manifests import Manifest
from n2k_fcgi.model.tokens import Token
from n2k_fcgi.service.directory.overview import Overview, Statistics
from n2k_fcgi.service.keyvalue.namespaces import Listed, Namespaces, Summary
from n2k_fcgi.service.statistics import StatisticsReader, Usage
from n2k_fcgi.service.status.space import Space, space_of
from n2k_fcgi.store.base import Store
from n2k_fcgi.store.fields import cleaned

HOURS = 48
DAYS = 30
"""How far back what was counted goes: each hour and day is decoded."""

LEFT_OUT = ("installation", "web folder", "web site", "every capture", "host limits", "imports")
"""What ``n2k doctor`` examines beside: it reads whole files, asks servers, or makes a trial."""


class Surroundings(Protocol):
    """What is around the service: the host and the state of its files."""

    def findings(self) -> list[Finding]:
        """Return what is found in a moment. Raises no N2KError."""
        ...

    def room(self) -> int | None:
        """Return the bytes that the account's quota leaves; None: not known."""
        ...


class Nowhere:
    """Surroundings of which nothing is known."""

    def findings(self) -> list[Finding]:
        """None."""
        return []

    def room(self) -> int | None:
        """Not known."""
        return None


class NamespaceState(NamedTuple):
    """One namespace."""

    name: str
    summary: Summary | None
    """None: it cannot be read."""
    dataset: str
    """That it shows; 'none' for none."""
    problem: str = ""


class Status(NamedTuple):
    """All of it, as of *now*."""

    now: int
    """Unix seconds."""
    counts: Statistics
    usage: Usage
    live: str
    """The name of the live generation; '' for none."""
    generations: list[Manifest]
    """The oldest first."""
    space: Space
    namespaces: list[NamespaceState]
    datasets: list[Listed]
    tokens: list[Token]
    """Also revoked ones, the oldest first; their digests are for nobody."""
    findings: list[Finding]


class StatusReader:
    """*without*: removes what mentions a hidden avatar from a text, as the commands do before the owner sees it."""

    def __init__(
        self,
        store: Store,
        overview: Overview,
        *,
        folder: Path,
        surroundings: Surroundings,
        without: Callable[[], Callable[[str], str]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._overview = overview
        self._folder = folder
        self._surroundings = surroundings
        self._without = without
        self._clock = clock

    def read(self) -> Status:
        """Return all of it. Raises the errors of captures that cannot be read, since a log-in reads them too."""
        store, without = self._store, self._without()
        live, manifests = store.generations.listed()
        kept = Namespaces(store.keyvalue)
        return Status(
            int(self._clock()),
            self._overview.statistics(),
            StatisticsReader(store, clock=self._clock).read(hours=HOURS, days=DAYS),
            live,
            [cleaned(manifest, without) for manifest in manifests],
            space_of(self._folder, manifests, self._surroundings.room()),
            [_state(store, kept, name) for name in kept.names()],
            list(kept.datasets()),
            [cleaned(token, without) for token in store.tokens.tokens()],
            self._surroundings.findings(),
        )


def _state(store: Store, kept: Namespaces, name: str) -> NamespaceState:
    try:
        return NamespaceState(name, kept.summary(name), store.keyvalue.namespace(name).dataset() or NO_DATASET)
    except N2KError as problem:
        return NamespaceState(name, None, NO_DATASET, problem.told)
