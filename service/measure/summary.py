"""A summary report: what one site says of one measure in one period, and its exact bytes.

`render` writes the bytes that travel and `parse` reads them; both programs use this module, so a
report that a site can write is one that a network can read. The JSON is in docs/wire-format.md.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from service.errors import RefusedError
from service.measure import wire
from service.measure.completeness import Completeness
from service.measure.period import Period
from service.measure.stratum_name import StratumName, stratum_name
from service.measure.wire import WireReport

LARGEST_BODY = 1_000_000
PATIENT_LEVEL = frozenset(
    {"contained", "display", "evaluatedResource", "note", "reference", "subject"}
    | {"subjectResults", "text"}
)


class Absent(StrEnum):
    """Why a population has no count: FHIR's data-absent-reason. Never zero, never left out."""

    SUPPRESSED = "masked"
    NOT_COMPUTABLE = "error"


Count = int | Absent


@dataclass(frozen=True)
class Provenance:
    """What a result rests on; hashes are written `sha256:<hex>`."""

    package: str
    mapping: str  # "none" where the site maps nothing
    engine: str  # version of this software
    policy: str
    timezone: str


@dataclass(frozen=True)
class SummaryGroup:
    """One group of the Measure, or a stratum of one: each population's count, or why it has none.

    The ``id`` of a stratum is its name (service.measure.stratum_name).
    ``eligible`` is the score's denominator, and ``met`` its numerator where that is not the
    population; None in a report that does not tell them.
    """

    id: str
    populations: Mapping[str, Count]
    eligible: Count | None = None
    met: Count | None = None


@dataclass(frozen=True)
class Summary:
    """The content of a report: all that it says but its own key and date.

    Of ``groups`` the strata come after the groups that they are of.
    """

    site: str
    measure: str  # canonical address, without the version
    version: str
    period: Period
    scoring: str
    improvement: str | None
    provenance: Provenance
    completeness: Completeness
    rounding: int
    groups: tuple[SummaryGroup, ...]

    @property
    def hash(self) -> str:
        """SHA-256 of the content: equal for reports that say the same."""
        return sha256(_bytes(_content(self)))


@dataclass(frozen=True)
class SummaryReport:
    """A report as it travels: content, release key and the month in which it was made."""

    summary: Summary
    key: str
    month: str  # YYYY-MM
    body: bytes


def render(summary: Summary, key: str, month: str) -> bytes:
    """The exact bytes of a report: sorted, compact JSON in UTF-8, checked against the schema.

    Raises RefusedError when the content does not fit the schema.
    """
    body = _bytes(
        _content(summary)
        | {"identifier": [{"system": "urn:weir:release", "value": key}], "date": month}
    )
    parse(body)
    return body


def parse(body: bytes) -> SummaryReport:
    """Read a report from its bytes.

    Raises RefusedError for anything that is not the aggregate that docs/wire-format.md describes,
    patient-level content first. The error names elements of the schema and never a value.
    """
    _refuse_patient_level(_decode(body))
    try:
        report = WireReport.model_validate_json(body)
    except ValidationError as error:
        raise _refusal(error) from None  # the original error quotes what was received
    return SummaryReport(_summary(report), report.identifier[0].value, report.date, body)


def sha256(data: bytes) -> str:
    """A SHA-256 as it is written in reports."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _bytes(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _content(summary: Summary) -> dict[str, Any]:
    """The report as JSON, without `identifier` and `date`."""
    content = {
        "resourceType": "MeasureReport",
        "meta": {"profile": [wire.PROFILE]},
        "extension": _extensions(summary),
        "status": "complete",
        "type": "summary",
        "measure": f"{summary.measure}|{summary.version}",
        "reporter": {"identifier": {"system": "urn:weir:site", "value": summary.site}},
        "period": {
            "start": summary.period.start.isoformat(),
            "end": summary.period.end.isoformat(),
        },
        "group": _groups(summary.groups),
    }
    if summary.improvement:
        content["improvementNotation"] = _concept(wire.IMPROVEMENT_SYSTEM, summary.improvement)
    return content


def _extensions(summary: Summary) -> list[dict[str, Any]]:
    rests_on = summary.provenance
    verdict = {"url": "verdict", "valueCode": summary.completeness.verdict}
    reasons = sorted(summary.completeness.reasons)
    return [
        {
            "url": wire.SCORING,
            "valueCodeableConcept": _concept(wire.SCORING_SYSTEM, summary.scoring),
        },
        {
            "url": "urn:weir:provenance",
            "extension": [
                {"url": "package", "valueString": rests_on.package},
                {"url": "mapping", "valueString": rests_on.mapping},
                {"url": "engine", "valueString": rests_on.engine},
                {"url": "policy", "valueString": rests_on.policy},
                {"url": "timezone", "valueString": rests_on.timezone},
            ],
        },
        {
            "url": "urn:weir:completeness",
            "extension": [verdict] + [{"url": "reason", "valueCode": each} for each in reasons],
        },
        {"url": "urn:weir:rounding", "valueInteger": summary.rounding},
    ]


def _groups(groups: Sequence[SummaryGroup]) -> list[dict[str, Any]]:
    """Every group as JSON, its strata in it."""
    told: dict[str, dict[str, Any]] = {}
    for group in groups:
        stratum = stratum_name(group.id)
        if stratum is None:
            told[group.id] = {"id": group.id} | _counts(group)
            continue
        if stratum.group not in told:
            raise RefusedError("a stratum stands without its group", where=stratum.stratifier)
        stratifiers = told[stratum.group].setdefault("stratifier", [])
        if stratum.stratifier not in [each["id"] for each in stratifiers]:
            stratifiers.append({"id": stratum.stratifier, "stratum": []})
        found = next(each for each in stratifiers if each["id"] == stratum.stratifier)
        value = _concept(wire.STRATUM_SYSTEM, stratum.value)
        found["stratum"].append({"value": value} | _counts(group))
    return list(told.values())


def _counts(group: SummaryGroup) -> dict[str, Any]:
    sides = {wire.ELIGIBLE: group.eligible, wire.MET: group.met}
    told = [_side(url, count) for url, count in sides.items() if count is not None]
    populations = [_population(*each) for each in group.populations.items()]
    return ({"extension": told} if told else {}) | {"population": populations}


def _side(url: str, count: Count) -> dict[str, Any]:
    if isinstance(count, Absent):
        return {"url": url, "extension": [_absent(count)]}
    return {"url": url, "valueInteger": count}


def _population(code: str, count: Count) -> dict[str, Any]:
    population: dict[str, Any] = {"code": _concept(wire.POPULATION_SYSTEM, code)}
    if isinstance(count, Absent):
        population["_count"] = {"extension": [_absent(count)]}
    else:
        population["count"] = count
    return population


def _absent(reason: Absent) -> dict[str, Any]:
    return {"url": wire.DATA_ABSENT, "valueCode": reason}


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def _summary(report: WireReport) -> Summary:
    scoring, provenance, completeness, rounding = report.extension
    improvement = report.improvementNotation
    measure, version = report.measure.split("|")
    return Summary(
        site=report.reporter.identifier.value,
        measure=measure,
        version=version,
        period=Period(report.period.start, report.period.end),
        scoring=scoring.valueCodeableConcept.coding[0].code,
        improvement=improvement.coding[0].code if improvement else None,
        provenance=Provenance(*(each.valueString for each in provenance.extension)),
        completeness=Completeness(completeness.verdict, completeness.reasons),
        rounding=rounding.valueInteger,
        groups=(
            *(_group(group.id, group) for group in report.group),
            *(stratum for group in report.group for stratum in _strata(group)),
        ),
    )


def _strata(group: wire.WireGroup) -> Iterator[SummaryGroup]:
    for stratifier in group.stratifier:
        for stratum in stratifier.stratum:
            value = stratum.value.coding[0].code
            yield _group(str(StratumName(group.id, stratifier.id, value)), stratum)


def _group(name: str, group: wire.WireCounts) -> SummaryGroup:
    sides: dict[str, Count] = {each.url: _count(each) for each in group.extension}
    return SummaryGroup(
        name,
        {each.code.coding[0].code: _count(each) for each in group.population},
        eligible=sides.get(wire.ELIGIBLE),
        met=sides.get(wire.MET),
    )


def _count(cell: wire.WireCell) -> Count:
    state = cell.state
    return state if isinstance(state, int) else Absent(state)


def _decode(body: bytes) -> Any:
    """Decoded JSON; a key that stands twice in one object could hide its first value."""
    if len(body) > LARGEST_BODY:
        raise RefusedError("the report is too large", todo=f"Send at most {LARGEST_BODY} bytes")
    try:
        return json.loads(body, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise RefusedError("the body is not JSON", todo="Send one MeasureReport") from error


def _distinct(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise RefusedError("an element stands twice", todo="Name each element once")
    return entries


def _refuse_patient_level(report: Any) -> None:
    if not isinstance(report, dict) or report.get("resourceType") != "MeasureReport":
        raise RefusedError("the body is not a MeasureReport", todo="Send one MeasureReport")
    found = sorted(set(_elements(report)) & PATIENT_LEVEL)
    if found:
        raise RefusedError(
            "patient-level content is not accepted",
            where=", ".join(found),
            todo="Send counts only: no subject, reference, contained resource or free text",
        )
    if report.get("type") != "summary":
        raise RefusedError(
            "only summary reports are accepted", where="MeasureReport.type", todo="Send a summary"
        )


def _elements(value: Any) -> Iterator[str]:
    """The name of every element at any depth."""
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for child in value:
            yield from _elements(child)


def _refusal(error: ValidationError) -> RefusedError:
    """The first thing that is wrong, in the schema's words only: the rest may be a patient's."""
    first = error.errors(include_input=False, include_url=False)[0]
    path = "".join(_step(each) for each in first["loc"])
    return RefusedError(
        f"the report does not fit the wire format: {first['msg'].removeprefix('Value error, ')}",
        where=f"MeasureReport{path}",
        todo="See docs/wire-format.md",
    )


def _step(each: int | str) -> str:
    if isinstance(each, int):
        return f"[{each}]"
    return f".{each}" if each in _NAMES else ".(unknown element)"


def _names(schema: Any) -> Iterator[str]:
    """Every element that the schema names."""
    if isinstance(schema, dict):
        yield from schema.get("properties", ())
        for child in schema.values():
            yield from _names(child)


_NAMES = frozenset(_names(WireReport.model_json_schema()))
