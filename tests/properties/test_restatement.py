"""History: as-of replay, and one restatement for every version that replaces another."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlmodel import Session

from service.measure.completeness import COMPLETE, Completeness, Reason, Verdict
from service.measure.summary import Absent, Summary, SummaryGroup
from service.network import receiving, roster
from service.network.archive import versions_of
from service.network.board import board_of
from service.network.config import NetworkConfig
from service.network.database import open_database
from service.network.news import restatements
from service.network.restatement import FIRST, WITHDRAWN
from service.network.table import instant
from service.spc.point import State
from tests.spec.network.reports import DRINKING, network_config, signed_letter, summary_of

START = datetime(2025, 3, 1, tzinfo=UTC)
FAILED = Completeness(Verdict.NOT_COMPUTABLE, frozenset({Reason.MEASURE_ERROR}))

sites = st.sampled_from(["north", "south"])
months = st.sampled_from(["2025-01", "2025-02"])
counts = st.sampled_from([0, 12, 21, 30, Absent.SUPPRESSED, None])
deliveries = st.lists(st.tuples(sites, months, counts, st.integers(0, 3)), max_size=8)


@contextmanager
def network() -> Iterator[tuple[NetworkConfig, Session]]:
    with TemporaryDirectory() as folder:
        config = network_config(f"sqlite:///{folder}/network.db")
        engine = open_database(config.database)
        with Session(engine) as session:
            roster.seed(session, config)
            yield config, session
        engine.dispose()


def report(site: str, month: str, count: int | Absent | None, serial: int) -> Summary:
    """A report of its own content and key; a count of None cannot be computed."""
    if count is None:
        error = Absent.NOT_COMPUTABLE
        content = summary_of(site, month, numerator=error, denominator=error, completeness=FAILED)
    else:
        content = summary_of(site, month, numerator=count, completeness=COMPLETE)
    group = SummaryGroup("serial", dict.fromkeys(content.groups[0].populations, 12 + 3 * serial))
    if count is None:
        group = SummaryGroup(f"serial-{serial}", content.groups[0].populations)
    return replace(content, groups=(*content.groups, group))


def deliver(
    session: Session, config: NetworkConfig, made: list[tuple[str, str, int | Absent | None, int]]
) -> list[tuple[str, Summary]]:
    """Send each report some days after the one before; gives the instants of arrival."""
    now, told = START, []
    for serial, (site, month, count, days) in enumerate(made):
        now += timedelta(days=days, seconds=1)
        content = report(site, month, count, serial)
        engine = session.get_bind()
        assert isinstance(engine, Engine)
        receiving.receive(engine, config, signed_letter(content), instant(now))
        told.append((instant(now), content))
    return told


@settings(max_examples=8, deadline=None)
@given(deliveries)
def test_any_instant_shows_what_had_come_by_then(
    made: list[tuple[str, str, int | Absent | None, int]],
) -> None:
    with network() as (config, session):
        told = deliver(session, config, made)
        for at, _ in [*told, (instant(START), None)]:
            known = [content for came, content in told if came <= at]
            board = board_of(session, config, config.measures[0], at)
            shown = {
                (series.reporter, reading.period): reading
                for group in board.groups[:1]
                for series in group.sites
                for reading in series.readings
                if reading.versions
            }
            newest = {(each.site, f"{each.period.start:%Y-%m}"): each for each in known}
            assert set(shown) == set(newest)
            for place, content in newest.items():
                assert shown[place].versions == sum(
                    (each.site, f"{each.period.start:%Y-%m}") == place for each in known
                )
                numerator = content.groups[0].populations["numerator"]
                if isinstance(numerator, int):
                    assert (shown[place].state, shown[place].numerator) == (
                        State.NUMBER,
                        numerator,
                    )
                else:
                    assert shown[place].numerator is None


@settings(max_examples=8, deadline=None)
@given(deliveries)
def test_each_version_that_replaces_another_is_one_restatement(
    made: list[tuple[str, str, int | Absent | None, int]],
) -> None:
    with network() as (config, session):
        deliver(session, config, made)
        found = [v for versions in versions_of(session, DRINKING).values() for v in versions]
        assert len(found) == len(made)
        replacing = {version.receipt for version in found if version.reason != FIRST}
        told = [each.key for each in restatements(board_of(session, config, config.measures[0]))]
        assert sorted(told) == sorted(replacing)
        assert len(replacing) == len(made) - len({(site, month) for site, month, _, _ in made})


@settings(max_examples=8, deadline=None)
@given(deliveries)
def test_what_was_taken_back_is_withdrawn_and_nothing_else_is(
    made: list[tuple[str, str, int | Absent | None, int]],
) -> None:
    with network() as (config, session):
        deliver(session, config, made)
        for versions in versions_of(session, DRINKING).values():
            for before, after in zip(versions, versions[1:], strict=False):
                failed = after.summary.completeness.verdict is Verdict.NOT_COMPUTABLE
                had = before.summary.completeness.verdict is not Verdict.NOT_COMPUTABLE
                assert (after.reason == WITHDRAWN) == (failed and had)
