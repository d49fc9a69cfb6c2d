"""What every request at the site needs: the measures, the sign-in, the audit log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from threading import BoundedSemaphore
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Engine

from service.errors import ConfigError, RequestError
from service.measure.package import MeasurePackage, load_package
from service.site.audit import Access, AuditLog, open_audit_log
from service.site.config import SiteConfig
from service.site.database import open_database
from service.site.independence import check_independence
from service.site.mapping import CodeMapping, load_mapping
from service.site.tokens import Caller, sign_in

bearer = HTTPBearer(auto_error=False, description="A token made by `weir site token`.")


AT_ONCE = 2  # evaluations: each keeps one core busy


@dataclass(frozen=True)
class State:
    """The running program: its configuration, its measures and its bookkeeping."""

    config: SiteConfig
    packages: Sequence[MeasurePackage]
    mapping: CodeMapping
    engine: Engine
    audit: AuditLog
    since: date
    turns: BoundedSemaphore


def open_state(config: SiteConfig) -> State:
    """Load the site's measures and open its bookkeeping.

    Raises MeasureError for a measure that cannot be used, ConfigError when two have one id or the
    mapping cannot be used, and StoreError when the bookkeeping cannot be opened.
    """
    packages = [load_package(path) for path in config.measures]
    for package in packages:
        check_independence(package)
    if len({package.id for package in packages}) < len(packages):
        raise ConfigError("two measures of the site have the same id", where="measures")
    mapping = load_mapping(config.mapping)
    engine = open_database(config.data_dir)
    audit = open_audit_log(engine, config.data_dir)
    today = datetime.now(UTC).date()
    return State(config, packages, mapping, engine, audit, today, BoundedSemaphore(AT_ONCE))


def state(request: Request) -> State:
    """The state of the application that serves a request."""
    found = request.app.state.site
    assert isinstance(found, State)  # set by create_app
    return found


StateDep = Annotated[State, Depends(state)]
BearerDep = Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]


def signed_in(site: StateDep, credentials: BearerDep) -> Caller:
    """Who asks. Raises RequestError (401), and the audit log has it, for all but a valid token."""
    try:
        if credentials is None:
            raise RequestError(
                401,
                "login",
                "patient data need local sign-in",
                todo="Send `Authorization: Bearer <token>`; `weir site token` makes a token",
            )
        return sign_in(site.engine, credentials.credentials, datetime.now(UTC))
    except RequestError:
        site.audit.refused(Access("sign-in"))
        raise


CallerDep = Annotated[Caller, Depends(signed_in)]


def measure_of_path(measure_id: str, site: StateDep) -> MeasurePackage:
    """The measure that a path names. Raises RequestError (404)."""
    return find_measure(site, measure_id)


MeasureDep = Annotated[MeasurePackage, Depends(measure_of_path)]


def find_measure(site: State, name: str) -> MeasurePackage:
    """The measure with this id, canonical URL, or URL|version. Raises RequestError (404)."""
    for package in site.packages:
        if name in (package.id, package.url, package.canonical):
            return package
    known = ", ".join(package.id for package in site.packages)
    raise RequestError(404, "not-found", "the site has no such measure", todo=f"It has {known}")
