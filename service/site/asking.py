"""How the plan is put to one EHR: its endpoint, its vendor profile, and what may be asked."""

from dataclasses import dataclass, replace
from datetime import date, timedelta

from service.fhir.compartment import SHARED, patient_link
from service.fhir.endpoint import Endpoint
from service.fhir.model import qualified, r4
from service.site.config import SiteConfig
from service.site.plan import ALL_ELEMENTS, AcquisitionPlan
from service.site.shape import ALWAYS
from service.site.vendor import VendorProfile

CLOCKS = timedelta(minutes=5)  # by which the EHR's may be ahead of ours


@dataclass(frozen=True)
class Extent:
    """Which of the plan's records a pull asks for: all, or by one of these fewer.

    ``since``: those that changed after an instant, where the vendor profile says that the EHR tells
    changes soundly, else all. ``dated``: those dated on a day or later, where the profile names the
    type's search parameter for that, else all of the type. ``patients``: those of some patients.
    """

    since: str | None = None
    dated: date | None = None
    patients: frozenset[str] | None = None

    @property
    def is_searched(self) -> bool:
        """Whether no export can bring it."""
        return self.dated is not None or self.patients is not None


EVERYTHING = Extent()


@dataclass(frozen=True)
class Asking:
    """A pull that is going on. ``plan`` is what the EHR lets us read of what the measures need."""

    config: SiteConfig
    profile: VendorProfile
    plan: AcquisitionPlan
    endpoint: Endpoint
    extent: Extent = EVERYTHING

    @property
    def own_types(self) -> frozenset[str]:
        """The plan's types that are of a patient; the others are read when they are referred to."""
        return self.plan.types - SHARED

    def one_by_one(self) -> "Asking":
        """The same with one patient in a search."""
        search = self.profile.search.model_copy(update={"patients_at_once": 1})
        return replace(self, profile=self.profile.model_copy(update={"search": search}))

    def with_whole_records(self) -> "Asking":
        """The same with all elements of what is searched."""
        search = self.profile.search.model_copy(update={"elements": False})
        return replace(self, profile=self.profile.model_copy(update={"search": search}))

    @property
    def at_once(self) -> int:
        """How many calls may be under way."""
        return self.config.pace.connections


def elements_to_send(plan: AcquisitionPlan, type_name: str) -> frozenset[str] | None:
    """The top elements of a type that are kept; None for all of them."""
    named = plan.elements[type_name]
    if ALL_ELEMENTS in named:
        return None
    link = (patient_link(type_name) or "").partition(".")[0]
    kept = named | ALWAYS | {link}
    return frozenset(kept & set(r4().elements(qualified(type_name)))) | {"id", "meta"}
