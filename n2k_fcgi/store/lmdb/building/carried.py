"""What becomes of the previous generation's origin numbers."""

from n2k_fcgi.model.origins import Origin, OriginTable


class Carried:
    """What becomes of the previous generation's origin numbers in the new one."""

    def __init__(self, origins: OriginTable, previous: list[Origin], replaced_grid: str | None) -> None:
        own = origins.origins[0]
        previous = [origins.believed(origin) for origin in previous]
        self.numbers = _Numbers(origins, previous, replaced_grid)
        """Old number -> new one; None: rows of it are dropped (``--replace``)."""
        self.confirmed = frozenset(
            old for old, origin in enumerate(previous) if origin.grid == own.grid and origin.as_of <= own.as_of
        )
        """Old numbers whose rows a row of the dump confirms or renames, being of its grid and no later."""


class _Numbers(dict[int, "int | None"]):
    """Numbers are given when a row first asks, so that origins without rows go."""

    def __init__(self, origins: OriginTable, previous: list[Origin], replaced_grid: str | None) -> None:
        super().__init__()
        self._origins = origins
        self._previous = previous
        self._replaced_grid = replaced_grid

    def __missing__(self, old: int) -> int | None:
        origin = self._previous[old]
        number = None if origin.grid == self._replaced_grid else self._origins.number(origin)
        self[old] = number
        return number
