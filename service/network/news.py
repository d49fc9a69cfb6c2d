"""What happened to a measure, in sentences: signals and restatements."""

from collections.abc import Iterator
from dataclasses import dataclass

from service.network import window
from service.network.board import Board
from service.network.restatement import FIRST
from service.network.series import Series
from service.network.words import signal_text
from service.spc.runs import Signal


@dataclass(frozen=True)
class News:
    """One sentence, what it is about, and since when it is so."""

    text: str
    measure: str
    at: str
    is_signal: bool = False
    key: str = ""


def restatements(board: Board) -> Iterator[News]:
    """Every report that replaced another: exactly one sentence for each."""
    for restated in board.restatements:
        for version in restated.versions:
            if version.reason != FIRST:
                period = window.spoken(restated.period)
                told = f"{restated.site.name} restated {period}: {version.reason}."
                yield News(told, board.measure.id, version.received, key=version.receipt)


def signals(board: Board) -> Iterator[News]:
    """Every signal on the board, dated by the last report that it rests on."""
    for group in board.groups:
        lines = (group.network,) if group.group.stratum_of else group.series
        for series in lines:
            for signal in _telling(series):
                part = group.group.title
                told = series.name if part == board.measure.title else f"{series.name}, {part}"
                told += f": {signal_text(signal, series, board.measure)}"
                key = f"{group.group.id}/{series.reporter}/{signal.rule}/{_at(series, signal)}"
                yield News(told, board.measure.id, _dated(series, signal), True, key)


def _telling(series: Series) -> Iterator[Signal]:
    """One signal for each thing that happened: few crossings beside a long run are the same."""
    for phase in series.chart.phases:
        sided = [signal for signal in phase.signals if signal.side is not None]
        yield from sided or phase.signals


def _at(series: Series, signal: Signal) -> str:
    return series.readings[signal.first].period


def _dated(series: Series, signal: Signal) -> str:
    """When the report came that made it a signal: a run that goes on is not news each month."""
    limits = [p.analysis.longest_run_max for p in series.chart.phases if p.analysis]
    enough = max(limits, default=0) + 1
    first = signal.positions[:enough] if signal.side is not None else signal.positions
    return max((series.readings[at].received or "" for at in first), default="")
