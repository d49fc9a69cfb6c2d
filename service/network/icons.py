"""The two icons of Making Data Count for a line: shape, letter and words, never color alone.

The variation icon tells what the newest final point of the line's own chart shows. The assurance
icon sets the goal, or the target, against the limits of the line's XmR chart.
"""

from dataclasses import dataclass

from service.network.config import Measure
from service.network.lens import LENSES
from service.network.series import Series
from service.spc.icons import Assurance, Variation, assurance, variation
from service.spc.runs import Side

IMPROVES, CONCERNS, NEITHER = "#0b5cad", "#a84300", "#5a6875"
_LETTERS = {"high": "H", "low": "L"}
_ASSURED = {
    Assurance.PASS: ("P", IMPROVES),
    Assurance.FAIL: ("F", CONCERNS),
    Assurance.INCONSISTENT: ("?", NEITHER),
}


@dataclass(frozen=True)
class Icon:
    """A letter in a ring, empty for a wave, and what it says."""

    kind: str
    letter: str
    color: str
    text: str


def icons(series: Series, measure: Measure) -> tuple[Icon, ...]:
    """The icons that apply: none without a final number."""
    better: Side = "above" if measure.direction == "increase" else "below"
    found = [_of_variation(variation(series.chart, better))]
    limits = series.through(LENSES["xmr"]).chart
    if len(series.rates) >= 2:
        found.append(_of_assurance(assurance(limits, wanted(series, measure), better)))
    return tuple(icon for icon in found if icon is not None)


def wanted(series: Series, measure: Measure) -> float | None:
    """The newest goal, or else the target."""
    return series.goals[-1].rate if series.goals else measure.target


def _of_variation(found: Variation | None) -> Icon | None:
    if found is None:
        return None
    letter = _LETTERS.get(found.value.rpartition(" ")[2], "")
    improves = "improvement" in found.value
    color = (IMPROVES if improves else CONCERNS) if letter else NEITHER
    return Icon("variation", letter, color, f"Variation: {found.value}")


def _of_assurance(found: Assurance | None) -> Icon | None:
    if found is None:
        return None
    letter, color = _ASSURED[found]
    return Icon("assurance", letter, color, f"Assurance: {found.value}")
