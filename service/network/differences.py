"""What two days tell differently of a measure: what changed, came and was taken back, by line."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from service.network.archive import Version
from service.network.board import Board
from service.network.reading import Reading
from service.network.series import Series
from service.network.words import percent, state_text
from service.spc.point import State

JOINED = "It joined the network between the two days."
LEFT = "It left between the two days: its line is no longer shown, and stays in the sums."


class Kind(StrEnum):
    """What became of a number between two days."""

    CHANGED = "changed"
    ADDED = "added"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Difference:
    """One period of one line as it was known on two days, and why it is another now.

    ``reasons`` are those of each report that came between, ``received`` the instant of the last;
    without them where the line is a sum, or its reader may not know.
    """

    kind: Kind
    group: str
    period: str
    before: str
    after: str
    reasons: tuple[str, ...] = ()
    received: str | None = None


@dataclass(frozen=True)
class Section:
    """All that is told differently of one line; ``roster`` says if it joined or left."""

    name: str
    differences: tuple[Difference, ...]
    roster: str = ""

    @property
    def by_kind(self) -> list[tuple[Kind, list[Difference]]]:
        """The differences of each kind that there are, the newest period first."""
        ordered = sorted(self.differences, key=lambda each: each.period, reverse=True)
        kinds = [(kind, [each for each in ordered if each.kind is kind]) for kind in Kind]
        return [(kind, found) for kind, found in kinds if found]


Lines = dict[tuple[str, str], Series]  # by reporter and group


def compared(before: Board, after: Board) -> list[Section]:
    """Every line that is not told the same on both days: the network's, sites by name, who left."""
    old, new = _lines(before), _lines(after)
    history = {(r.site.id, r.period): r.versions for r in after.restatements}
    reporters = {reporter: line.name for (reporter, _), line in (new | old).items()}
    was, now = ({reporter for reporter, _ in lines} for lines in (old, new))
    found = []
    for reporter, name in reporters.items():
        lines = [(old.get(key), line) for key, line in new.items() if key[0] == reporter]
        told = tuple(each for pair in lines for each in _of(*pair, history))
        roster = LEFT if reporter not in now else JOINED if was and reporter not in was else ""
        if told or roster:
            found.append(Section(name, told, roster))
    return found


def _lines(board: Board) -> Lines:
    return {
        (series.reporter, group.group.id): series
        for group in board.groups
        for series in group.series
    }


def _of(
    before: Series | None, line: Series, history: Mapping[tuple[str, str], tuple[Version, ...]]
) -> Iterator[Difference]:
    known = {reading.period: reading for reading in before.readings} if before else {}
    for reading in line.readings:
        old = known.get(reading.period)
        was, now = _told(old, line.blinded), _told(reading, line.blinded)
        if was != now or (old and old.versions < reading.versions and not line.pools):
            yield Difference(
                _kind(old, reading),
                line.group.title,
                reading.period,
                was,
                now,
                _reasons(old, history.get((line.reporter, reading.period), ())),
                None if line.pools else reading.received,
            )


def _kind(before: Reading | None, after: Reading) -> Kind:
    if before is None or before.state is State.MISSING:
        return Kind.ADDED
    gone = before.rate is not None and after.rate is None
    return Kind.WITHDRAWN if gone or after.withdrawn else Kind.CHANGED


def _reasons(before: Reading | None, versions: tuple[Version, ...]) -> tuple[str, ...]:
    """Why each report came that was not known on the first day, the oldest first."""
    return tuple(version.reason for version in versions[before.versions if before else 0 :])


def _told(reading: Reading | None, blinded: bool) -> str:
    if reading is None:
        return "missing"
    if reading.rate is None:
        return state_text(reading)
    counts = percent(reading.rate)
    if not blinded:
        counts += f" ({reading.numerator} of {reading.denominator})"
    return f"{counts}, provisional" if reading.provisional else counts
