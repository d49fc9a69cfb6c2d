"""The populations of a measure group, as the Measure defines them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.errors import MeasureError

SYSTEM = "http://terminology.hl7.org/CodeSystem/measure-population"
CODES = frozenset(
    {"initial-population", "denominator", "denominator-exclusion", "denominator-exception"}
    | {"numerator", "numerator-exclusion", "measure-population", "measure-population-exclusion"}
    | {"measure-observation"}
)
AGGREGATE_METHODS = frozenset({"sum", "average", "median", "minimum", "maximum", "count"})
METHOD_ALIASES = {"avg": "average", "mean": "average", "min": "minimum", "max": "maximum"}
LANGUAGES = frozenset(
    {"text/cql-identifier", "text/cql.identifier", "text/cql", "text/cql-expression"}
)


@dataclass(frozen=True, slots=True)
class Population:
    """One population: who belongs is what the definition ``expression`` of the main library says.

    A measure observation has an ``aggregate`` method, and ``reference`` is the id of the population
    that it observes; a numerator or denominator of a ratio may refer to its initial population.
    """

    id: str
    code: str
    expression: str
    reference: str | None = None
    aggregate: str | None = None

    @classmethod
    def read(cls, json: Mapping[str, Any], where: str) -> Population:
        """From ``Measure.group.population``. Raises MeasureError for what is not understood."""
        code = coded(json.get("code"))
        if code not in CODES:
            known = ", ".join(sorted(CODES))
            raise MeasureError(
                f"Unknown population code {code!r}", where=where, todo=f"Use one of {known}"
            )
        return cls(
            id=json.get("id") or code,
            code=code,
            expression=criteria(json.get("criteria"), f"{where}, {code}"),
            reference=extension(json, "criteriaReference"),
            aggregate=_method(json, where) if code == "measure-observation" else None,
        )


def criteria(json: Mapping[str, Any] | None, where: str) -> str:
    """The name of the definition that an Expression refers to."""
    expression = (json or {}).get("expression")
    if not expression:
        raise MeasureError("No criteria expression", where=where, todo="Name a CQL definition")
    language = (json or {}).get("language", "text/cql-identifier")
    if language not in LANGUAGES:
        raise MeasureError(
            f"Criteria in {language} cannot be evaluated", where=where, todo="Name a CQL definition"
        )
    return str(expression).strip().strip('"')


def coded(concept: Mapping[str, Any] | None) -> str | None:
    """The first code of a CodeableConcept."""
    codings = (concept or {}).get("coding") or ()
    return next((coding["code"] for coding in codings if coding.get("code")), None)


def extension(json: Mapping[str, Any], name: str) -> Any:
    """The value of the quality-measure extension ``cqfm-<name>`` on an element, else None.

    The universal guide that follows the US one calls it ``cqm-<name>``.
    """
    names = (f"cqfm-{name}", f"cqm-{name}")
    for entry in json.get("extension") or ():
        if str(entry.get("url")).rpartition("/")[2] in names:
            return next((entry[key] for key in entry if key.startswith("value")), None)
    return None


def _method(json: Mapping[str, Any], where: str) -> str:
    """How observations are aggregated; count them where the Measure does not say."""
    given = extension(json, "aggregateMethod")
    method = str(given or "count").strip().lower()
    method = METHOD_ALIASES.get(method, method)
    if method not in AGGREGATE_METHODS:
        known = ", ".join(sorted(AGGREGATE_METHODS))
        raise MeasureError(
            f"Unknown aggregate method {given!r}", where=where, todo=f"Use one of {known}"
        )
    return method
