"""The pictures of the status page, from what was counted and what takes space."""

from collections.abc import Callable, Sequence
from functools import partial
from gettext import NullTranslations

from n2k_fcgi.model.dates import written
from n2k_fcgi.model.manifests import Manifest
from n2k_fcgi.model.statistics import Family, Period, merged
from n2k_fcgi.service.statistics import PERCENTILES, Usage
from n2k_fcgi.service.status.reading import DAYS, HOURS, NamespaceState, Status
from n2k_fcgi.service.status.space import Part, Space
from n2k_fcgi.web.pages.pictures import COLOURS, Frame, Picture, Series, bars, columns, lines, shares
from n2k_fcgi.web.pages.rendering import number, size

Say = NullTranslations
"""The catalogue of the page's language."""

RECENT_HOURS = 24
WEEK = 7
FORTNIGHT = 14


def figures(status: Status, say: Say) -> dict[str, Picture]:
    """Return all pictures that have something to show, by the names that the template has for them."""
    usage = status.usage
    made = [
        lookups(usage, say),
        latency(usage, say),
        registers(usage, say),
        kinds(usage, say),
        grids(usage, say),
        limits(usage, say),
        imports(status.generations, say),
        data(status.space, say),
        disk(status.space, say),
        quota(status.space, say),
        namespaces(status.namespaces, say),
        values(usage, say),
        workers(usage, say),
        starts(usage, say),
    ]
    return {picture.id: picture for picture in made if picture is not None}


def lookups(usage: Usage, say: Say) -> Picture:
    """Names and keys that were asked for, by hour."""
    hours = usage.hours(HOURS)
    hits, misses = [hour.hits for hour in hours], [hour.misses for hour in hours]
    summary = say.gettext("%(hits)s found and %(misses)s not found in %(count)s hours.") % {
        "hits": number(sum(hits)),
        "misses": number(sum(misses)),
        "count": HOURS,
    }
    frame = Frame("lookups", say.gettext("Lookups by hour"), summary, say.gettext("Hour"), _count)
    return columns(
        frame, list(map(_hour, hours)), [Series(say.gettext("found"), hits), Series(say.gettext("not found"), misses)]
    )


def registers(usage: Usage, say: Say) -> Picture:
    """Registrations by day: of new avatars, of known ones, and refused."""
    days = usage.days(DAYS)
    series = [
        Series(word, [day.of(Family.REGISTERS).get(name, 0) for day in days])
        for name, word in (
            ("new", say.gettext("new")),
            ("known", say.gettext("known before")),
            ("refused", say.gettext("refused")),
        )
    ]
    summary = say.ngettext(
        "%(new)s new avatar in %(count)s days.", "%(new)s new avatars in %(count)s days.", _sum(series[0].values)
    ) % {"new": number(_sum(series[0].values)), "count": DAYS}
    return columns(
        Frame("registers", say.gettext("Registrations by day"), summary, say.gettext("Day"), _count), _days(days), series
    )


def kinds(usage: Usage, say: Say) -> Picture:
    """Answers by what was asked."""
    words = {
        "lookup": say.gettext("lookups"),
        "search": say.gettext("searches"),
        "list": say.gettext("lists (csv)"),
        "register": say.gettext("registrations"),
        "forget": say.gettext("requests to be forgotten"),
        "pending": say.gettext("pending keys"),
        "values": say.gettext("values of scripts"),
        "page": say.gettext("pages"),
        "owner": say.gettext("of the owner"),
        "health": say.gettext("health checks"),
        "other": say.gettext("all else"),
    }
    recent = usage.last_hours(RECENT_HOURS)
    counts = {words.get(kind, kind): count for kind, count in recent.by_kind().items()}
    summary = say.ngettext("%(all)s answer in %(count)s hours.", "%(all)s answers in %(count)s hours.", recent.answers) % {
        "all": number(recent.answers),
        "count": RECENT_HOURS,
    }
    return _ranked(Frame("kinds", say.gettext("Answers by kind"), summary, say.gettext("Kind"), _count), counts, say)


def latency(usage: Usage, say: Say) -> Picture:
    """How long making an answer took, by hour."""
    hours = usage.hours(HOURS)
    times = [hour.latency_for_scripts() for hour in hours]
    series = [
        Series(f"{percent} %", [each.percentile(percent) * 1000 if each.answers else None for each in times])
        for percent in PERCENTILES
    ]
    told = partial(_milliseconds, _point(say))
    recent = usage.last_hours(RECENT_HOURS).latency_for_scripts()
    summary = say.gettext(
        "Answers to scripts, without the pages that people read: half of those of %(count)s hours were made within %(half)s, "
        "99 %% within %(most)s."
    ) % {
        "count": RECENT_HOURS,
        "half": told(recent.percentile(50) * 1000),
        "most": told(recent.percentile(99) * 1000),
    }
    frame = Frame("latency", say.gettext("Time for an answer"), summary, say.gettext("Hour"), told)
    return lines(frame, list(map(_hour, hours)), series)


def grids(usage: Usage, say: Say) -> Picture:
    """Which share of the answers has which grid."""
    found = merged(usage.days(FORTNIGHT), 0, 0).of(Family.GRIDS)
    parts = sorted(found.items(), key=lambda part: -part[1])
    if len(parts) > COLOURS:
        rest = sum(count for _, count in parts[COLOURS - 1 :])
        parts = [*parts[: COLOURS - 1], (say.gettext("other grids"), rest)]
    summary = say.gettext("By the grid of the avatar that answered, in %(count)s days.") % {"count": FORTNIGHT}
    return shares(Frame("grids", say.gettext("Shares of the grids"), summary, say.gettext("Grid"), _count, _share(say)), parts)


def limits(usage: Usage, say: Say) -> Picture | None:
    """Which limits refused requests."""
    found = merged(usage.days(WEEK), 0, 0).of(Family.LIMITS)
    summary = say.gettext("Requests that a limit refused in %(count)s days.") % {"count": WEEK}
    if not found:
        return None
    return _ranked(Frame("limits", say.gettext("Limits that bit"), summary, say.gettext("Limit"), _count), found, say)


def imports(generations: Sequence[Manifest], say: Say) -> Picture | None:
    """What each import changed."""
    if not generations:
        return None
    series = [
        Series(say.gettext("added"), [manifest.added for manifest in generations]),
        Series(say.gettext("changed"), [manifest.changed for manifest in generations]),
        Series(say.gettext("removed"), [manifest.removed for manifest in generations]),
    ]
    summary = say.gettext("Of the generations that are kept; the list below has the rest.")
    frame = Frame("imports", say.gettext("What imports changed"), summary, say.gettext("Generation"), _count)
    return columns(frame, [_second(manifest.created) for manifest in generations], series)


def data(space: Space, say: Say) -> Picture:
    """What takes the space of the data directory."""
    words = {
        Part.GENERATIONS: say.gettext("whole generations"),
        Part.DIFFERENCES: say.gettext("differences"),
        Part.CAPTURES: say.gettext("captures"),
        Part.NAMESPACES: say.gettext("namespaces"),
        Part.DATASETS: say.gettext("datasets"),
        Part.LOGS: say.gettext("logs"),
        Part.OTHERS: say.gettext("other data"),
    }
    summary = say.gettext("%(used)s in all.") % {"used": _size(say)(space.used)}
    frame = Frame("data", say.gettext("Size of the data"), summary, say.gettext("What"), _size(say), _share(say))
    return bars(frame, list(words.values()), [Series(say.gettext("size"), [space.parts[part] for part in words])])


def disk(space: Space, say: Say) -> Picture:
    """What the data directory takes of its disk."""
    others = max(0, space.disk - space.free - space.used)
    summary = say.gettext("%(used)s of data, %(free)s free on the disk.") % {
        "used": _size(say)(space.used),
        "free": _size(say)(space.free),
    }
    frame = Frame("disk", say.gettext("Space on the disk"), summary, say.gettext("What"), _size(say), _share(say))
    parts = [(say.gettext("this data"), space.used), (say.gettext("other files on this disk"), others)]
    return shares(frame, parts, space.disk, rest=say.gettext("free"))


def quota(space: Space, say: Say) -> Picture | None:
    """What the data may still grow; other files of the account are not told apart from what is used up."""
    if space.quota is None:
        return None
    summary = say.gettext("%(used)s of data, %(free)s left in the quota.") % {
        "used": _size(say)(space.used),
        "free": _size(say)(space.quota),
    }
    frame = Frame("quota", say.gettext("Space in the quota"), summary, say.gettext("What"), _size(say), _share(say))
    return shares(frame, [(say.gettext("this data"), space.used)], space.used + space.quota, rest=say.gettext("free"))


def namespaces(found: Sequence[NamespaceState], say: Say) -> Picture | None:
    """How full the namespaces are."""
    readable = [state.summary for state in found if state.summary]
    if not readable:
        return None
    series = [Series(say.gettext("of its quota"), [100 * each.bytes / each.quota for each in readable])]
    frame = Frame(
        "namespaces", say.gettext("Namespaces"), say.gettext("Bytes of keys and values."), say.gettext("Namespace"), _per_cent
    )
    return bars(frame, [each.namespace for each in readable], series, most=100.0)


def values(usage: Usage, say: Say) -> Picture:
    """Operations of the key-value service, over HTTP and by memcached."""
    recent = usage.last_hours(RECENT_HOURS)
    counts = {f"HTTP {word}": count for word, count in recent.of(Family.VALUES).items()}
    counts |= {f"memcached {word}": count for word, count in recent.of(Family.MEMCACHED).items()}
    summary = say.gettext("Of the key-value service in %(count)s hours.") % {"count": RECENT_HOURS}
    return _ranked(Frame("values", say.gettext("Operations on values"), summary, say.gettext("Operation"), _count), counts, say)


def workers(usage: Usage, say: Say) -> Picture | None:
    """The memory of the processes that run."""
    running = usage.workers()
    if not running:
        return None
    frame = Frame(
        "workers",
        say.gettext("Memory of the workers"),
        say.gettext("What each has in memory now, with the parts of the data that it read and shares with the others."),
        say.gettext("Worker"),
        _size(say),
    )
    labels = [f"{worker.front} {worker.pid}" for worker in running]
    return bars(frame, labels, [Series(say.gettext("memory"), [worker.memory for worker in running])])


def starts(usage: Usage, say: Say) -> Picture:
    """How often processes began, by hour."""
    hours = usage.hours(HOURS)
    begun = [sum(hour.of(Family.STARTS).values()) for hour in hours]
    summary = say.ngettext(
        "%(all)s process began to answer in %(count)s hours.",
        "%(all)s processes began to answer in %(count)s hours.",
        sum(begun),
    ) % {"all": number(sum(begun)), "count": HOURS}
    frame = Frame("starts", say.gettext("Starts of workers"), summary, say.gettext("Hour"), _count)
    return columns(frame, list(map(_hour, hours)), [Series(say.gettext("starts"), begun)])


def _ranked(frame: Frame, counts: dict[str, int], say: Say) -> Picture:
    """Bars, the longest first."""
    ranked = sorted(((name, count) for name, count in counts.items() if count), key=lambda item: (-item[1], item[0]))
    return bars(frame, [name for name, _ in ranked], [Series(say.gettext("number"), [count for _, count in ranked])])


def _sum(values: Sequence[float | None]) -> int:
    return int(sum(value or 0 for value in values))


def _days(days: list[Period]) -> list[str]:
    return [written("%m-%d", day.start) for day in days]


def _hour(hour: Period) -> str:
    return written("%m-%d %H:%M", hour.start)


def _count(value: float) -> str:
    return number(int(value)) if value == int(value) else f"{value:g}"


def _second(seconds: int) -> str:
    """Two imports may begin in one minute."""
    return written("%m-%d %H:%M:%S", seconds)


def _milliseconds(point: str, value: float) -> str:
    text = f"{value / 1000:.3g} s" if value >= 1000 else f"{value:.3g} ms"
    return text.replace(".", point)


def _size(say: Say) -> Callable[[float], str]:
    return partial(size, point=_point(say))


def _share(say: Say) -> Callable[[float], str]:
    return lambda value: f"{value:.1f} %".replace(".", _point(say))


def _point(say: Say) -> str:
    """The decimal point."""
    return say.gettext(".")


def _per_cent(value: float) -> str:
    return f"{value:.0f} %" if value >= 1 or value == 0 else f"{value:.1g} %"
