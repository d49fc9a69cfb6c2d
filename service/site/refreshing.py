"""Steps 1 and 2: bring the store up to date, with what changed or with all that there is.

Changes alone are asked for while the last pull of everything is recent, was sound, and was of the
same patients and elements; everything else is pulled anew (see docs/decisions/0005). What changed
the EHR tells itself, or a window shows it (docs/decisions/0012).
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec

from service.errors import ConfigError, EhrError, StoppedError, StoreError, UnavailableError
from service.progress import notice
from service.site.acquire import acquire
from service.site.acquisition import Acquisition
from service.site.asking import EVERYTHING, Extent
from service.site.building import build_store
from service.site.config import SiteConfig
from service.site.layering import is_too_large, lay_over
from service.site.looking_up import look_up
from service.site.plan import AcquisitionPlan
from service.site.store import Facts, Store, last_index, open_store
from service.site.vendor import VendorProfile, load_vendor
from service.site.verdict import Fault, Finding
from service.site.window import Window, patients_with_news, window_of

# Of these a pull of everything would find as much again; any other is reason for one.
LASTING = frozenset(
    {
        Fault.UNREADABLE,
        Fault.UNKNOWN_TYPE,
        Fault.UNKNOWN_PATIENT,
        Fault.UNKNOWN_SUCCESSOR,
        Fault.UNKNOWN_MEMBER,
        Fault.MISPLACED,
        Fault.NO_BIRTH_DATE,
        Fault.NOT_UNDERSTOOD,
        Fault.LEADS_NOWHERE,
        Fault.UNLISTED,
        Fault.MOSTLY_LOST,
        Fault.UNDECIDED,
        Fault.SLICED,
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
    "kids",
    "other_keys",
}


def refresh(config: SiteConfig, plan: AcquisitionPlan) -> Store:
    """The store, up to date. Raises WeirError; then the last store stays."""
    check_window(config, load_vendor(config.fhir.vendor))  # on the first night, too
    last = recent(config, plan, datetime.now(UTC))
    if last is not None and _is_whole(config.data_dir):
        store = _renew(config, plan, last)
        if store is not None:
            return store
    store = _pull(config, plan, EVERYTHING)
    assert store is not None  # only changes can ask for more
    return store


def _is_whole(data_dir: Path) -> bool:
    """Whether all files of the store are there and can be read."""
    try:
        open_store(data_dir).fingerprints()
    except StoreError as error:
        notice(f"{error.what}: everything is pulled")
        return False
    return True


def recent(config: SiteConfig, plan: AcquisitionPlan, now: datetime) -> Facts | None:
    """What is known of the store, if changes can be laid over it; else everything is pulled."""
    last = last_index(config.data_dir)
    if last is None or not _can_build_on(last.facts, config, plan):
        return None
    age = now - datetime.fromisoformat(last.facts.reconciled)
    # Of a pull that lies ahead, when a clock was wrong, nobody knows how old it is.
    young = timedelta(0) <= age < timedelta(days=config.refresh.full_days)
    return last.facts if young else None


def _can_build_on(facts: Facts, config: SiteConfig, plan: AcquisitionPlan) -> bool:
    same = {name: sorted(of) for name, of in plan.elements.items()} == facts.elements
    return same and _lasting(facts.findings) and facts.source == source_of(config)


def _lasting(findings: Iterable[Finding]) -> bool:
    """Whether a pull of everything would find as much again."""
    return all(finding.fault in LASTING for finding in findings)


def source_of(config: SiteConfig) -> str:
    """A hash of what is pulled from where."""
    told = config.fhir.model_dump(mode="json", exclude=MANNERS)
    digest = hashlib.sha256(msgspec.json.encode(told, order="sorted"))
    if config.fhir.patients is not None and config.fhir.patients.exists():
        digest.update(config.fhir.patients.read_bytes())
    return digest.hexdigest()


def _renew(config: SiteConfig, plan: AcquisitionPlan, last: Facts) -> Store | None:
    """Pull what may have changed, and store it; None when that shows that everything is needed."""
    profile = load_vendor(config.fhir.vendor)
    if profile.tells_changes or not config.refresh.window_days:
        return _pull(config, plan, Extent(since=last.transaction_time))
    return _look(config, plan, last, profile)


def check_window(config: SiteConfig, profile: VendorProfile) -> None:
    """Raise ConfigError where a window is wanted, and the profile names no search by date."""
    is_looked_at = config.refresh.window_days and not profile.tells_changes
    if is_looked_at and not profile.search.dates:
        raise ConfigError(
            "There can be no window: the vendor profile names no search by date",
            where="refresh.window_days",
            todo="Name what is sound in its [search.dates], or take out window_days",
        )


def _pull(config: SiteConfig, plan: AcquisitionPlan, extent: Extent) -> Store | None:
    """Pull and store; None when changes show that everything is needed."""
    acquisition = acquire(config, plan, extent=extent)
    with _discarded_when_stored(acquisition):
        if acquisition.since is None:
            source = source_of(config)
            looking_up = partial(look_up, config, plan)
            return build_store(
                acquisition, plan, config.data_dir, source=source, look_up=looking_up
            )
        return lay_over(acquisition, plan, config.data_dir)


@contextmanager
def _discarded_when_stored(acquisition: Acquisition) -> Iterator[None]:
    """Remove the files of a pull, unless the next run can store what this one could not.

    That takes no more room than pulling them again would.
    """
    try:
        yield
    except (StoreError, StoppedError, UnavailableError, KeyboardInterrupt):
        raise  # the next run goes on from here
    except BaseException:
        acquisition.discard()
        raise
    acquisition.discard()


def _look(
    config: SiteConfig, plan: AcquisitionPlan, last: Facts, profile: VendorProfile
) -> Store | None:
    """Pull a window, and whole the patients who have news there; None as above."""
    window = window_of(last, config.refresh.window_days)
    try:
        seen = acquire(config, plan, extent=Extent(dated=window.day))
        with _discarded_when_stored(seen):
            return _lay(config, plan, last, profile, window, seen)
    except (UnavailableError, StoppedError):
        raise
    except EhrError as error:  # a search that an export does without
        notice(f"{error.what}: everything is pulled instead")
        return None


def _lay(
    config: SiteConfig,
    plan: AcquisitionPlan,
    last: Facts,
    profile: VendorProfile,
    window: Window,
    seen: Acquisition,
) -> Store | None:
    """Pull whole who has news in a window that was seen; None as above."""
    if not _lasting(seen.findings):
        notice("What is dated lately did not come whole: everything is pulled instead")
        return None
    ids = patients_with_news(seen, plan, window, profile.search.dates, config.data_dir)
    if ids is None or is_too_large(len(ids), last):
        return None
    acquisition = acquire(config, plan, extent=Extent(patients=ids))
    with _discarded_when_stored(acquisition):
        if not _lasting(acquisition.findings):
            return None
        both = (*seen.findings, *acquisition.findings)
        news = replace(acquisition, transaction_time=seen.transaction_time, findings=both)
        return lay_over(news, plan, config.data_dir, window.unseen)
