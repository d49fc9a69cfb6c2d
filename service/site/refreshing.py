"""Steps 1 and 2: bring the store up to date, with what changed or with all that there is.

Changes alone are asked for while the last pull of everything is recent, was sound, and was of the
same patients and elements; everything else is pulled anew (see docs/decisions/0005).
"""

import hashlib
from datetime import UTC, datetime, timedelta

import msgspec

from service.site.acquire import acquire
from service.site.building import build_store
from service.site.config import SiteConfig
from service.site.layering import lay_over
from service.site.plan import AcquisitionPlan
from service.site.store import Facts, Store, last_index
from service.site.verdict import Fault

# Of these a pull of everything would find as much again; any other is reason for one.
LASTING = frozenset(
    {
        Fault.UNREADABLE,
        Fault.UNKNOWN_TYPE,
        Fault.UNKNOWN_PATIENT,
        Fault.NO_BIRTH_DATE,
        Fault.UNRESOLVED_REFERENCE,
        Fault.UNRECONCILED,
    }
)
# What decides how an EHR is asked, and not what it has.
MANNERS = {
    "ca_file",
    "check_patients",
    "client_certificate",
    "client_key",
    "get_searches",
    "hosts",
    "jku",
    "key_file",
    "kid",
    "other_keys",
}


def refresh(config: SiteConfig, plan: AcquisitionPlan) -> Store:
    """The store, up to date. Raises WeirError; then the last store stays."""
    since = since_of(config, plan, datetime.now(UTC))
    if since is not None:
        store = _pull(config, plan, since)
        if store is not None:
            return store
    store = _pull(config, plan, None)
    assert store is not None  # only changes can ask for more
    return store


def since_of(config: SiteConfig, plan: AcquisitionPlan, now: datetime) -> str | None:
    """The instant from which on changes are enough; None when everything must be pulled."""
    last = last_index(config.data_dir)
    if last is None or not _can_build_on(last.facts, config, plan):
        return None
    age = now - datetime.fromisoformat(last.facts.reconciled)
    return last.facts.transaction_time if age < timedelta(days=config.refresh.full_days) else None


def _can_build_on(facts: Facts, config: SiteConfig, plan: AcquisitionPlan) -> bool:
    same = {name: sorted(of) for name, of in plan.elements.items()} == facts.elements
    lasting = all(finding.fault in LASTING for finding in facts.findings)
    return same and lasting and facts.source == source_of(config)


def source_of(config: SiteConfig) -> str:
    """A hash of what is pulled from where."""
    told = config.fhir.model_dump(mode="json", exclude=MANNERS)
    digest = hashlib.sha256(msgspec.json.encode(told, order="sorted"))
    if config.fhir.patients is not None and config.fhir.patients.exists():
        digest.update(config.fhir.patients.read_bytes())
    return digest.hexdigest()


def _pull(config: SiteConfig, plan: AcquisitionPlan, since: str | None) -> Store | None:
    """Pull and store; None when changes show that everything is needed."""
    acquisition = acquire(config, plan, since=since)
    try:
        if acquisition.since is None:
            source = source_of(config)
            return build_store(acquisition, plan, config.data_dir, source=source)
        return lay_over(acquisition, plan, config.data_dir)
    finally:
        acquisition.discard()
