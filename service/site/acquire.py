"""Step 1: pull what the measures need from the EHR to files on this disk.

    acquisition = acquire(config, plan)      # EhrError if the EHR cannot be used at all
    ...                                      # store.build_store(acquisition, plan, data_dir)
    acquisition.discard()

Two ways, one plan: bulk export where the EHR offers it, search where it does not or where its
vendor profile says so. The files are whole or not there; what is known to be missing is among the
findings. They hold more than the store keeps, so they are removed as soon as it is built, and
whenever something goes wrong that another try would not mend; a pull that was only broken off goes
on where it stopped.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import msgspec

from service.errors import (
    AuthorizationError,
    DeclinedError,
    EhrError,
    ExpiredError,
    NarrowedError,
    StoppedError,
    StoreError,
    UnavailableError,
)
from service.fhir.capability import read_capability
from service.fhir.endpoint import Endpoint
from service.fhir.http import open_client
from service.fhir.pace import Pace
from service.fhir.patience import USUAL, Patience, patiently
from service.fhir.smart import BackendService, discover
from service.progress import notice
from service.site.acquisition import Acquisition
from service.site.asking import CLOCKS, EVERYTHING, Asking, Extent
from service.site.cohort import Cohort, cohort_types, read_cohort
from service.site.comparison import compare
from service.site.config import SiteConfig
from service.site.ehr_keys import signing_key
from service.site.exporting import close_export, deleted_files, export
from service.site.membership import check_members
from service.site.merges import pull_merged
from service.site.plan import AcquisitionPlan
from service.site.pull_log import PullLog, new_log, open_log
from service.site.referred import read_referred
from service.site.searching import search_all, search_findings
from service.site.unlisted import unlisted
from service.site.vendor import VendorProfile, load_vendor
from service.site.verdict import Fault, Finding

FIRST_TRIES = 3  # to reach the EHR at all
PULL, PULL_OF_SOME = "pull", "pull-of-some"  # the folders in data_dir
STOP = "stop"  # a file in data_dir: while it is there, nothing is asked of the EHR


def acquire(
    config: SiteConfig,
    plan: AcquisitionPlan,
    patience: Patience = USUAL,
    extent: Extent = EVERYTHING,
) -> Acquisition:
    """Pull what the plan names, and read what records refer to.

    The acquisition tells whether it has less than everything. Raises EhrError, ConfigError or
    StoreError when there is nothing to work with.
    """
    profile = load_vendor(config.fhir.vendor, config.fhir.get_searches)
    folder = config.data_dir / (PULL if extent.patients is None else PULL_OF_SOME)
    with kept_if_broken_off(folder), opened(config) as (client, pace):
        endpoint = connect(config, plan, client, replace(patience, wait=pace.wait))
        acquisition = _acquired(Asking(config, profile, plan, endpoint, extent), folder)
    findings = _refusals(endpoint.service.refused, config, plan)
    return replace(acquisition, findings=(*findings, *acquisition.findings))


def _acquired(asking: Asking, folder: Path) -> Acquisition:
    """Pull what the EHR lets us read; anew, and less, when it lets us read less on the way."""
    while True:  # it ends: each time another type is refused
        allowed = asking.plan.without(_refused(asking))
        # A pull that was broken off goes on only if as much may be read as then.
        log = _open(folder, _hash(asking.config, asking.profile, allowed, asking.extent))
        try:
            return _pull(replace(asking, plan=allowed), log)
        except NarrowedError as error:
            notice(f"{error.what} ({error.where}): the pull is started again")


def _refusals(
    refused: frozenset[str], config: SiteConfig, plan: AcquisitionPlan
) -> Iterator[Finding]:
    """What it means that types may not be read. Of one that is searched to know who is meant, some
    may be left out in silence; a Group or a List is read whole or not at all."""
    choosing = cohort_types(config.fhir) - {"Group", "List"}
    for name in sorted(refused & (plan.types | choosing)):
        yield Finding(Fault.TYPE_REFUSED, name, 1, "" if name in choosing else name)


@contextmanager
def opened(config: SiteConfig) -> Iterator[tuple[httpx.Client, Pace]]:
    """A client for the EHR that keeps the site's pace, and stops when it is told to."""
    pace = Pace(
        per_minute=config.pace.per_minute,
        quiet=config.pace.quiet_hours,
        zone=ZoneInfo(config.timezone),
        stop=config.data_dir / STOP,
        told=notice,
    )
    client = open_client(
        config.fhir.ca_file,
        identity=config.fhir.identity,
        hosts=config.fhir.allowed_hosts,
        connections=config.pace.connections,
        before=pace.before,
    )
    with client, pace:
        yield client, pace


def connect(
    config: SiteConfig, plan: AcquisitionPlan, client: httpx.Client, patience: Patience = USUAL
) -> Endpoint:
    """The EHR's endpoint, discovered and ready to be asked for the plan's types.

    Raises EhrError when it is not there or not FHIR R4, ConfigError when our key cannot be used.
    """
    fhir = config.fhir
    key = signing_key(fhir)
    # Whoever has mistyped an address should not have to wait long to hear of it.
    brief = replace(patience, attempts=min(patience.attempts, FIRST_TRIES))
    patiently(brief, lambda: read_capability(client, fhir.base_url))
    configuration = patiently(brief, lambda: discover(client, fhir.base_url))
    types = plan.types | cohort_types(fhir)
    service = BackendService(client, configuration, fhir.client_id, key, types, fhir.jku)
    return Endpoint(fhir.base_url, client, service, patience)


def _refused(asking: Asking) -> frozenset[str]:
    """The plan's types that the EHR does not let us read."""
    endpoint, types = asking.endpoint, asking.plan.types
    refused = patiently(endpoint.patience, endpoint.service.settle) & types
    if "Patient" in refused:
        raise AuthorizationError(
            "The EHR does not let this client read patients",
            where=endpoint.base_url,
            todo="Ask the EHR's administrator for the scopes that the measures need: "
            + ", ".join(sorted(types)),
        )
    return refused


def _open(folder: Path, of: str) -> PullLog:
    """The log of the pull that was broken off, or of a new one."""
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return open_log(folder, of)
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _hash(config: SiteConfig, profile: VendorProfile, plan: AcquisitionPlan, extent: Extent) -> str:
    """Stands for all that decides what is pulled."""
    elements = {name: sorted(of) for name, of in sorted(plan.elements.items())}
    asked = config.fhir.model_dump(mode="json")
    sound = profile.model_dump(mode="json")
    patients = config.fhir.patients
    listed = patients.read_bytes() if patients is not None and patients.exists() else b""
    told = msgspec.json.encode([asked, sound, elements, extent, listed], order="deterministic")
    return sha256(told).hexdigest()


@contextmanager
def kept_if_broken_off(folder: Path) -> Iterator[None]:
    """Remove the files when something goes wrong that the next try would not mend."""
    try:
        yield
    except (UnavailableError, StoppedError, KeyboardInterrupt):
        raise  # the next run goes on from here
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise _cannot_write(folder, error) from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _cannot_write(folder: Path, error: OSError) -> StoreError:
    return StoreError(
        f"The pull cannot be written ({error.strerror})",
        where=str(folder),
        todo="Check the owner of data_dir and its free space",
    )


def _pull(asking: Asking, log: PullLog) -> Acquisition:
    """By the way that the profile prefers, or by the other one when that is not offered.

    A search that was broken off goes on as a search, whatever is offered by now.
    """
    begun = log.cohort is not None
    if begun or asking.profile.way == "search" or asking.extent.is_searched:
        return _by_search(asking, log)
    try:
        return _by_export(asking, log)
    except ExpiredError as error:
        notice(f"{error.what}: the export is started again")
        return _by_export(asking, _anew(log))
    except DeclinedError as error:
        if not asking.profile.fall_back:
            raise
        notice(f"{error.what}: the EHR is searched instead")
        return _by_search(asking, _anew(log))


def _anew(log: PullLog, otherwise: str = "") -> PullLog:
    """A new log; of what is done otherwise than configured, and so not gone on with later."""
    assert log.started is not None  # open_log
    return new_log(log.folder, log.started.of + otherwise)


def _by_export(asking: Asking, log: PullLog) -> Acquisition:
    cohort = _cohort(asking)
    named: tuple[str, ...] = ()
    if asking.config.fhir.group is None and cohort.ids is not None:
        named = tuple(sorted(cohort.ids))
        if not named:
            # An export in which nobody is named is one of everybody; a search asks for nobody.
            notice("Nobody is in the cohort: no export is asked for")
            return _by_search(replace(asking, extent=EVERYTHING), _anew(log))
    if not asking.profile.export.since:
        asking = replace(asking, extent=EVERYTHING)
    manifest = export(asking, named, log)
    findings = check_members(log, cohort, asking.endpoint.base_url, asking.extent == EVERYTHING)
    findings += pull_merged(asking, cohort, log)
    findings += close_export(asking, log)
    read_referred(asking, log)
    came = [file for file in log.files() if file.type != "Bundle"]
    findings += compare(asking, came, manifest.transaction_time)
    findings += unlisted(asking, came)
    return Acquisition(
        folder=log.folder,
        base_url=asking.endpoint.base_url,
        transaction_time=_as_of(manifest.transaction_time, log),
        files=tuple(came),
        findings=tuple(findings),
        way="export",
        since=asking.extent.since,
        subsets=asking.profile.export.elements,
        deleted=deleted_files(log),
    )


def _cohort(asking: Asking) -> Cohort:
    """Who should come with the export; a Group that cannot be read is the EHR's own matter."""
    try:
        return read_cohort(asking.endpoint, asking.config.fhir, asking.profile.search.manner)
    except (StoppedError, UnavailableError):
        raise
    except EhrError:
        if asking.config.fhir.group is None:
            raise
        notice("The Group's members cannot be read, so they are not compared with the export")
        return Cohort(None)


def _by_search(asking: Asking, log: PullLog) -> Acquisition:
    extent = asking.extent
    if extent.since and not asking.profile.search.last_updated:
        asking = replace(asking, extent=EVERYTHING)
    if extent.patients is not None:  # what does not come is taken for gone
        asking = asking.one_by_one()
    as_of = search_all(asking, log)
    many = asking.profile.search.patients_at_once > 1 and asking.extent == EVERYTHING
    left_out = compare(asking, log.files(), datetime.fromisoformat(as_of)) if many else []
    if any(finding.fault is Fault.LEFT_OUT for finding in left_out):
        notice("A search for several patients does not find all: they are searched one by one")
        return _by_search(asking.one_by_one(), _anew(log, "one by one"))
    if extent.dated is None:  # or nothing of it is stored
        read_referred(asking, log)
    return Acquisition(
        folder=log.folder,
        base_url=asking.endpoint.base_url,
        transaction_time=_as_of(datetime.fromisoformat(as_of), log),
        files=tuple(log.files()),
        findings=(*search_findings(log), *unlisted(asking, log.files())),
        way="search",
        since=asking.extent.since,
        whole=extent.patients is not None,
        subsets=asking.profile.search.elements,
    )


def _as_of(told: datetime, log: PullLog) -> str:
    """The EHR's clock when it looked, or ours when the pull began if that was earlier.

    What was recorded later need not have come. So no period may seem to be over that ended later,
    and the EHR's clock may be ahead.
    """
    assert log.started is not None  # open_log
    if told > datetime.now(UTC) + CLOCKS:
        notice("The EHR's clock is ahead of this machine's, whose time is taken")
    return min(told, datetime.fromtimestamp(log.started.at, UTC)).isoformat()
