"""Whose a resource is: the Patient compartment of R4, as far as one element decides it.

http://hl7.org/fhir/R4/compartmentdefinition-patient.html lists every way to be related to a
patient; a record belongs to its subject only, never to a performer who is a patient too.
"""

from functools import cache

from service.cql.types import ListType, NamedType
from service.fhir.model import qualified, r4

LINKS = ("subject", "patient", "beneficiary", "individual", "for")
OTHER_LINKS = {
    "Appointment": "participant.actor",
    "AppointmentResponse": "actor",
    "EnrollmentRequest": "candidate",
    "SupplyRequest": "deliverTo",
}
# Not a patient's own: they are reached from patients' resources that refer to them.
SHARED = frozenset(
    {
        "Binary",
        "Device",  # a patient's when it says so
        "DeviceDefinition",
        "Endpoint",
        "HealthcareService",
        "InsurancePlan",
        "Location",
        "Medication",
        "MedicationKnowledge",
        "Organization",
        "PlanDefinition",
        "Practitioner",
        "PractitionerRole",
        "Questionnaire",
        "ResearchStudy",
        "Schedule",
        "Slot",
        "Substance",
    }
)


@cache
def resource_types() -> frozenset[str]:
    """The names of R4's resource types."""
    classes = r4().classes.items()
    return frozenset(name.rpartition("}")[2] for name, info in classes if info.retrievable)


@cache
def patient_link(type_name: str) -> str | None:
    """The path of the element that refers to the patient whose record a resource of this type is.

    None for Patient itself and for types that are nobody's.
    """
    if type_name in OTHER_LINKS:
        return OTHER_LINKS[type_name]
    elements = r4().elements(qualified(type_name))
    for name in LINKS:
        of = elements.get(name)
        of = of.element if isinstance(of, ListType) else of
        if isinstance(of, NamedType) and of.name == qualified("Reference"):
            return name
    return None


def is_single(type_name: str, element: str) -> bool:
    """Whether a type's element does not repeat."""
    return not isinstance(r4().elements(qualified(type_name))[element], ListType)
