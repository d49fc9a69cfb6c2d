"""Disclosure control: which numbers may be shown, and how they are rounded. Pure functions.

`protect(tables, policy, key, history)` is the whole of it. What it guarantees in a profile that
audits, for a threshold k, a base b and m candidates:

- a number that is shown is 0, or a multiple of b that is at least k and less than b from the truth;
- whoever has everything that the site ever released, and adds and subtracts, is left with m values
  or more for every population, rest and difference that counts 1 to k-1 patients;
- the same set of patients has the same number, whatever it is called and whenever it is asked;
- a policy that tightens another shows no number that the other hides.

docs/disclosure-control.md says it in plain words, with what it does not promise.
"""

from service.disclosure.margin import ENOUGH, margins
from service.disclosure.policy import Policy, Strata, parse_policy
from service.disclosure.profile import PROFILES, Profile
from service.disclosure.protection import members_of, protect
from service.disclosure.published import Name, Published, changed
from service.disclosure.rounding import Marker, Reading
from service.disclosure.simulation import Simulation, simulate
from service.disclosure.table import (
    ELIGIBLE,
    MET,
    Cell,
    Group,
    Hidden,
    Mark,
    Member,
    Table,
)

__all__ = [
    "ELIGIBLE",
    "ENOUGH",
    "MET",
    "PROFILES",
    "Cell",
    "Group",
    "Hidden",
    "Mark",
    "Marker",
    "Member",
    "Name",
    "Policy",
    "Profile",
    "Published",
    "Reading",
    "Simulation",
    "Strata",
    "Table",
    "changed",
    "margins",
    "members_of",
    "parse_policy",
    "protect",
    "simulate",
]
