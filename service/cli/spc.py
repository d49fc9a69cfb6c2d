"""``weir spc``: a control chart of anyone's table."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli.spc_text import chart_text, cusum_text, funnel_text
from service.errors import ChartError
from service.spc.chart import Chart, control_chart
from service.spc.contract import chart_contract, cusum_contract, funnel_contract
from service.spc.cusum import LIMIT, bernoulli_cusum
from service.spc.funnel import funnel
from service.spc.icons import assurance, variation
from service.spc.kind import KINDS, RUN, Kind, P, U, kind_named
from service.spc.limits import Limits, Method
from service.spc.rounding import variance
from service.spc.rules import RULE_SETS, rule_set
from service.spc.runs import Side
from service.spc.subgroup import Subgroup
from service.spc.table import LEAST, MOST, read_table

FUNNELS = {"funnel": P, "funnel-rate": U}
CUSUM = "cusum"
ENOUGH = 2  # numbers in a phase: one has no scatter
OTHERS = {
    "funnel": "proportions of units side by side, each unit's name as its period",
    "funnel-rate": "events per opportunity of units, or observed by expected events",
    CUSUM: "single cases in order, numerator 1 for an event and 0 for none",
}
CHARTS = {kind.name: kind.title for kind in KINDS.values()} | OTHERS
HELP = "\n\n".join(
    [
        "Draw a control chart of a table, in numbers.",
        "Rows count from 1 below the header. An empty numerator is a missing point, never zero; "
        "the words suppressed and not computable tell other gaps. The columns provisional (yes "
        "or no) and excluded (why) may be there too.",
        "Charts:",
        *(f"{name}: {title}" for name, title in CHARTS.items()),
    ]
)


class Better(StrEnum):
    """Which way is better."""

    HIGHER = "higher"
    LOWER = "lower"


SIDES: dict[Better, Side] = {Better.HIGHER: "above", Better.LOWER: "below"}


@dataclass(frozen=True)
class Choices:
    """What a person chose, beside the chart and the table."""

    freeze: int | None
    breaks: list[int]
    method: Method
    multiply: float
    rules: str
    shift: int | None
    trend: int | None
    target: float | None
    better: Better | None
    overdispersed: bool


def option(help: str, *names: str) -> Any:
    return typer.Option(*names, help=help)


ChartOption = Annotated[str, option("The chart, one of those above.")]
CsvOption = Annotated[Path, option("Table with the columns period,numerator,denominator.")]
FreezeOption = Annotated[int | None, option("Take the lines from rows 1 to N, and keep them.")]
ExcludeOption = Annotated[str, option("Rows that set no line and are in no run: 6,20.")]
PhaseOption = Annotated[str, option("Rows after which new lines begin: 30. You decide, not Weir.")]
LimitsOption = Annotated[
    Limits, option("3 sigma, exact quantiles (p, u, c), or exact where fewer than 5 are expected.")
]
ScreenOption = Annotated[bool, option("Leave out outlying moving ranges, once.", "--screen-mr")]
MultiplyOption = Annotated[float, option("Draw values so many times as large.")]
RulesOption = Annotated[str, option(f"What tells signal from noise: {', '.join(RULE_SETS)}.")]
ShiftOption = Annotated[int | None, option("Points of a shift, if not perla's 6 or mdc's 7.")]
TrendOption = Annotated[int | None, option("Points of a trend, if not perla's 5 or mdc's 7.")]
TargetOption = Annotated[
    float | None, option("Target; of a funnel the rate compared with, of a cusum that expected.")
]
BetterOption = Annotated[Better | None, option("Which way is better: adds the two NHS icons.")]
RoundingOption = Annotated[int, option("Multiple that counts were rounded to at random.")]
OverdispersedOption = Annotated[
    bool, option("Funnel with room for over-dispersion.", "--overdispersed")
]
JsonOption = Annotated[bool, option("Write JSON, not a table.", "--json")]


def spc(
    chart: ChartOption,
    csv: CsvOption,
    freeze: FreezeOption = None,
    exclude: ExcludeOption = "",
    phase_after: PhaseOption = "",
    limits: LimitsOption = Limits.THREE_SIGMA,
    screen_mr: ScreenOption = False,
    multiply: MultiplyOption = 1.0,
    rules: RulesOption = "anhoej",
    shift: ShiftOption = None,
    trend: TrendOption = None,
    target: TargetOption = None,
    better: BetterOption = None,
    rounding: RoundingOption = 1,
    overdispersed: OverdispersedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Read the table, draw, and write to standard output."""
    _check_options(chart, freeze, phase_after, multiply, target)
    breaks = _rows(phase_after, "--phase-after")
    method = Method(limits, screen_mr)
    choices = Choices(
        freeze, breaks, method, multiply, rules, shift, trend, target, better, overdispersed
    )
    try:
        name, kind = _named(chart)
        read = [replace(s, noise=variance(rounding)) for s in read_table(_lines(csv), kind)]
        drawn, text = _draw(name, kind, _excluded(read, _rows(exclude, "--exclude")), choices)
    except ChartError as error:
        where = f"{csv}, {error.where}" if error.where else str(csv)
        raise ChartError(error.what, where=where, todo=error.todo) from None
    sys.stdout.write(json.dumps(drawn, indent=1) + "\n" if as_json else text)


def _check_options(
    chart: str, freeze: int | None, phases: str, multiply: float, target: float | None
) -> None:
    if not LEAST <= multiply <= MOST:
        raise ChartError("--multiply takes a number above 0")
    if target is not None and not abs(target) <= MOST:
        raise ChartError("--target takes a number")
    if (chart in FUNNELS and freeze is not None) or (chart in (*FUNNELS, CUSUM) and phases):
        raise ChartError(f"A {chart} has no phases", todo="Leave out --freeze and --phase-after")


def _named(chart: str) -> tuple[str, Kind]:
    """The chart's own name, and the kind whose columns it reads."""
    name = chart.strip().lower()
    if name in FUNNELS:
        return name, FUNNELS[name]
    if name == CUSUM:
        return name, RUN
    try:
        kind = kind_named(name)
    except ChartError as error:
        raise ChartError(error.what, todo=f"Choose one of {', '.join(CHARTS)}") from None
    return kind.name, kind


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise ChartError(f"The table cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ChartError("The table is not UTF-8 text") from None


def _rows(text: str, option: str) -> list[int]:
    """Row numbers from 1, parted by commas."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ChartError(f"{option} takes row numbers from 1, as 6,20")
    return [int(part) for part in parts]


def _excluded(subgroups: Sequence[Subgroup], rows: Sequence[int]) -> list[Subgroup]:
    _check_rows(rows, len(subgroups), "--exclude")
    return [
        replace(s, excluded=s.excluded or "--exclude") if row in rows else s
        for row, s in enumerate(subgroups, start=1)
    ]


def _check_rows(rows: Sequence[int], length: int, option: str) -> None:
    beyond = next((row for row in rows if not 0 < row <= length), None)
    if beyond is not None:
        raise ChartError(f"{option} names row {beyond}, and there are {length}")


def _draw(
    name: str, kind: Kind, subgroups: list[Subgroup], choices: Choices
) -> tuple[dict[str, Any], str]:
    """The chart as JSON values and as text."""
    if name in FUNNELS:
        return _draw_funnel(kind, subgroups, choices)
    if name == CUSUM:
        return _draw_cusum(subgroups, choices)
    drawn = _chart(kind, subgroups, choices)
    icons = _icons(drawn, choices)
    return {**chart_contract(drawn), **icons}, chart_text(drawn, icons)


def _chart(kind: Kind, subgroups: Sequence[Subgroup], choices: Choices) -> Chart:
    _check_rows(choices.breaks, len(subgroups) - 1, "--phase-after")
    _check_rows([] if choices.freeze is None else [choices.freeze], len(subgroups), "--freeze")
    rules = rule_set(choices.rules, shift=choices.shift, trend=choices.trend)
    drawn = control_chart(
        kind,
        subgroups,
        breaks=choices.breaks,
        baseline=choices.freeze,
        rules=rules,
        method=choices.method,
        multiply=choices.multiply,
        minimum_baseline=ENOUGH,
    )
    _check_phases(drawn, subgroups, choices.freeze)
    return drawn


def _check_phases(drawn: Chart, subgroups: Sequence[Subgroup], freeze: int | None) -> None:
    """Too few numbers make no chart: better none than one that looks like one."""
    if not drawn.phases:
        raise ChartError("There are no rows below the header")
    for phase in drawn.phases:
        numbers = sum(subgroup.judged for subgroup in subgroups[phase.first : phase.last + 1])
        if numbers < ENOUGH:
            rows = f"rows {phase.first + 1} to {phase.last + 1}"
            raise ChartError(f"A chart needs {ENOUGH} final numbers in a phase", where=rows)
        if freeze and phase.first < freeze <= phase.last + 1 and not phase.frozen:
            raise ChartError(f"--freeze {freeze} leaves fewer than {ENOUGH} numbers to freeze")


def _icons(drawn: Chart, choices: Choices) -> dict[str, str | None]:
    if choices.better is None:
        return {}
    side = SIDES[choices.better]
    now, ahead = variation(drawn, side), assurance(drawn, choices.target, side)
    return {
        "variation": None if now is None else str(now),
        "assurance": None if ahead is None else str(ahead),
    }


def _draw_funnel(
    kind: Kind, units: Sequence[Subgroup], choices: Choices
) -> tuple[dict[str, Any], str]:
    drawn = funnel(
        kind,
        units,
        target=choices.target,
        widen=choices.overdispersed,
        multiply=choices.multiply,
    )
    return funnel_contract(drawn), funnel_text(drawn)


def _draw_cusum(cases: Sequence[Subgroup], choices: Choices) -> tuple[dict[str, Any], str]:
    for row, case in enumerate(cases, start=1):
        if case.denominator is not None or case.numerator not in (None, 0, 1):
            raise ChartError("A case of a cusum is 0 or 1", where=f"row {row}")
        if case.noise:
            raise ChartError("A cusum needs exact events, and these counts are rounded")
    target = _expected(cases, choices)
    outcomes = [bool(case.numerator) if case.judged else None for case in cases]
    points = bernoulli_cusum(outcomes, target)
    periods = [case.period for case in cases]
    return cusum_contract(periods, points, target, LIMIT), cusum_text(periods, points, target)


def _expected(cases: Sequence[Subgroup], choices: Choices) -> float:
    """The target, or the rate of the cases to freeze."""
    if choices.target is not None:
        return choices.target
    if choices.freeze is None:
        raise ChartError("A cusum needs the rate that is expected", todo="Give --target")
    first = [case.numerator or 0.0 for case in cases[: choices.freeze] if case.judged]
    return sum(first) / len(first) if first else 0.0
