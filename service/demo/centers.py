"""The two centers of the demo: the same care, recorded with different local codes.

A vocabulary names, for each thing that a story knows, the local codes that the center uses for it
(several where its staff may choose), or the standard one where the center has it. What the codes
mean for a measure stands in `mappings/`.
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal
from zoneinfo import ZoneInfo

Coding = dict[str, str]


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Local codes by what they mean: `systems` by kind of thing, `codes` by kind and thing."""

    systems: dict[str, str]
    codes: dict[str, dict[str, tuple[tuple[str, str], ...]]]

    def coding(self, kind: str, thing: str, choice: int = 0) -> Coding:
        """The local code for a thing; `choice` picks among several."""
        options = self.codes[kind][thing]
        code, display = options[choice % len(options)]
        return {"system": self.systems[kind], "code": code, "display": display}


@dataclass(frozen=True, eq=False)
class Center:
    """A center: where its clock is, when its care changed (or never), and how it codes.

    `algorithm` is that of the key by which the site signs in to the EHR.
    """

    id: str
    title: str
    zone: ZoneInfo
    change: date | None
    algorithm: Literal["ES384", "RS384"]
    vocabulary: Vocabulary
    wards: tuple[str, ...]


NORTH = Center(
    id="north",
    title="North Medical Center",
    zone=ZoneInfo("America/New_York"),
    change=date(2025, 1, 1),
    algorithm="ES384",
    wards=("4 East", "4 West", "5 East", "Surgical ICU", "Women's Health", "Day Surgery"),
    vocabulary=Vocabulary(
        systems={
            "class": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
            "procedure": "https://north.example.org/codes/procedure",
            "flowsheet": "https://north.example.org/codes/flowsheet-row",
            "admission": "https://north.example.org/codes/hospital-service",
            "priority": "https://north.example.org/codes/admission-type",
            "disposition": "https://north.example.org/codes/discharge-disposition",
        },
        codes={
            "class": {
                "inpatient": (("IMP", "inpatient encounter"),),
                "emergency": (("EMER", "emergency"),),
                "observation": (("OBSENC", "observation encounter"),),
                "outpatient": (("AMB", "ambulatory"),),
            },
            "procedure": {
                "hip": (("OR2101", "Total hip replacement"), ("OR2107", "Hip hemiarthroplasty")),
                "knee": (("OR2110", "Total knee replacement"),),
                "spine": (("OR2240", "Lumbar fusion"), ("OR2244", "Lumbar decompression")),
                "colon": (("OR3305", "Colectomy, laparoscopic"), ("OR3306", "Colectomy, open")),
                "uterus": (("OR5012", "Hysterectomy"),),
                "kidney": (("OR4120", "Nephrectomy"),),
                "breast": (("OR3710", "Mastectomy"),),
                "thyroid": (("OR3801", "Thyroidectomy"),),
                "heart": (("OR6001", "Coronary artery bypass"), ("OR6010", "Valve replacement")),
                "line": (("BP0140", "Central line placement"),),
                "scope": (("BP0310", "Upper endoscopy"),),
                "dressing": (("BP0990", "Dressing change"),),
                "ventilation": (("RT0100", "Invasive mechanical ventilation"),),
            },
            "flowsheet": {
                "drink": (("304120", "Oral fluids taken"), ("304121", "Fluid intake PO")),
                "eat": (("304130", "Meal eaten"),),
                "mobilise": (("308010", "Out of bed to chair"), ("308011", "Ambulated in hall")),
                "nil-by-mouth": (("304199", "NPO per surgical plan"),),
                "contraindication": (("308099", "Mobility contraindicated"),),
                "pain": (("301500", "Pain score"),),
                "skin": (("301720", "Braden total"),),
            },
            "admission": {
                "medical": (("MED", "Medicine"), ("CAR", "Cardiology")),
                "surgical": (("SUR", "Surgery"), ("ORT", "Orthopedics")),
                "obstetric": (("OBS", "Obstetrics"),),
                "rehabilitation": (("PMR", "Physical medicine and rehabilitation"),),
                "chemotherapy": (("ONC-C", "Scheduled chemotherapy"),),
            },
            "priority": {
                "elective": (("3", "Elective"),),
                "urgent": (("2", "Urgent"),),
                "emergency": (("1", "Emergency"),),
            },
            "disposition": {
                "home": (("01", "Home or self care"),),
                "home-care": (("06", "Home health service"),),
                "nursing": (("03", "Skilled nursing facility"),),
                "rehabilitation": (("62", "Rehabilitation facility"),),
                "transfer": (
                    ("02", "Short-term general hospital"),
                    ("66", "Critical access hospital"),
                ),
                "against-advice": (("07", "Left against medical advice"),),
                "died": (("20", "Expired"),),
            },
        },
    ),
)

SOUTH = Center(
    id="south",
    title="South Community Hospital",
    zone=ZoneInfo("America/Chicago"),
    change=None,
    algorithm="RS384",
    wards=("Medical A", "Medical B", "Surgical", "ICU", "Maternity", "Ambulatory Surgery"),
    vocabulary=Vocabulary(
        systems={
            "class": "urn:oid:2.16.840.1.113883.19.5.71.6",
            "procedure": "urn:oid:2.16.840.1.113883.19.5.71.1",
            "flowsheet": "urn:oid:2.16.840.1.113883.19.5.71.2",
            "admission": "urn:oid:2.16.840.1.113883.19.5.71.3",
            "priority": "urn:oid:2.16.840.1.113883.19.5.71.4",
            "disposition": "urn:oid:2.16.840.1.113883.19.5.71.5",
        },
        codes={
            "class": {
                "inpatient": (("I", "Inpatient"),),
                "emergency": (("E", "Emergency department"),),
                "observation": (("O", "Observation, no admission"),),
                "outpatient": (("C", "Clinic"),),
            },
            "procedure": {
                "hip": (("THR", "Hip replacement"),),
                "knee": (("TKR", "Knee replacement"), ("UKR", "Unicondylar knee replacement")),
                "spine": (("SPF", "Spinal fusion"),),
                "colon": (("COLX", "Bowel resection"),),
                "uterus": (
                    ("HYST-A", "Hysterectomy, abdominal"),
                    ("HYST-V", "Hysterectomy, vaginal"),
                ),
                "kidney": (("NEPH", "Kidney removal"),),
                "breast": (("MAST", "Breast surgery"), ("LUMP", "Breast conserving surgery")),
                "thyroid": (("THYR", "Thyroid surgery"),),
                "heart": (("CABG", "Bypass graft"),),
                "line": (("CVC", "Central venous catheter"),),
                "scope": (("EGD", "Gastroscopy"),),
                "dressing": (("WOUND", "Wound care"),),
                "ventilation": (("VENT", "Ventilator"),),
            },
            "flowsheet": {
                "drink": (("NUR-PO-FL", "Drinking"),),
                "eat": (("NUR-PO-SOL", "Eating solid food"), ("NUR-PO-SOFT", "Eating soft diet")),
                "mobilise": (("NUR-MOB-CH", "Chair"),),
                "nil-by-mouth": (("NUR-NPO", "Nil by mouth, planned"),),
                "contraindication": (("NUR-MOB-X", "No mobilisation, medical reason"),),
                "pain": (("NUR-NRS", "Pain 0-10"),),
                "skin": (("NUR-SKIN", "Skin intact"),),
            },
            "admission": {
                "medical": (("IM", "Internal medicine"),),
                "surgical": (("GS", "General surgery"), ("SP", "Specialty surgery")),
                "obstetric": (("LD", "Labor and delivery"),),
                "rehabilitation": (("RHB", "Rehab unit"),),
                "chemotherapy": (("CTX", "Chemotherapy cycle"),),
            },
            "priority": {
                "elective": (("PLAN", "Planned"),),
                "urgent": (("URG", "Urgent"),),
                "emergency": (("EMERG", "Through the emergency department"), ("TRM", "Trauma")),
            },
            "disposition": {
                "home": (("H", "Home"),),
                "home-care": (("HH", "Home with services"),),
                "nursing": (("NH", "Nursing home"),),
                "rehabilitation": (("RH", "Rehab hospital"),),
                "transfer": (("XFER", "Other acute hospital"),),
                "against-advice": (("AMA", "Against medical advice"),),
                "died": (("EXP", "Deceased"),),
            },
        },
    ),
)

CENTERS = (NORTH, SOUTH)
