"""Who belonged to the network on any day: members join, leave, and may report other measures.

The audit has every change of a site, and nobody can alter it; so it tells the roster of a day.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from sqlmodel import Session, col, select

from service.measure.period import Period
from service.network.audit import Audit
from service.network.config import Measure
from service.network.roster import CHANGES, Roster, Site


@dataclass(frozen=True)
class RosterHistory:
    """The changes of sites by instant, oldest first: each says all that is so from then on."""

    changes: tuple[tuple[str, Site], ...]

    def on(self, instant: str) -> Roster:
        """The roster at an instant; before the first day that is known, that of this day's end."""
        known = {site.id: site for _, site in self.until(instant).changes}
        return Roster(tuple(sorted(known.values(), key=lambda site: (site.name, site.id))))

    def until(self, instant: str) -> "RosterHistory":
        """What was known at an instant; of the first day all, also before it."""
        last = max(instant, self._first)
        return RosterHistory(tuple(change for change in self.changes if change[0] <= last))

    def everyone(self, measure: Measure) -> list[Site]:
        """The sites that could ever report a measure, as they were called last, by name."""
        ever = {site.id for _, site in self.changes if measure.url in site.measures}
        return [site for site in self.on("9").sites if site.id in ever]

    def members(self, measure: Measure, periods: Iterable[str]) -> dict[str, frozenset[str]]:
        """The sites that could report a measure on the last day of each period."""
        found = {}
        for period in periods:
            last = f"{Period.parse(period).end:%Y-%m-%d}T23:59:59Z"
            found[period] = frozenset(site.id for site in self.on(last).reporters(measure))
        return found

    @cached_property
    def _first(self) -> str:
        return f"{self.changes[0][0][:10]}T23:59:59Z" if self.changes else ""


def roster_history(session: Session, as_of: str | None = None) -> RosterHistory:
    """What is known of the roster, or was at an instant."""
    query = select(Audit).where(col(Audit.what).in_(CHANGES)).order_by(col(Audit.id))
    known = RosterHistory(tuple((row.at, _site(row)) for row in session.exec(query)))
    return known if as_of is None else known.until(as_of)


def _site(row: Audit) -> Site:
    told = json.loads(row.detail)
    measures, recipients = (frozenset(json.loads(told[n])) for n in ("measures", "recipients"))
    return Site(row.about, told["name"], measures, recipients)
