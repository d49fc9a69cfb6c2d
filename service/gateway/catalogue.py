"""The catalogue: every name that a report may hold, so that nothing else can be told by a name.

The engine prints it from the site's measures and policy (`weir site catalogue`); a person reads it
and gives it to the gateway. Whatever a report names has to stand in it: the site, the time zone,
the policy, each measure with its version and logic, its groups, their populations and the strata
that the policy lists.
"""

import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.errors import ConfigError
from service.measure.period import Period
from service.measure.stratum_name import stratum_name
from service.measure.summary import Summary, SummaryGroup
from service.measure.wire import (
    Canonical,
    Name,
    PopulationCode,
    Scoring,
    Sha256,
    StratumValue,
    Zone,
)

ENGINE = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}")


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ListedMeasure(_Closed):
    """A measure as reports may name it; ``groups`` are the populations of each group.

    ``strata`` are the values that are told, by group and stratifier.
    """

    measure: Canonical
    package: Sha256
    scoring: Scoring
    groups: dict[Name, tuple[PopulationCode, ...]]
    strata: dict[Name, dict[Name, tuple[StratumValue, ...]]] = {}


class Catalogue(_Closed):
    """What a site's reports may name."""

    site: Name
    timezone: Zone
    policies: tuple[Sha256, ...]
    recipients: tuple[str, ...] = ()  # addresses that the policy allows; none: any
    approvals: int = Field(0, ge=0, le=2)  # persons who approve each report, at least
    measures: tuple[ListedMeasure, ...]

    def lists(self, summary: Summary) -> bool:
        """Whether everything that a report names stands here."""
        rests_on = summary.provenance
        return (
            summary.site == self.site
            and rests_on.timezone == self.timezone
            and rests_on.policy in self.policies
            and bool(ENGINE.fullmatch(rests_on.engine))
            and _of_whole_months(summary.period)
            and any(_is_of(summary, each) for each in self.measures)
        )


def read_catalogue(path: Path) -> Catalogue:
    """Read a catalogue file. Raises ConfigError."""
    try:
        return Catalogue.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        todo = "`weir site catalogue` prints one: read it, and save it here"
        raise ConfigError("the catalogue cannot be read", where=str(path), todo=todo) from None


def _is_of(summary: Summary, listed: ListedMeasure) -> bool:
    return (
        f"{summary.measure}|{summary.version}" == listed.measure
        and summary.provenance.package == listed.package
        and summary.scoring == listed.scoring
        and all(_lists_group(listed, group) for group in summary.groups)
    )


def _lists_group(listed: ListedMeasure, told: SummaryGroup) -> bool:
    """Whether a group or stratum stands in the catalogue, with the populations of the group."""
    stratum = stratum_name(told.id)
    group = stratum.group if stratum else told.id
    values = listed.strata.get(group, {}).get(stratum.stratifier, ()) if stratum else ()
    return set(told.populations) <= set(listed.groups.get(group, ())) and (
        stratum is None or stratum.value in values
    )


def _of_whole_months(period: Period) -> bool:
    """Of 1 to 12 whole months; nothing of a day can be told by such bounds."""
    months = (period.end.year - period.start.year) * 12 + period.end.month - period.start.month
    next_day = period.end.toordinal() + 1
    return period.start.day == 1 and period.end.fromordinal(next_day).day == 1 and 0 <= months < 12
