"""How the plan is put to one EHR: its endpoint, its vendor profile, and what may be asked."""

from dataclasses import dataclass

from service.fhir.compartment import SHARED, patient_link
from service.fhir.endpoint import Endpoint
from service.fhir.model import qualified, r4
from service.site.config import SiteConfig
from service.site.plan import ALL_ELEMENTS, AcquisitionPlan
from service.site.shape import ALWAYS
from service.site.vendor import VendorProfile


@dataclass(frozen=True)
class Asking:
    """A pull that is going on. ``plan`` is what the EHR lets us read of what the measures need;
    ``since``: only records that changed after this instant are asked for."""

    config: SiteConfig
    profile: VendorProfile
    plan: AcquisitionPlan
    endpoint: Endpoint
    since: str | None = None

    @property
    def own_types(self) -> frozenset[str]:
        """The plan's types that are of a patient; the others are read when they are referred to."""
        return self.plan.types - SHARED

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
