"""Everything that is shown of one measure: for each group the network's line and the sites'."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from sqlmodel import Session

from service.measure.stratum_name import stratum_name
from service.network import window
from service.network.archive import Version, Versions, versions_of
from service.network.config import Annotation, Group, Measure, NetworkConfig
from service.network.lens import LENSES, Lens
from service.network.notes import annotations, goals, minor_mappings
from service.network.pool import Pooled, pool
from service.network.reading import Reading, missing, read
from service.network.roster import Site
from service.network.roster_history import roster_history
from service.network.scale import Scale, scale_of
from service.network.series import NETWORK, Goal, Mark, Series, changes
from service.spc.point import State


@dataclass(frozen=True)
class GroupBoard:
    """One group of the measure: the pooled line, and the sites' lines sorted by name."""

    group: Group
    network: Series
    sites: tuple[Series, ...]

    @property
    def series(self) -> tuple[Series, ...]:
        return (self.network, *self.sites)

    def through(self, lens: Lens) -> "GroupBoard":
        """The same lines seen as other charts."""
        sites = tuple(series.through(lens) for series in self.sites)
        return replace(self, network=self.network.through(lens), sites=sites)


@dataclass(frozen=True)
class Restatement:
    """A site's period that was reported more than once, oldest version first."""

    site: Site
    period: str
    versions: tuple[Version, ...]


@dataclass(frozen=True)
class Wider:
    """A site's report of a window that is longer than the measure's, group by group.

    It stands in for periods that cannot show a rate. It is told as what it is: no point of a line,
    in no sum and in no funnel.
    """

    site: Site
    period: str
    readings: tuple[tuple[Group, Reading], ...]

    def shows(self, group: str) -> bool:
        """Whether it has a rate for a group."""
        return any(each.id == group and reading.rate is not None for each, reading in self.readings)


@dataclass(frozen=True)
class Board:
    """A measure's groups, headline first, over ``periods`` without holes, and its history.

    ``groups`` is empty until a first report has come; ``wider`` are reports of longer windows.
    """

    measure: Measure
    periods: tuple[str, ...]
    groups: tuple[GroupBoard, ...]
    restatements: tuple[Restatement, ...]
    rounding: tuple[int, ...]
    directions: frozenset[str]
    wider: tuple[Wider, ...] = ()

    @property
    def strata(self) -> tuple[tuple[GroupBoard, tuple[GroupBoard, ...]], ...]:
        """Groups and, of one stratifier after the other, the parts that they are told in.

        Parts are in the order of their titles.
        """
        found: dict[tuple[str, str], list[GroupBoard]] = {}
        for part in sorted(self.groups, key=lambda each: each.group.title):
            found.setdefault((part.group.stratum_of, part.group.stratifier), []).append(part)
        wholes = {each.group.id: each for each in self.groups}
        return tuple(
            (wholes[whole], tuple(parts))
            for (whole, _), parts in sorted(found.items())
            if whole in wholes
        )

    @property
    def contradicts(self) -> bool:
        """Whether reports say of a direction that it is better, and the configuration another."""
        return bool(self.directions - {self.measure.direction})

    @cached_property
    def scale(self) -> Scale:
        """The vertical scale that all charts of the measure share."""
        lines = [series for group in self.groups for series in group.series]
        rates = (rate for series in lines for rate in series.rates)
        wanted = {goal.rate for series in lines for goal in series.goals}
        if self.measure.target is not None:
            wanted.add(self.measure.target)
        return scale_of(rates, wanted)

    def through(self, lens: Lens) -> "Board":
        """The same lines seen as other charts."""
        if lens == LENSES[self.measure.chart]:
            return self
        return replace(self, groups=tuple(group.through(lens) for group in self.groups))


@dataclass(frozen=True)
class _Source:
    """What a board is made of.

    ``sites`` could report the measure at some time, those ``shown`` still can; ``members`` could
    on the last day of each period.
    """

    config: NetworkConfig
    measure: Measure
    sites: Sequence[Site]
    shown: frozenset[str]
    members: Mapping[str, frozenset[str]]
    versions: Versions
    wider: Sequence[Wider]
    periods: Sequence[str]
    annotations: Sequence[Annotation]
    minor: frozenset[str]
    goals: Mapping[str | None, tuple[Goal, ...]]

    @cached_property
    def wider_of(self) -> Mapping[str, list[Wider]]:
        """The reports of longer windows, by site."""
        found: dict[str, list[Wider]] = {}
        for each in self.wider:
            found.setdefault(each.site.id, []).append(each)
        return found

    @property
    def lens(self) -> Lens:
        return LENSES[self.measure.chart]

    def goals_of(self, site: str | None) -> tuple[Goal, ...]:
        """A site's own aims, or else everybody's."""
        return self.goals.get(site) or self.goals.get(None, ())


def board_of(
    session: Session,
    config: NetworkConfig,
    measure: Measure,
    as_of: str | None = None,
    only: str | None = None,
) -> Board:
    """Read the archive and make all lines of one measure, as they were known at ``as_of``.

    The sites are those that could report the measure then; with ``only``, that one alone. What a
    site reported before it left stays in the sums of those periods.
    """
    roster = roster_history(session, as_of)
    sites = [site for site in roster.everyone(measure) if only in (None, site.id)]
    shown = frozenset(site.id for site in sites if measure.url in site.measures)
    allowed = {site.id for site in sites}
    received = versions_of(session, measure.url, as_of, only)
    every = {key: found for key, found in received.items() if key[0] in allowed}
    versions = {key: found for key, found in every.items() if _is_of(key[1], measure)}
    groups = _groups(measure, every)
    wider = _wider([site for site in sites if site.id in shown], every, measure, groups)
    periods = _periods(every, measure)
    source = _Source(
        config,
        measure,
        sites,
        shown,
        roster.members(measure, periods),
        versions,
        wider,
        periods,
        annotations(session, config, measure, as_of),
        minor_mappings(session, as_of),
        goals(session, measure, as_of),
    )
    newest = [found[-1].summary for found in every.values()]
    return Board(
        measure=measure,
        periods=tuple(periods),
        groups=tuple(_group_board(source, group) for group in groups),
        restatements=tuple(_restatements(sites, every)),
        rounding=tuple(sorted({summary.rounding for summary in newest})),
        directions=frozenset(summary.improvement for summary in newest if summary.improvement),
        wider=wider,
    )


def _is_of(period: str, measure: Measure) -> bool:
    return window.length(period) == measure.window


def _periods(versions: Versions, measure: Measure) -> list[str]:
    """The measure's windows from the first month that is reported, in whatever window, on."""
    months = [month for _, period in versions for month in window.months(period)]
    if not months:
        return []
    first, last = (window.holding(month, measure.window) for month in (min(months), max(months)))
    return window.span(first, last, measure.window)


def _wider(
    sites: Sequence[Site], versions: Versions, measure: Measure, groups: Sequence[Group]
) -> tuple[Wider, ...]:
    """What was reported in longer windows, by site's name, the shorter ones first."""
    names = {site.id: site for site in sites}
    found = [
        Wider(names[site], period, tuple((g, read(period, told, g.id)) for g in groups))
        for (site, period), told in versions.items()
        if site in names and not _is_of(period, measure)
    ]
    order = ("quarter", "year")
    return tuple(
        sorted(
            found,
            key=lambda each: (
                each.site.name,
                each.site.id,
                order.index(window.length(each.period)),
                each.period,
            ),
        )
    )


def _groups(measure: Measure, versions: Versions) -> list[Group]:
    """Those of the configuration and of the newest reports, the headline first, strata last."""
    named = [group.id for group in measure.groups]
    sent = [group.id for found in versions.values() for group in found[-1].summary.groups]
    known = dict.fromkeys(sent)
    ordered = [name for name in dict.fromkeys([measure.headline, *named, *sent]) if name in known]
    ordered.sort(key=lambda name: stratum_name(name) is not None)
    return [measure.group(name) for name in ordered]


def _group_board(source: _Source, group: Group) -> GroupBoard:
    measure, periods = source.measure, source.periods
    lines = tuple(
        Series(
            site.id,
            site.name,
            group,
            tuple(_reading(source, site.id, period, group.id) for period in periods),
            changes(_seen_at(site, source.annotations), measure, periods),
            minor=source.minor,
            lens=source.lens,
            goals=source.goals_of(site.id),
        )
        for site in source.sites
    )
    pools = _pools(source, lines)
    marks = [*changes(_seen_by_all(source), measure, periods), *_remapped(lines)]
    network = Series(
        NETWORK,
        source.config.title,
        group,
        tuple(pooled.reading for pooled in pools),
        tuple(sorted(marks, key=lambda mark: mark.position)),
        pools,
        lens=source.lens,
        goals=source.goals_of(None),
    )
    shown = tuple(series for series in lines if series.reporter in source.shown)
    return GroupBoard(group, network, shown)


def _remapped(sites: Sequence[Series]) -> list[Mark]:
    """Another mapping at one site breaks its line, and is told on the network's."""
    return [
        Mark(mark.position, f"{series.name}: {mark.text}", site=series.reporter)
        for series in sites
        for mark in series.remappings
    ]


def _pools(source: _Source, lines: Sequence[Series]) -> tuple[Pooled, ...]:
    first: dict[str, str] = {}
    for site, period in sorted(source.versions):
        first.setdefault(site, period)
    names = {series.reporter: series.name for series in lines}
    found = []
    for period, readings in _by_period(source, lines):
        begun = frozenset(site for site in readings if first.get(site, "9") <= period)
        pooled = pool(period, readings, begun, source.config.pool_share)
        found.append(replace(pooled, names=names))
    return tuple(found)


def _by_period(
    source: _Source, lines: Sequence[Series]
) -> Iterator[tuple[str, Mapping[str, Reading]]]:
    """Each period with the readings of those who were members in it, or reported it anyhow."""
    for position, period in enumerate(source.periods):
        members = source.members[period]
        yield (
            period,
            {
                series.reporter: series.readings[position]
                for series in lines
                if series.reporter in members or (series.reporter, period) in source.versions
            },
        )


def _seen_at(site: Site, annotations: Sequence[Annotation]) -> list[Annotation]:
    return [note for note in annotations if note.site in (None, site.id)]


def _seen_by_all(source: _Source) -> list[Annotation]:
    """The changes of all reporters, each by its name: no baseline of the network's own line."""
    names = {site.id: site.name for site in source.sites}
    return [
        note.model_copy(update={"text": f"{names[note.site]}: {note.text}", "baseline": False})
        if note.site
        else note
        for note in source.annotations
        if note.site is None or note.site in names
    ]


def _reading(source: _Source, site: str, period: str, group: str) -> Reading:
    found = source.versions.get((site, period))
    reading = read(period, found, group) if found else missing(period)
    if reading.state not in (State.SUPPRESSED, State.MISSING):
        return reading
    longer = (
        each.period
        for each in source.wider_of.get(site, ())
        if each.shows(group) and window.within(period, each.period)
    )
    return replace(reading, told_in=next(longer, ""))


def _restatements(sites: Sequence[Site], versions: Versions) -> list[Restatement]:
    by_id = {site.id: site for site in sites}
    return [
        Restatement(by_id[site], period, tuple(found))
        for (site, period), found in sorted(versions.items())
        if len(found) > 1
    ]
