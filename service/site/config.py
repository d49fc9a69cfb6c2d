"""The site's configuration: one TOML file.

    site = "north"                      # how the network knows the site; default: fhir.client_id
    measures = ["../measures/dreaming"] # measure packages
    policy_file = "policy.toml"         # what may leave; its signature is policy.toml.sig
    policy_key = "policy.jwk.json"      # the public half of the key that signed it
    history_dir = "data"                # optional: one for all networks of a site; else data_dir
    mapping = "../mappings/north"       # optional: local codes to standard ones
    data_dir = "data"                   # everything the site writes
    spool = "/spool"                    # where the gateway takes releases from
    timezone = "America/New_York"       # optional: the hospital's days and months; default: UTC
    evaluate_cql = false                # optional: answer $cql, for measure developers; see docs

    [fhir]
    base_url = "https://ehr.example/fhir"
    client_id = "weir"
    key_file = "keys/ehr.pem"           # EC P-384 or RSA private key, PEM or JWK
    other_keys = ["keys/next.pem"]      # optional: published beside it, while keys are changed
    kids = {"keys/ehr.pem" = "weir-1"}  # optional: keys' ids at the EHR, where it gives them; with
                                        #   one key alone also: kid = "weir-1"
    jku = "https://weir.example/.well-known/jwks.json"  # optional: where the EHR finds our keys
    vendor = "epic"                     # optional: what kind of server it is, or a file (.toml)
    group = "icu-2026"                  # who is measured: a FHIR Group, or one of
    list = "census"                     #   a FHIR List,
    patient_search = "Encounter?class=IMP"  #   a search,
    patients = "cohort.txt"             #   a file of ids or of system|value; else all patients
    check_patients = 20                 # optional: of so many a pull is compared with a search
    get_searches = false                # optional: GET, with patients' ids in addresses, where the
                                        #   EHR answers no search by POST
    ca_file = "ca.pem"                  # optional: the hospital's own authorities
    client_certificate = "weir.pem"     # optional: for mutual TLS, with client_key
    hosts = ["files.ehr.example"]       # optional: other hosts that may be spoken to

    [pace]                              # optional: courtesy towards the EHR
    connections = 4                     # at once, at most
    per_minute = 300                    # requests, at most; default: no limit
    quiet_hours = ["07:00-19:00"]       # in which no request begins, by the site's clock

    [network]                           # instead of spool, for a trial in which one program is
    url = "https://network.example"     # engine and gateway: this, [approval] and [[approver]]
    kind = "weir"                       # as in gateway.toml (service/gateway/config.py)

    [verdict]                           # optional
    tolerated_share = 0.05              # of the records that may be lost; no more than this
    late_days = 0                       # a period stays provisional for so long after it is over

    [refresh]                           # optional
    full_days = 7                       # everything is pulled so often at least; default: always
    window_days = 31                    # between: who has news in so many days is pulled whole

    [tighten]                           # optional: stricter than the policy, never laxer
    threshold = 20                      # or rounding, candidates, k_delta, min_interval, max_share,
                                        # max_versions, zeros
    strata = ["sex"]                    # of the policy's stratifiers these alone; []: none

Relative paths are relative to the file. A key that is not known is an error.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from service.errors import PeriodError
from service.gateway.config import ApprovalConfig, Approver, NetworkConfig, enough_approvers
from service.gateway.settings import ConfigPath, Section, Slug, read_settings
from service.measure.period import timezone
from service.site.ehr_config import FhirConfig, PaceConfig


def _zone_name(name: str) -> str:
    """The name of a time zone that is known here."""
    try:
        return timezone(name).key
    except PeriodError as error:
        raise ValueError(str(error)) from None


class VerdictConfig(Section):
    """How strictly completeness is judged.

    Above ``tolerated_share`` of records that are lost a measure is not computable. A period stays
    provisional for ``late_days`` after it is over.
    """

    tolerated_share: float = Field(0.05, ge=0, le=0.05)
    late_days: int = Field(0, ge=0, le=366)


class RefreshConfig(Section):
    """How the store is kept up to date.

    A pull of everything is made after ``full_days`` at the latest; between two of them changes
    alone are pulled, where the EHR tells them soundly. 0, the default: everything is pulled every
    time, so that no verdict waits for the next full pull. ``window_days``: where the EHR does not
    tell changes soundly, what is dated since so many days before the last full pull is looked at,
    and patients of whom it is not as it is stored are pulled whole. 0: everything is pulled there.
    """

    full_days: int = Field(0, ge=0, le=31)
    window_days: int = Field(0, ge=0, le=366)

    @model_validator(mode="after")
    def _between_full_pulls(self) -> Self:
        if self.window_days and not self.full_days:
            raise ValueError("window_days is of no use without full_days")
        return self


class TightenConfig(Section):
    """Where the site itself is stricter than the network's policy."""

    threshold: int | None = Field(None, ge=1, le=1000)
    rounding: int | None = Field(None, ge=1, le=100)
    candidates: int | None = Field(None, ge=0, le=50)
    k_delta: int | None = Field(None, ge=1, le=1000)
    min_interval: int | None = Field(None, ge=0, le=3660)
    max_share: float | None = Field(None, gt=0, le=1)
    max_versions: int | None = Field(None, ge=1)
    zeros: Literal["show", "hide"] | None = None
    strata: tuple[str, ...] | None = None  # of these stratifiers alone


class SiteConfig(Section):
    """All of site.toml."""

    site: Slug = ""  # never empty: _name_the_site
    measures: tuple[ConfigPath, ...] = Field(min_length=1)
    policy_file: ConfigPath
    policy_key: ConfigPath | None = None
    history_dir: ConfigPath | None = None
    mapping: ConfigPath | None = None
    data_dir: ConfigPath
    timezone: Annotated[str, AfterValidator(_zone_name)] = "UTC"
    evaluate_cql: bool = False
    fhir: FhirConfig
    network: NetworkConfig | None = None
    spool: ConfigPath | None = None
    approval: ApprovalConfig = ApprovalConfig()
    approver: tuple[Approver, ...] = ()
    verdict: VerdictConfig = VerdictConfig()
    refresh: RefreshConfig = RefreshConfig()
    tighten: TightenConfig = TightenConfig()
    pace: PaceConfig = PaceConfig()

    @model_validator(mode="before")
    @classmethod
    def _name_the_site(cls, given: Any) -> Any:
        fhir = given.get("fhir") if isinstance(given, dict) else None
        if isinstance(fhir, dict) and "client_id" in fhir:
            return {"site": fhir["client_id"], **given}
        return given

    @model_validator(mode="after")
    def _one_way_out(self) -> Self:
        if (self.network is None) is (self.spool is None):
            raise ValueError("give a [network], or a spool for the gateway, and not both")
        enough_approvers(self.approval, self.approver)
        return self


SECTIONS: Mapping[str, type[Section]] = {
    "fhir": FhirConfig,
    "network": NetworkConfig,
    "approval": ApprovalConfig,
    "approver": Approver,
    "verdict": VerdictConfig,
    "refresh": RefreshConfig,
    "tighten": TightenConfig,
    "pace": PaceConfig,
}


def load_config(path: Path) -> SiteConfig:
    """Read site.toml. Raises ConfigError that names every key that is wrong."""
    return read_settings(path, SiteConfig, SECTIONS)
