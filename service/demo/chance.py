"""Draws that a story needs: one `random.Random(seed)`, no clock."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import TypeVar
from zoneinfo import ZoneInfo

from service.demo import months

T = TypeVar("T")


class Chance:
    """A seeded source of draws; moments are in UTC and drawn by the clock on the center's wall."""

    def __init__(self, seed: int, zone: ZoneInfo) -> None:
        self._random = Random(seed)
        self._zone = zone

    def happens(self, probability: float) -> bool:
        return self._random.random() < probability

    def whole(self, low: int, high: int) -> int:
        """A whole number between the two, both included."""
        return self._random.randint(low, high)

    def about(self, mean: float) -> int:
        """A monthly volume: half as spread as a count of independent arrivals."""
        return max(0, round(self._random.gauss(mean, mean**0.5 / 2)))

    def age(self, mean: float, deviation: float) -> int:
        """An adult's age in years."""
        return min(95, max(19, round(self._random.gauss(mean, deviation))))

    def one(self, options: Sequence[T]) -> T:
        return self._random.choice(options)

    def weighted(self, options: Sequence[tuple[T, int]]) -> T:
        """One of the options, each given with its weight."""
        (drawn,) = self._random.choices([o for o, _ in options], [w for _, w in options])
        return drawn

    def day(self, month: date) -> date:
        return month + timedelta(days=self.whole(0, months.length(month) - 1))

    def at(self, day: date, earliest: int, latest: int) -> datetime:
        """A moment of a day between two local hours, the latest excluded."""
        minute = self.whole(earliest * 60, latest * 60 - 1)
        wall = datetime.combine(day, time(minute // 60, minute % 60), self._zone)
        return wall.astimezone(UTC)

    def within(self, low: timedelta, high: timedelta) -> timedelta:
        """A span of whole minutes; the low one where there is no room."""
        minutes = (int(low.total_seconds()) // 60, int(high.total_seconds()) // 60)
        return timedelta(minutes=self.whole(minutes[0], max(minutes)))
