"""What is known of an EHR's kind of server: a vendor profile, as data.

The profiles stand in ``vendors/*.toml``; a site may write its own and name the file in site.toml.
Whatever could leave out records unseen (filters, increments) is used only where a profile says that
it is sound: filtering afterwards cannot bring back what a server did not send. docs/vendors.md
explains each key.
"""

import tomllib
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qsl

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from service.errors import ConfigError
from service.fhir.bulk import Level
from service.fhir.compartment import resource_types
from service.fhir.paging import Manner, Method

DEFAULT = "default"
PROFILES = files("service.site").joinpath("vendors")


def _type_name(name: str) -> str:
    if name not in resource_types():
        raise ValueError("this is not a resource type of FHIR R4")
    return name


def _search_text(text: str) -> str:
    """Search parameters as they stand in an address: ``category=laboratory``."""
    try:
        parse_qsl(text, strict_parsing=True)
    except ValueError:
        raise ValueError("these are not search parameters, as in category=laboratory") from None
    return text


TypeName = Annotated[str, AfterValidator(_type_name)]
ParameterName = Annotated[str, Field(pattern=r"^[a-z][a-z-]*$")]
SearchText = Annotated[str, AfterValidator(_search_text)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ExportProfile(_Section):
    """What is sound of the server's bulk export."""

    levels: tuple[Level, ...] = Field(min_length=1)
    post: bool
    elements: bool
    since: bool
    patients: bool


class SearchProfile(_Section):
    """What is sound of the server's search.

    ``slices``: by type the searches that are made in turn, where it cannot be searched whole;
    ``dates``: by type the parameter that finds what is dated on a day or later.
    """

    method: Method
    page_size: int = Field(ge=1, le=10_000)
    patients_at_once: int = Field(ge=1, le=1_000)
    last_updated: bool
    totals: bool
    include: bool
    elements: bool
    harmless: tuple[str, ...] = ()
    slices: dict[TypeName, tuple[SearchText, ...]] = Field(default_factory=dict)
    dates: dict[TypeName, ParameterName] = Field(default_factory=dict)

    @cached_property
    def manner(self) -> Manner:
        """How its searches are made and judged; one for a pull, which learns as it goes on."""
        return Manner(self.method, frozenset(self.harmless), self.totals)


class VendorProfile(_Section):
    """All that is known of one kind of server."""

    title: str
    way: Literal["export", "search"]
    fall_back: bool
    export: ExportProfile
    search: SearchProfile

    @property
    def tells_changes(self) -> bool:
        """Whether the preferred way can bring what changed, and that alone."""
        return self.export.since if self.way == "export" else self.search.last_updated


def vendor_names() -> list[str]:
    """The profiles that come with the program."""
    return sorted(
        each.name.removesuffix(".toml")
        for each in PROFILES.iterdir()
        if each.name.endswith(".toml")
    )


def load_vendor(name: str, get_searches: bool = False) -> VendorProfile:
    """The profile of that name, or in the file of that name when it ends in ``.toml``.

    ``get_searches``: the site lets GET be used where the server answers no search by POST. Raises
    ConfigError that says what is wrong with it, or which names there are.
    """
    profile = _parse(_read(name), name)
    if get_searches and profile.search.method == "post":
        search = profile.search.model_copy(update={"method": "post-else-get"})
        return profile.model_copy(update={"search": search})
    return profile


def _read(name: str) -> str:
    if name.endswith(".toml"):
        return _text(Path(name))
    if name not in vendor_names():
        raise ConfigError(
            "There is no such vendor profile",
            where="fhir.vendor",
            todo=f"Give one of {', '.join(vendor_names())}, or a file that ends in .toml",
        )
    return PROFILES.joinpath(f"{name}.toml").read_text("utf-8")


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            "The vendor profile cannot be read", where=str(path), todo="Check fhir.vendor"
        ) from error


def _parse(text: str, where: str) -> VendorProfile:
    try:
        return VendorProfile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"The vendor profile is not TOML: {error}", where=where) from None
    except ValidationError as error:
        raise ConfigError(
            "; ".join(_complaints(error)), where=where, todo="docs/vendors.md has every key"
        ) from None


def _complaints(error: ValidationError) -> list[str]:
    told = []
    for problem in error.errors(include_input=False, include_url=False):
        key = ".".join(str(part) for part in problem["loc"] if part != "[key]")
        match problem["type"]:
            case "extra_forbidden":
                told.append(f"{key} is not a key of a vendor profile")
            case "missing":
                told.append(f"{key} is missing")
            case _:
                told.append(f"{key}: {problem['msg'].removeprefix('Value error, ')}")
    return told
