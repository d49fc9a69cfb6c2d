"""The sections [fhir] and [pace] of site.toml: the EHR, who is measured there, and our courtesy."""

import re
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    model_validator,
)

from service.fhir.compartment import patient_link, resource_types
from service.fhir.http import Identity
from service.fhir.pace import Quiet
from service.gateway.settings import Address, ConfigPath, Section, Text
from service.site.vendor import DEFAULT

COHORTS = ("group", "list", "patient_search", "patients")
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def _vendor(name: str, info: ValidationInfo) -> str:
    """A profile's name, or the path of a file, which is relative to the configuration's."""
    if not name.endswith(".toml"):
        return name
    return str(Path(info.context or ".") / Path(name).expanduser())


def _host(name: str) -> str:
    if not HOST.fullmatch(name):
        raise ValueError("this is not the name of a host, as in files.ehr.example")
    return name.lower()


def _search(text: str) -> str:
    """A search for patients, or for records whose patients are meant."""
    type_name, _, parameters = text.partition("?")
    known = type_name == "Patient" or (type_name in resource_types() and patient_link(type_name))
    if not known or not parse_qsl(parameters):
        raise ValueError("this is not a search for patients, as in Encounter?class=IMP")
    return text


def _quiet(text: Any) -> Quiet:
    if isinstance(text, Quiet):
        return text
    try:
        return Quiet.read(str(text))
    except ValueError:
        raise ValueError("these are not hours of a day, as in 07:00-19:00") from None


class FhirConfig(Section):
    """The EHR's endpoint, who we are there, and which patients are meant (all if none is said).

    ``kid`` is the id of ``key_file`` at the EHR, ``kids`` the ids of several keys by their files; a
    key without one has the id that its JWK or its thumbprint gives.
    ``check_patients``: of so many of its patients a pull is compared with a search one by one.
    ``get_searches``: where the EHR answers no search by POST, GET may be used, with patients' ids
    in addresses.
    """

    base_url: Address
    client_id: Text
    key_file: ConfigPath
    kid: Text | None = None
    kids: dict[ConfigPath, Text] = {}
    other_keys: tuple[ConfigPath, ...] = ()
    jku: Address | None = None
    vendor: Annotated[Text, AfterValidator(_vendor)] = DEFAULT
    group: Text | None = None
    list: Text | None = None
    patient_search: Annotated[Text, AfterValidator(_search)] | None = None
    patients: ConfigPath | None = None
    check_patients: int = Field(20, ge=0, le=10_000)
    get_searches: bool = False
    ca_file: ConfigPath | None = None
    client_certificate: ConfigPath | None = None
    client_key: ConfigPath | None = None
    hosts: tuple[Annotated[str, AfterValidator(_host)], ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        given = [name for name in COHORTS if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} do not go together: give one of them")
        self._check_key_ids()
        if self.client_key is not None and self.client_certificate is None:
            raise ValueError("client_key is of no use without client_certificate")
        return self

    def _check_key_ids(self) -> None:
        """An id stays with its key: one that is not told whose it is would pass to the next key
        when that takes the place of this one, and the EHR checks what is signed by the id."""
        if self.kid is not None and (self.other_keys or self.kids):
            raise ValueError(
                "with several keys kid does not tell whose id it is: write it by the key's file, "
                f'as in kids = {{"{self.key_file.name}" = "{self.kid}"}}'
            )
        strange = self.kids.keys() - {self.key_file, *self.other_keys}
        if strange:
            named = ", ".join(sorted(path.name for path in strange))
            raise ValueError(f"kids names what is neither key_file nor in other_keys: {named}")

    def kid_of(self, key: Path) -> str | None:
        """The id that the configuration gives a key, by its file."""
        return self.kids.get(key, self.kid if key == self.key_file else None)

    @property
    def identity(self) -> Identity | None:
        """The client certificate, where there is one."""
        if self.client_certificate is None:
            return None
        return Identity(self.client_certificate, self.client_key)

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """The hosts that may be spoken to for the EHR."""
        return frozenset({urlsplit(self.base_url).hostname or "", *self.hosts})


class PaceConfig(Section):
    """Courtesy towards the EHR: connections at once, requests a minute, hours of no requests."""

    connections: int = Field(4, ge=1, le=64)
    per_minute: int | None = Field(None, ge=1, le=100_000)
    quiet_hours: tuple[Annotated[Quiet, BeforeValidator(_quiet)], ...] = ()
