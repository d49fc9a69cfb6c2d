"""Which resources a retrieve by profile gives (`templateId` in ELM, `meta.profile` in FHIR).

Our reading, see docs/spec-readings.md:

1. A base FHIR profile (http://hl7.org/fhir/StructureDefinition/Encounter) takes every resource.
2. A resource that declares profiles is taken when they include the one asked for, exactly (a
   version after `|` aside). A misspelt or older profile is another profile.
3. A resource that declares none is judged by the data that the profile talks about: what was not
   done or not requested, and the kinds of conditions and observations. The table below holds these
   rules by the profile's id; a profile that is not in it does not narrow its type.
"""

from collections.abc import Callable, Mapping
from typing import Any

from service.cql.model import Conforms, Profiles

BASE = "http://hl7.org/fhir/StructureDefinition/"
LOINC = "http://loinc.org"
NOT_PERFORMED = (
    "http://hl7.org/fhir/us/qicore/StructureDefinition/qicore-doNotPerform",
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-DeviceRequest.doNotPerform",
)

Resource = Mapping[str, Any]


def _codes(concepts: Any) -> set[tuple[str | None, str | None]]:
    listed = concepts if isinstance(concepts, list) else [concepts] if concepts else []
    return {
        (coding.get("system"), coding.get("code"))
        for concept in listed
        for coding in concept.get("coding") or ()
    }


def _prohibited(resource: Resource) -> bool:
    """The request says that something shall not be done."""
    if resource.get("doNotPerform") is True:
        return True
    return any(
        extension.get("url") in NOT_PERFORMED and extension.get("valueBoolean") is True
        for extension in resource.get("modifierExtension") or ()
    )


def _requested(resource: Resource) -> bool:
    return not _prohibited(resource)


def _status(*statuses: str) -> Conforms:
    return lambda resource: resource.get("status") in statuses


def _status_not(*statuses: str) -> Conforms:
    return lambda resource: resource.get("status") not in statuses


def _category(*categories: str) -> Conforms:
    wanted = set(categories)
    return lambda resource: any(code in wanted for _, code in _codes(resource.get("category")))


def _observed(*categories: str) -> Conforms:
    """An observation of one of the categories that was not cancelled."""
    of_category = _category(*categories)
    return lambda resource: resource.get("status") != "cancelled" and of_category(resource)


def _loinc(*codes: str) -> Conforms:
    wanted = {(LOINC, code) for code in codes}
    return lambda resource: not wanted.isdisjoint(_codes(resource.get("code")))


_REQUESTED = (_requested, {"doNotPerform", "modifierExtension"})
_PROHIBITED = (_prohibited, {"doNotPerform", "modifierExtension"})
_DONE = (_status_not("not-done"), {"status"})
_NOT_DONE = (_status("not-done"), {"status"})
_CATEGORIZED = {"category", "status"}

# The data that a profile talks about: profile id to the test and the top elements it reads.
RULES: dict[str, tuple[Conforms, set[str]]] = {
    "qicore-condition-encounter-diagnosis": (_category("encounter-diagnosis"), {"category"}),
    "qicore-condition-problems-health-concerns": (
        _category("problem-list-item", "health-concern"),
        {"category"},
    ),
    "qicore-medicationrequest": _REQUESTED,
    "qicore-medicationnotrequested": _PROHIBITED,
    "qicore-servicerequest": _REQUESTED,
    "qicore-servicenotrequested": _PROHIBITED,
    "qicore-devicerequest": _REQUESTED,
    "qicore-devicenotrequested": _PROHIBITED,
    "qicore-procedure": _DONE,
    "qicore-procedurenotdone": _NOT_DONE,
    "qicore-communication": _DONE,
    "qicore-communicationnotdone": _NOT_DONE,
    "qicore-immunization": _DONE,
    "qicore-immunizationnotdone": _NOT_DONE,
    "qicore-medicationadministration": _DONE,
    "qicore-medicationadministrationnotdone": _NOT_DONE,
    "qicore-medicationdispense": (_status_not("declined"), {"status"}),
    "qicore-medicationdispensedeclined": (_status("declined"), {"status"}),
    "qicore-task": (_status_not("rejected"), {"status"}),
    "qicore-taskrejected": (_status("rejected"), {"status"}),
    "qicore-observationcancelled": (_status("cancelled"), {"status"}),
    "qicore-simple-observation": (_status_not("cancelled"), {"status"}),
    "qicore-observation-lab": (_observed("laboratory"), _CATEGORIZED),
    "qicore-observation-clinical-result": (
        _observed("laboratory", "imaging", "exam", "procedure", "therapy", "activity"),
        _CATEGORIZED,
    ),
    "qicore-observation-screening-assessment": (
        _observed("survey", "social-history", "sdoh", "functional-status", "disability-status"),
        _CATEGORIZED,
    ),
    "us-core-blood-pressure": (_loinc("85354-9"), {"code"}),
    "us-core-bmi": (_loinc("39156-5"), {"code"}),
    "us-core-body-height": (_loinc("8302-2"), {"code"}),
    "us-core-body-temperature": (_loinc("8310-5"), {"code"}),
    "us-core-body-weight": (_loinc("29463-7"), {"code"}),
    "us-core-head-circumference": (_loinc("9843-4"), {"code"}),
    "us-core-heart-rate": (_loinc("8867-4"), {"code"}),
    "us-core-observation-pregnancyintent": (_loinc("86645-9"), {"code"}),
    "us-core-observation-pregnancystatus": (_loinc("82810-3"), {"code"}),
    "us-core-pulse-oximetry": (_loinc("59408-5", "2708-6"), {"code"}),
    "us-core-respiratory-rate": (_loinc("9279-1"), {"code"}),
    "us-core-smokingstatus": (_loinc("72166-2", "11367-0"), {"code"}),
    "head-occipital-frontal-circumference-percentile": (_loinc("8289-1"), {"code"}),
    "pediatric-bmi-for-age": (_loinc("59576-9"), {"code"}),
    "pediatric-weight-for-height": (_loinc("77606-2"), {"code"}),
}


def conformance(type_: str, profile: str) -> Conforms | None:
    """The test whether a resource of `type_` is one of `profile`; None when all of them are."""
    if profile == BASE + type_:
        return None
    undeclared, _ = RULES.get(profile.rpartition("/")[2], (_any, set()))
    return lambda resource: _conforms(resource, profile, undeclared)


def _any(resource: Resource) -> bool:
    return True


def _conforms(resource: Resource, profile: str, undeclared: Callable[[Resource], bool]) -> bool:
    declared = (resource.get("meta") or {}).get("profile")
    if not declared:
        return undeclared(resource)
    return profile in declared or any(one.partition("|")[0] == profile for one in declared)


def elements_read(type_: str, profile: str) -> frozenset[str]:
    """The top elements that the test reads."""
    if profile == BASE + type_:
        return frozenset()
    _, elements = RULES.get(profile.rpartition("/")[2], (_any, set()))
    return frozenset(elements | {"meta"})


PROFILES = Profiles(conformance, elements_read)
