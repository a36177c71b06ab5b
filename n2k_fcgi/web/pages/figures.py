"""The pictures of the status page, from what was counted and what takes space."""

import time
from collections.abc import Callable, Sequence

from n2k_fcgi.model.manifests import Manifest
from n2k_fcgi.model.statistics import Family, Period, merged
from n2k_fcgi.service.statistics import PERCENTILES, Usage
from n2k_fcgi.service.status.reading import NamespaceState, Status
from n2k_fcgi.service.status.space import Part, Space
from n2k_fcgi.web.api.status import DAYS, HOURS
from n2k_fcgi.web.pages.pictures import COLOURS, Frame, Picture, Series, bars, columns, lines, shares
from n2k_fcgi.web.pages.rendering import number, size

Say = Callable[[str], str]
"""gettext in the language of the page."""

RECENT_HOURS = 24
WEEK = 7
FORTNIGHT = 14


def figures(status: Status, gettext: Say) -> dict[str, Picture]:
    """Return all pictures that have something to show, by the names that the template has for them."""
    usage = status.usage
    made = [
        lookups(usage, gettext),
        latency(usage, gettext),
        registers(usage, gettext),
        kinds(usage, gettext),
        grids(usage, gettext),
        limits(usage, gettext),
        imports(status.generations, gettext),
        data(status.space, gettext),
        disk(status.space, gettext),
        quota(status.space, gettext),
        namespaces(status.namespaces, gettext),
        values(usage, gettext),
        workers(usage, gettext),
        starts(usage, gettext),
    ]
    return {picture.id: picture for picture in made if picture is not None}


def lookups(usage: Usage, gettext: Say) -> Picture:
    """Names and keys that were asked for, by hour."""
    hours = usage.hours(HOURS)
    hits, misses = [hour.hits for hour in hours], [hour.misses for hour in hours]
    summary = gettext("%(hits)s found and %(misses)s not found in %(count)s hours.") % {
        "hits": number(sum(hits)),
        "misses": number(sum(misses)),
        "count": HOURS,
    }
    frame = Frame("lookups", gettext("Lookups by hour"), summary, gettext("Hour"), _count)
    return columns(frame, list(map(_hour, hours)), [Series(gettext("found"), hits), Series(gettext("not found"), misses)])


def registers(usage: Usage, gettext: Say) -> Picture:
    """Registrations by day: of new avatars, of known ones, and refused."""
    days = usage.days(DAYS)
    series = [
        Series(word, [day.of(Family.REGISTERS).get(name, 0) for day in days])
        for name, word in (("new", gettext("new")), ("known", gettext("known before")), ("refused", gettext("refused")))
    ]
    summary = gettext("%(new)s new avatars in %(count)s days.") % {"new": number(_sum(series[0].values)), "count": DAYS}
    return columns(Frame("registers", gettext("Registrations by day"), summary, gettext("Day"), _count), _days(days), series)


def kinds(usage: Usage, gettext: Say) -> Picture | None:
    """Answers by what was asked."""
    words = {
        "lookup": gettext("lookups"),
        "search": gettext("searches"),
        "list": gettext("lists (csv)"),
        "register": gettext("registrations"),
        "forget": gettext("requests to be forgotten"),
        "pending": gettext("pending keys"),
        "values": gettext("values of scripts"),
        "page": gettext("pages"),
        "owner": gettext("of the owner"),
        "health": gettext("health checks"),
        "other": gettext("others"),
    }
    recent = usage.last_hours(RECENT_HOURS)
    counts = {words.get(kind, kind): count for kind, count in recent.by_kind().items()}
    summary = gettext("%(all)s answers in %(count)s hours.") % {"all": number(recent.answers), "count": RECENT_HOURS}
    return _ranked(Frame("kinds", gettext("Answers by kind"), summary, gettext("Kind"), _count), counts, gettext)


def latency(usage: Usage, gettext: Say) -> Picture:
    """How long making an answer took, by hour."""
    hours = usage.hours(HOURS)
    times = [hour.latency() for hour in hours]
    series = [
        Series(f"{percent} %", [each.percentile(percent) * 1000 if each.answers else None for each in times])
        for percent in PERCENTILES
    ]
    recent = usage.last_hours(RECENT_HOURS).latency()
    summary = gettext("Half of the answers of %(count)s hours were made within %(half)s, 99 %% within %(most)s.") % {
        "count": RECENT_HOURS,
        "half": _milliseconds(recent.percentile(50) * 1000),
        "most": _milliseconds(recent.percentile(99) * 1000),
    }
    frame = Frame("latency", gettext("Time for an answer"), summary, gettext("Hour"), _milliseconds)
    return lines(frame, list(map(_hour, hours)), series)


def grids(usage: Usage, gettext: Say) -> Picture | None:
    """Which share of the answers has which grid."""
    found = merged(usage.days(FORTNIGHT), 0, 0).of(Family.GRIDS)
    parts = sorted(found.items(), key=lambda part: -part[1])
    if not parts:
        return None
    if len(parts) > COLOURS:
        rest = sum(count for _, count in parts[COLOURS - 1 :])
        parts = [*parts[: COLOURS - 1], (gettext("others"), rest)]
    summary = gettext("By the grid of the avatar that answered, in %(count)s days.") % {"count": FORTNIGHT}
    return shares(Frame("grids", gettext("Shares of the grids"), summary, gettext("Grid"), _count), parts)


def limits(usage: Usage, gettext: Say) -> Picture | None:
    """Which limits refused requests."""
    found = merged(usage.days(WEEK), 0, 0).of(Family.LIMITS)
    summary = gettext("Requests that a limit refused in %(count)s days.") % {"count": WEEK}
    return _ranked(Frame("limits", gettext("Limits that bit"), summary, gettext("Limit"), _count), found, gettext)


def imports(generations: Sequence[Manifest], gettext: Say) -> Picture | None:
    """What each import changed."""
    if not generations:
        return None
    series = [
        Series(gettext("added"), [manifest.added for manifest in generations]),
        Series(gettext("changed"), [manifest.changed for manifest in generations]),
        Series(gettext("removed"), [manifest.removed for manifest in generations]),
    ]
    summary = gettext("Of the generations that are kept; the list below has the rest.")
    frame = Frame("imports", gettext("What imports changed"), summary, gettext("Generation"), _count)
    return columns(frame, [_moment(manifest.created) for manifest in generations], series)


def data(space: Space, gettext: Say) -> Picture:
    """What takes the space of the data directory."""
    words = {
        Part.GENERATIONS: gettext("whole generations"),
        Part.DIFFERENCES: gettext("differences"),
        Part.CAPTURES: gettext("captures"),
        Part.NAMESPACES: gettext("namespaces"),
        Part.DATASETS: gettext("datasets"),
        Part.LOGS: gettext("logs"),
        Part.OTHERS: gettext("other data"),
    }
    summary = gettext("%(used)s in all.") % {"used": size(space.used)}
    frame = Frame("data", gettext("Size of the data"), summary, gettext("What"), size)
    return bars(frame, list(words.values()), [Series(gettext("size"), [space.parts[part] for part in words])])


def disk(space: Space, gettext: Say) -> Picture:
    """What the data directory takes of its disk."""
    others = max(0, space.disk - space.free - space.used)
    summary = gettext("%(used)s of data, %(free)s free on the disk.") % {"used": size(space.used), "free": size(space.free)}
    frame = Frame("disk", gettext("Space on the disk"), summary, gettext("What"), size)
    parts = [(gettext("this data"), space.used), (gettext("others on this disk"), others)]
    return shares(frame, parts, space.disk)


def quota(space: Space, gettext: Say) -> Picture | None:
    """What the data may still grow; other files of the account are not told apart from what is used up."""
    if space.quota is None:
        return None
    summary = gettext("%(used)s of data, %(free)s left in the quota.") % {"used": size(space.used), "free": size(space.quota)}
    frame = Frame("quota", gettext("Space in the quota"), summary, gettext("What"), size)
    return shares(frame, [(gettext("this data"), space.used)], space.used + space.quota)


def namespaces(found: Sequence[NamespaceState], gettext: Say) -> Picture | None:
    """How full the namespaces are."""
    readable = [state.summary for state in found if state.summary]
    if not readable:
        return None
    series = [Series(gettext("of its quota"), [100 * each.bytes / each.quota for each in readable])]
    frame = Frame("namespaces", gettext("Namespaces"), gettext("Bytes of keys and values."), gettext("Namespace"), _per_cent)
    return bars(frame, [each.namespace for each in readable], series, most=100.0)


def values(usage: Usage, gettext: Say) -> Picture | None:
    """Operations of the key-value service, over HTTP and by memcached."""
    recent = usage.last_hours(RECENT_HOURS)
    counts = {f"HTTP {word}": count for word, count in recent.of(Family.VALUES).items()}
    counts |= {f"memcached {word}": count for word, count in recent.of(Family.MEMCACHED).items()}
    summary = gettext("Of the key-value service in %(count)s hours.") % {"count": RECENT_HOURS}
    return _ranked(Frame("values", gettext("Operations on values"), summary, gettext("Operation"), _count), counts, gettext)


def workers(usage: Usage, gettext: Say) -> Picture | None:
    """The memory of the processes that run."""
    running = usage.workers()
    if not running:
        return None
    frame = Frame(
        "workers",
        gettext("Memory of the workers"),
        gettext("Resident, with the pages of their maps."),
        gettext("Worker"),
        size,
    )
    labels = [f"{worker.front} {worker.pid}" for worker in running]
    return bars(frame, labels, [Series(gettext("memory"), [worker.memory for worker in running])])


def starts(usage: Usage, gettext: Say) -> Picture:
    """How often processes began, by hour."""
    hours = usage.hours(HOURS)
    begun = [sum(hour.of(Family.STARTS).values()) for hour in hours]
    summary = gettext("%(all)s processes began to answer in %(count)s hours.") % {"all": number(sum(begun)), "count": HOURS}
    frame = Frame("starts", gettext("Starts of workers"), summary, gettext("Hour"), _count)
    return columns(frame, list(map(_hour, hours)), [Series(gettext("starts"), begun)])


def _ranked(frame: Frame, counts: dict[str, int], gettext: Say) -> Picture | None:
    """Bars, the longest first; None without any."""
    ranked = sorted(((name, count) for name, count in counts.items() if count), key=lambda item: (-item[1], item[0]))
    if not ranked:
        return None
    return bars(frame, [name for name, _ in ranked], [Series(gettext("number"), [count for _, count in ranked])])


def _sum(values: Sequence[float | None]) -> int:
    return int(sum(value or 0 for value in values))


def _days(days: list[Period]) -> list[str]:
    return [time.strftime("%m-%d", time.gmtime(day.start)) for day in days]


def _hour(hour: Period) -> str:
    return _moment(hour.start)


def _moment(seconds: int) -> str:
    return time.strftime("%m-%d %H:%M", time.gmtime(seconds))


def _count(value: float) -> str:
    return number(int(value)) if value == int(value) else f"{value:g}"


def _milliseconds(value: float) -> str:
    return f"{number(round(value))} ms" if value >= 100 else f"{value:.3g} ms"


def _per_cent(value: float) -> str:
    return f"{value:.0f} %" if value >= 1 or value == 0 else f"{value:.1g} %"
