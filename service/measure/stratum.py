"""The stratum that a unit falls into, from the value of a stratifier's definition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.cql.elements import Element
from service.cql.values import Code, Concept

UNKNOWN = "unknown"  # the value is null


@dataclass(frozen=True, slots=True)
class Stratum:
    """A value as text and as a CodeableConcept; strata are the same when their texts are."""

    text: str
    concept: Mapping[str, Any] = field(compare=False)

    @classmethod
    def of(cls, value: Any) -> Stratum:
        """The stratum of a value: true and false, a code, a concept or the value's text."""
        match value:
            case None:
                return cls._plain(UNKNOWN)
            case bool():
                return cls._plain(str(value).lower())
            case Code():
                return cls._coded([value], value.display)
            case Concept():
                return cls._coded(value.codes, value.display)
            case Element():
                return cls._element(value)
            case dict():
                parts = (f"{name} {cls.of(part).text}" for name, part in value.items())
                return cls._plain(", ".join(parts))
            case list():
                return cls._plain(", ".join(cls.of(part).text for part in value))
        return cls._plain(str(value))

    @classmethod
    def _plain(cls, text: str) -> Stratum:
        return cls(text, {"text": text})

    @classmethod
    def _coded(cls, codes: Any, display: str | None) -> Stratum:
        text = display or "/".join(str(code.code) for code in codes)
        return cls(text, {"coding": [_coding(code) for code in codes], "text": text})

    @classmethod
    def _element(cls, element: Element) -> Stratum:
        """A FHIR CodeableConcept, Coding or primitive."""
        if not isinstance(element.json, dict):
            return cls.of(element.json)
        codings = element.json.get("coding") or [element.json]
        codes = [
            Code(one.get("code"), one.get("system"), None, one.get("display")) for one in codings
        ]
        return cls._coded(codes, element.json.get("text"))


def text_of(strata: Iterable[Stratum]) -> str:
    """The values of all components of a stratifier as one text."""
    return ", ".join(stratum.text for stratum in strata)


TRUE, FALSE = Stratum.of(True), Stratum.of(False)


def _coding(code: Code) -> dict[str, str]:
    parts = {"system": code.system, "code": code.code, "display": code.display}
    return {key: value for key, value in parts.items() if value is not None}
