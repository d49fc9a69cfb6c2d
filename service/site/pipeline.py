"""One run of the site, in six steps: acquire, store, map, evaluate, protect, push.

A run can be killed at any moment and started again: a pull is used only when it is whole, the store
changes at one stroke, and a release that is in the outbox already is not made twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from service.disclosure import Policy
from service.errors import ConfigError
from service.gateway.spool import Spool
from service.measure.completeness import Verdict
from service.measure.package import MeasurePackage, load_package
from service.measure.period import timezone
from service.site.alone import alone
from service.site.config import SiteConfig
from service.site.database import open_database
from service.site.evaluation import Exact, counts_of
from service.site.history import History, Remembered
from service.site.judging import Judge, Judged
from service.site.keys import SiteKeys, site_keys
from service.site.mapped_store import MappedStore
from service.site.mapping import CodeMapping, load_mapping
from service.site.needs import Needs, needs_of
from service.site.outbox import Outbox
from service.site.plan import merge
from service.site.protect import Origin, Outcome, Result, protect, releasable
from service.site.push import PushSummary, collect, push, spool_of
from service.site.recollection import count_again
from service.site.refreshing import refresh
from service.site.signed_policy import site_policy
from service.site.store import Facts, Store, open_store
from service.site.survey import Survey
from service.site.verdict import Finding
from service.site.verdict_list import MeasureVerdict, VerdictList, write_verdicts


@dataclass(frozen=True)
class MeasureRun:
    """What a run made of one measure: its periods that are over, and the worst verdict among them;
    None when none is."""

    measure: str
    periods: int
    failed: int  # patients times periods without a defined result
    verdict: Verdict | None


@dataclass(frozen=True)
class Run:
    """What a run came to."""

    patients: int
    findings: Sequence[Finding]
    unmapped: int  # distinct codes that nothing maps; they are listed in data_dir
    measures: Sequence[MeasureRun]
    made: int  # releases that say something new
    held: Sequence[Outcome]  # results of which nothing new is said, with why
    push: PushSummary

    @property
    def complete(self) -> bool:
        """Whether every result is complete, or would be if a period were over, and everything was
        delivered."""
        if_any = None if self.findings else Verdict.COMPLETE
        return self.push.complete and all(
            (measure.verdict or if_any) is Verdict.COMPLETE for measure in self.measures
        )


@dataclass(frozen=True)
class Preview:
    """What a run would release, under which policy, and what was released before."""

    policy: Policy
    outcomes: Sequence[Outcome]
    history: Sequence[Remembered]


def run(config: SiteConfig) -> Run:
    """Pull, compute, protect and push once.

    Raises WeirError when a step cannot be done; then nothing of that step is used, and what earlier
    runs put into the outbox stays there.
    """
    setup = _set_up(config)
    with alone(config.data_dir):
        keys = site_keys(config.data_dir)
        outbox = Outbox(open_database(config.data_dir))
        collect(outbox, Spool(spool_of(config)))

        store = refresh(config, merge(one.plan for one in setup.needs))
        history = _history(config)
        weighed = _weigh(config, setup, store, keys, history.all())
        weighed.survey.write(config.data_dir)
        judged = weighed.judged
        write_verdicts(config.data_dir, _verdicts(store.facts, judged))
        made = _keep(weighed.outcomes, history, outbox)
        pushed = push(config, outbox, keys)
    return Run(
        patients=store.facts.patients,
        findings=sorted({*store.facts.findings, *(one for _, of in judged for one in of.findings)}),
        unmapped=len(weighed.survey.unmapped),
        measures=[_measure_run(package, judged) for package in setup.packages],
        made=made,
        held=[each for each in weighed.outcomes if each.held],
        push=pushed,
    )


def preview(config: SiteConfig) -> Preview:
    """What a run would release of the data that were pulled last; nothing is kept or sent."""
    setup = _set_up(config)
    with alone(config.data_dir):
        history = _history(config).all()
        store = open_store(config.data_dir)
        weighed = _weigh(config, setup, store, site_keys(config.data_dir), history)
    return Preview(setup.policy, weighed.outcomes, history)


@dataclass(frozen=True)
class _Setup:
    """What a site counts, under which policy and mapping."""

    packages: list[MeasurePackage]
    policy: Policy
    mapping: CodeMapping
    needs: list[Needs]


@dataclass(frozen=True)
class _Weighed:
    """What a store comes to."""

    survey: Survey
    judged: Sequence[tuple[Exact, Judged]]
    outcomes: Sequence[Outcome]


def _set_up(config: SiteConfig) -> _Setup:
    packages = load_packages(config.measures)
    policy = site_policy(config)
    return _Setup(
        packages, policy, load_mapping(config.mapping), [needs_of(package) for package in packages]
    )


def _history(config: SiteConfig) -> History:
    return History(open_database(config.history_dir or config.data_dir))


def _weigh(
    config: SiteConfig, setup: _Setup, store: Store, keys: SiteKeys, history: Sequence[Remembered]
) -> _Weighed:
    """Evaluate, judge and protect; nothing of it is kept yet."""
    mapped = MappedStore(store, setup.mapping, setup.needs)
    zone = timezone(config.timezone)
    as_of = datetime.fromisoformat(store.facts.transaction_time)
    counts = counts_of(setup.packages, setup.policy, zone, as_of)
    results = count_again(mapped, setup.packages, counts, setup.mapping.hash, config.data_dir)
    judge = Judge(store.facts, mapped.survey, zone, config.verdict)
    judged = [
        (each, judge.on(each.package, each.period, each.failed, each.counted)) for each in results
    ]
    told = [Result(exact.package, exact.table, each.completeness) for exact, each in judged]
    outcomes = protect(told, _origin(config, setup.policy, keys, setup.mapping), history)
    return _Weighed(mapped.survey, judged, outcomes)


def deliver(config: SiteConfig) -> PushSummary:
    """Push what waits in the outbox, and nothing else. Raises StoreError while a run is at work."""
    with alone(config.data_dir):
        outbox = Outbox(open_database(config.data_dir))
        return push(config, outbox, site_keys(config.data_dir))


def load_packages(paths: Sequence[Path]) -> list[MeasurePackage]:
    """The measures of the configuration. Raises MeasureError, ConfigError for one that is twice."""
    packages = [load_package(path) for path in paths]
    if len({package.url for package in packages}) < len(packages):
        raise ConfigError("a measure is named twice", where="measures", todo="Name it once")
    for package in packages:
        releasable(package)
    return packages


def _origin(config: SiteConfig, policy: Policy, keys: SiteKeys, mapping: CodeMapping) -> Origin:
    return Origin(
        site=config.site,
        policy=policy,
        rounding_key=keys.rounding,
        mapping=mapping.hash if config.mapping else "none",
        timezone=config.timezone,
        today=datetime.now(UTC).date(),
    )


def _verdicts(facts: Facts, judged: Sequence[tuple[Exact, Judged]]) -> VerdictList:
    return VerdictList(
        as_of=facts.transaction_time,
        patients=facts.patients,
        resources=facts.resources,
        findings=facts.findings,
        verdicts=[
            MeasureVerdict(
                measure=exact.package.url,
                title=exact.package.title,
                period=str(exact.period),
                verdict=each.completeness.verdict,
                findings=list(each.findings),
            )
            for exact, each in judged
        ],
    )


def _keep(outcomes: Sequence[Outcome], history: History, outbox: Outbox) -> int:
    """Put the releases into history and outbox; how many of them say something new.

    History comes first: what it holds and the outbox does not is offered again by the next run.
    """
    made = 0
    for release in (each.release for each in outcomes):
        if release:
            history.append(release.memory)
            made += outbox.enqueue(release)
    return made


def _measure_run(package: MeasurePackage, judged: Sequence[tuple[Exact, Judged]]) -> MeasureRun:
    mine = [(exact, each) for exact, each in judged if exact.package is package]
    failed = sum(exact.failed for exact, _ in mine)
    order = list(Verdict)
    worst = max((each.completeness.verdict for _, each in mine), key=order.index, default=None)
    return MeasureRun(package.title, len(mine), failed, worst)
