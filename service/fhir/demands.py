"""What FHIR 4.0.1 demands of every resource of a type: r4_demands.json, from tools/fhir_demands.py.

http://hl7.org/fhir/R4/conformance-rules.html#cardinality: an element of which there must be one;
http://hl7.org/fhir/R4/terminologies.html#required: a code that can be none but those listed.
"""

from functools import cache
from importlib.resources import files

import msgspec


class Demands(msgspec.Struct, frozen=True):
    """``elements`` that must be there; ``codes``: by element the only ones that may stand there,
    of elements that say what is to be made of the resource, as its status."""

    elements: frozenset[str] = frozenset()
    codes: dict[str, frozenset[str]] = {}


def demands_of(type_name: str) -> Demands:
    """The demands on a type; none for types that are nobody's own and are not referred to."""
    return _table().get(type_name, Demands())


@cache
def _table() -> dict[str, Demands]:
    text = files("service.fhir").joinpath("r4_demands.json").read_bytes()
    return msgspec.json.decode(text, type=dict[str, Demands])
