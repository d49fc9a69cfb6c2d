"""The network's policy: what a site may release, fixed in a signed file before any data are seen.

Nothing but this file decides: no request, measure, environment variable or word from the network.
It can be stricter than its profile and never laxer.
"""

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from service.disclosure.profile import PROFILES, Profile, Zeros
from service.disclosure.rounding import Method, Reading
from service.errors import ConfigError

MONTHS = {"month": 1, "quarter": 3, "year": 12}

Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Month = Annotated[str, StringConstraints(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]
Window = Literal["month", "quarter", "year"]
VALUE = r"^[A-Za-z0-9<>=+.,()_-]+( [A-Za-z0-9<>=+.,()_-]+)*$"
Value = Annotated[str, StringConstraints(pattern=VALUE, max_length=64)]
Span = tuple[date, date]


class Closed(BaseModel):
    """A table of the file with exactly the keys that are named."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Release(Closed):
    """One measure is released for every window from one month to another, both included.

    ``ladder`` names the longer windows that are released where a shorter one cannot show a rate.
    """

    measure: Text  # canonical address, without a version
    window: Window
    first: Month = Field(alias="from")
    last: Month = Field(alias="to")
    ladder: tuple[Literal["quarter", "year"], ...] = Field((), strict=False)

    @model_validator(mode="before")
    @classmethod
    def _no_rolling_windows(cls, given: Any) -> Any:
        if isinstance(given, dict) and "rolling" in given:
            raise ValueError(
                "rolling windows are not released: from one to the next a reader sees what entered "
                "and what left; give a `ladder` of calendar windows"
            )
        return given

    @model_validator(mode="after")
    def _whole_windows(self) -> Self:
        months = MONTHS[self.window]
        if (_number(self.first)) % months or (_number(self.last) + 1) % months:
            raise ValueError(f"`from` begins and `to` ends a whole {self.window}")
        if self.first > self.last:
            raise ValueError("`from` is after `to`")
        lengths = [months, *(MONTHS[each] for each in self.ladder)]
        if lengths != sorted(set(lengths)):
            raise ValueError("`ladder` goes up: each window is longer than the one before")
        return self

    def periods(self) -> Iterator[Span]:
        """Each window's first and last day, in order."""
        return self._spans(MONTHS[self.window])

    def rungs(self) -> Iterator[list[Span]]:
        """The longer windows that may stand in, those of one length together."""
        return (list(self._spans(MONTHS[each])) for each in self.ladder)

    def _spans(self, months: int) -> Iterator[Span]:
        begin = -(-_number(self.first) // months) * months
        for number in range(begin, _number(self.last) + 2 - months, months):
            yield _first_day(number), _first_day(number + months) - timedelta(days=1)


class Strata(Closed):
    """The values of one stratifier whose strata are told; whoever has another one is in none.

    ``values`` are as the measure's logic gives them.
    """

    measure: Text  # canonical address, without a version
    stratifier: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    values: tuple[Value, ...] = Field(min_length=1, max_length=50, strict=False)

    @model_validator(mode="after")
    def _each_value_once(self) -> Self:
        if len(set(self.values)) != len(self.values):
            raise ValueError("a value of a stratifier is listed twice")
        return self


class Policy(Closed):
    """What a site may release to one network; `hash` is that of the file's bytes."""

    hash: str
    network: Text
    version: Text
    legal_basis: Text
    profile: str = "default"
    recipients: tuple[Text, ...] = Field((), strict=False)  # addresses; none: as site.toml says
    approvals: int = Field(0, ge=0, le=2)  # persons who approve each release, at least
    expires: date | None = None
    threshold: int = Field(ge=1, le=1000)  # distinct patients
    rounding: int = Field(ge=1, le=100)
    candidates: int = Field(ge=0, le=50)
    k_delta: int = Field(ge=1, le=1000)  # distinct patients
    max_share: float = Field(gt=0, le=1)  # of one patient in a count
    max_versions: int = Field(ge=1, le=1000)  # releases of one period with other counts
    min_interval: int = Field(ge=0, le=3660)  # days before a period is told anew
    zeros: Zeros
    sensitive: tuple[Text, ...] = Field((), strict=False)  # measures: no 0 % and no 100 %
    strata: tuple[Strata, ...] = Field((), strict=False)  # no other leaves
    one_reader: bool = True  # all networks of the site are one attacker
    releases: tuple[Release, ...] = Field(alias="release", min_length=1, strict=False)
    tightens: "Policy | None" = None

    @model_validator(mode="before")
    @classmethod
    def _of_the_profile(cls, given: Any) -> Any:
        name = given.get("profile", "default")
        if name not in PROFILES:
            raise ValueError(f"profile is one of {', '.join(PROFILES)}")
        if PROFILES[name].refused:
            raise ValueError(f"the profile {name} cannot be used: {PROFILES[name].refused}")
        return _numbers(PROFILES[name]) | given

    @model_validator(mode="after")
    def _not_laxer_than_the_profile(self) -> Self:
        floor = _numbers(PROFILES[self.profile])
        for name in STRICTER_UP + STRICTER_DOWN:
            value, least = getattr(self, name), floor[name]
            if value < least if name in STRICTER_UP else value > least:
                word = "least" if name in STRICTER_UP else "most"
                raise ValueError(f"{name} is at {word} {least} in the profile {self.profile}")
        if floor["zeros"] == "hide" and self.zeros == "show":
            raise ValueError(f"zeros are hidden in the profile {self.profile}")
        if self.candidates > 2 * self.rounding - 1:
            raise ValueError("rounding cannot leave so many candidates: take a larger base")
        return self

    @model_validator(mode="after")
    def _one_family_of_windows(self) -> Self:
        """A measure has one kind of window for any day; longer ones are audited against it."""
        for measure in {each.measure for each in self.releases}:
            mine = sorted(s for r in self.releases if r.measure == measure for s in r.periods())
            if any(after[0] <= before[1] for before, after in zip(mine, mine[1:], strict=False)):
                raise ValueError(f"the releases of {measure} overlap")
        return self

    @model_validator(mode="after")
    def _strata_of_what_is_released(self) -> Self:
        listed = [(each.measure, each.stratifier) for each in self.strata]
        if len(set(listed)) != len(listed):
            raise ValueError("a stratifier is listed twice: name all its values in one table")
        unknown = {measure for measure, _ in listed} - {each.measure for each in self.releases}
        if unknown:
            raise ValueError(f"strata of a measure that is not released: {min(unknown)}")
        return self

    @property
    def method(self) -> Method:
        """How numbers are rounded."""
        return PROFILES[self.profile].method

    @property
    def audited(self) -> bool:
        """Whether numbers are weighed against each other."""
        return self.candidates > 0

    @property
    def reading(self) -> Reading:
        """How a reader must take the numbers."""
        return Reading(self.threshold, self.rounding, self.method)

    @property
    def chain(self) -> "list[Policy]":
        """The policies from the signed file's to this one, each stricter than the one before."""
        return [*(self.tightens.chain if self.tightens else []), self]

    def weighs(self, network: str) -> bool:
        """Whether what that network was told counts against what this one is told."""
        return self.one_reader or network == self.network

    def protects_full(self, measure: str) -> bool:
        """Whether a numerator of 0 % or 100 % of a measure is hidden."""
        return measure in self.sensitive

    def strata_of(self, measure: str) -> tuple[Strata, ...]:
        """The strata of a measure that may be told."""
        return tuple(each for each in self.strata if each.measure == measure)

    def periods(self, measure: str) -> tuple[Span, ...]:
        """First and last day of every period in which the measure may be released, in order.

        Rungs of the ladder come after the periods that they stand in for.
        """
        mine = [each for each in self.releases if each.measure == measure]
        spans = sorted(span for release in mine for span in release.periods())
        spans += [span for release in mine for rung in release.rungs() for span in rung]
        return tuple(dict.fromkeys(spans))

    def stands_in(self, measure: str, period: Span) -> tuple[Span, ...]:
        """The shorter periods that a rung of the ladder stands in for; none for other periods."""
        for release in (each for each in self.releases if each.measure == measure):
            shorter = list(release.periods())
            for rung in release.rungs():
                if period in rung:
                    return tuple(s for s in shorter if period[0] <= s[0] and s[1] <= period[1])
                shorter = rung
        return ()

    def under(self, profile: str) -> "Policy":
        """What the policy would be with another profile's numbers: to compare, not to release."""
        kept = {
            "network",
            "version",
            "legal_basis",
            "releases",
            "sensitive",
            "strata",
            "one_reader",
        }
        values = self.model_dump(by_alias=True, include=kept)
        return _validated(values | {"profile": profile, "hash": f"{self.hash} {profile}"})

    def tightened(self, **numbers: Any) -> "Policy":
        """This policy with some parameters stricter; what would be laxer stays as it is.

        The hash then stands for the file and the parameters. Of ``strata`` the stratifiers are
        named that are still told. Raises ConfigError for a parameter that cannot be tightened.
        """
        unknown = sorted(set(numbers) - {*STRICTER_UP, *STRICTER_DOWN, "zeros", "strata"})
        if unknown:
            raise ConfigError("this cannot be tightened", where=unknown[0])
        stricter = {name: v for name, v in numbers.items() if _is_stricter(self, name, v)}
        if not stricter:
            return self
        mark = f"{self.hash} {sorted(stricter.items())}".encode()
        if "strata" in stricter:
            kept = (each for each in self.strata if each.stratifier in stricter["strata"])
            stricter["strata"] = [each.model_dump() for each in kept]
        values = self.model_dump(by_alias=True) | stricter
        return _validated(values | {"hash": _sha256(mark), "tightens": self})


STRICTER_UP = ("threshold", "rounding", "candidates", "k_delta", "min_interval")
STRICTER_DOWN = ("max_share", "max_versions")


def parse_policy(data: bytes) -> Policy:
    """Read a policy from the bytes of its TOML file. Raises ConfigError naming what is wrong."""
    try:
        values = tomllib.loads(data.decode())
    except ValueError as error:
        raise ConfigError(f"the policy is not TOML: {error}", where="policy") from error
    for name in ("hash", "tightens"):
        if name in values:
            raise ConfigError(f"the policy's {name} is computed, not stated", where=name)
    return _validated(values | {"hash": _sha256(data)})


def _validated(values: Mapping[str, Any]) -> Policy:
    try:
        return Policy.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(
            f"the policy cannot be used: {first['msg'].removeprefix('Value error, ')}",
            where=".".join(str(each) for each in first["loc"]) or "policy",
            todo="See docs/policy.example.toml",
        ) from error


def _is_stricter(policy: Policy, name: str, value: Any) -> bool:
    before = getattr(policy, name)
    if name == "strata":
        return not {each.stratifier for each in before} <= set(value)
    if name == "zeros":
        return bool((before, value) == ("show", "hide"))
    return bool(value > before if name in STRICTER_UP else value < before)


def _numbers(profile: Profile) -> dict[str, Any]:
    names = (*STRICTER_UP, *STRICTER_DOWN, "zeros")
    numbers = {name: getattr(profile, name) for name in names}
    return numbers | {"max_share": float(Fraction(numbers["max_share"]))}


def _sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _number(month: str) -> int:
    """Months since year 0."""
    return int(month[:4]) * 12 + int(month[5:]) - 1


def _first_day(number: int) -> date:
    return date(number // 12, number % 12 + 1, 1)
