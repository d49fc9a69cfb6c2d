"""What can be asked to come along with a search: `_include`, by the search parameters of R4.

http://hl7.org/fhir/R4/searchparameter-registry.html; only those that lead to what is nobody's own.
What does not come along is read by id, so a row that is not here costs requests and no records.
"""

from collections.abc import Iterator, Set

# Type -> search parameter -> the type that it leads to.
PARAMETERS: dict[str, dict[str, str]] = {
    "Encounter": {"location": "Location", "service-provider": "Organization"},
    "Immunization": {"location": "Location"},
    "MedicationAdministration": {"medication": "Medication"},
    "MedicationDispense": {"medication": "Medication"},
    "MedicationRequest": {"medication": "Medication"},
    "MedicationStatement": {"medication": "Medication"},
    "Observation": {"device": "Device"},
    "Patient": {"organization": "Organization"},
    "Procedure": {"location": "Location"},
}


def includes(type_name: str, types: Set[str]) -> Iterator[tuple[str, str]]:
    """The parameters that bring along what records of a type refer to of these types."""
    for parameter, target in PARAMETERS.get(type_name, {}).items():
        if target in types:
            yield "_include", f"{type_name}:{parameter}"
