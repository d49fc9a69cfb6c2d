"""The site's measures as FHIR lists them: a searchset of Measures."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from service.errors import RequestError
from service.measure.package import MeasurePackage

Test = Callable[[MeasurePackage, str], bool]

# A string is matched from its start, whatever its case (http://hl7.org/fhir/R4/search.html#string).
MATCHES: Mapping[str, Test] = {
    "_id": lambda package, value: package.id == value,
    "url": lambda package, value: package.url == value,
    "version": lambda package, value: package.version == value,
    "name": lambda package, value: package.name.lower().startswith(value.lower()),
    "name:exact": lambda package, value: package.name == value,
}
IGNORED = frozenset({"_format", "_pretty"})


def search(
    packages: Iterable[MeasurePackage], asked: Sequence[tuple[str, str]], base_url: str
) -> dict[str, Any]:
    """The searchset Bundle of the measures that meet every parameter asked.

    Values divided by commas are alternatives. Raises RequestError for a parameter that is not
    known: to ignore it would answer another question.
    """
    tests = [(name, value) for name, value in asked if name not in IGNORED]
    if any(name not in MATCHES for name, _ in tests):
        todo = f"Known are {', '.join(MATCHES)}"
        raise RequestError(400, "not-supported", "a search parameter is not known", todo=todo)
    found = [package for package in packages if all(_meets(package, *test) for test in tests)]
    query = f"?{urlencode(tests)}" if tests else ""
    bundle = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(found),
        "link": [{"relation": "self", "url": f"{base_url}/Measure{query}"}],
    }
    # FHIR's JSON has no empty lists.
    return {**bundle, "entry": [_entry(one, base_url) for one in found]} if found else bundle


def _meets(package: MeasurePackage, name: str, value: str) -> bool:
    return any(MATCHES[name](package, alternative) for alternative in value.split(","))


def _entry(package: MeasurePackage, base_url: str) -> dict[str, Any]:
    return {
        "fullUrl": f"{base_url}/Measure/{package.id}",
        "resource": resource(package),
        "search": {"mode": "match"},
    }


def resource(package: MeasurePackage) -> dict[str, Any]:
    """The package's Measure under the id by which the site serves it."""
    return {**package.measure, "id": package.id}
