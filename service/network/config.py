"""The network's configuration, `network.toml`: who may report what, and how it is shown.

    title = "A network"
    database = "postgresql+pg8000://weir@db/weir"     # default: weir-network.db beside the file
    keys = "weir-network-keys"   # folder of the network's own secrets, made at first use
    access = "accounts"          # or "open": no sign-in at all, served on 127.0.0.1 only
    secure_cookies = true        # false only where readers come by plain HTTP
    pool_share = 0.9      # of the reporting sites; a sum over fewer is drawn, but not judged
    public_sites = 5      # a public sum rests on at least so many sites

    [oidc]                                             # optional
    issuer = "https://login.example.org"
    client_id = "weir"
    client_secret_file = "oidc-secret"
    name = "Example University"

    [[site]]
    id = "north"
    name = "North Hospital"
    kid = "north-2026"
    jwk = { kty = "OKP", crv = "Ed25519", x = "..." }  # or: key_file = "north.jwk.json"
    measures = ["https://example.org/Measure/DrEaMing"]

    [[measure]]
    url = "https://example.org/Measure/DrEaMing"
    name = "DrEaMing"
    title = "Drinking, eating and mobilising within 24 hours of surgery"
    window = "month"                                   # or "quarter"
    ladder = ["quarter", "year"]                       # where a month shows no rate
    target = 0.8
    direction = "increase"                             # the better direction
    headline = "composite"                             # the group drawn large
    versions = ["1.0.0"]                               # others are refused; default: none is
    due_days = 45                                      # after a period's end a report is late
    first = "2024-01"                                  # the first month expected of every site
    visibility = "own"                                 # or "blinded", "identified"; see docs
    public = false                                     # whether anyone may see the network's sum
    chart = "run"                                      # or "run-perla", "xmr", "p", "p-prime"
    groups = [
        { id = "composite", title = "All three", numerator = "...", denominator = "..." },
        { id = "composite.es", title = "Spanish spoken at home", stratum_of = "composite" },
    ]

    [[annotation]]
    site = "north"
    measure = "https://example.org/Measure/DrEaMing"
    month = "2025-01"
    text = "Drinks trolley on the ward"
    baseline = true      # the median is taken from the points before it, and kept

Relative paths are relative to the file. Texts hold no patient information: they are shown to
every reader.
"""

import json
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.errors import ConfigError
from service.measure.stratum_name import stratum_name
from service.network.lens import LensName

Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Text = Annotated[str, Field(min_length=1, max_length=500)]
Month = Annotated[str, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")]
Window = Literal["month", "quarter"]
Rung = Literal["quarter", "year"]
Direction = Literal["increase", "decrease"]
# Who sees a site's line: itself, everybody without its name, or those who opted in with it.
Visibility = Literal["own", "blinded", "identified"]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SiteEntry(_Table):
    """A center: its id on the wire, its public signing key, and the measures it may report.

    ``recipients`` are who besides the network's staff may see its numbers.
    """

    id: Slug
    name: Text
    kid: Text
    jwk: dict[str, str]
    revoked: bool = False
    measures: frozenset[str]
    recipients: tuple[Literal["members", "public"], ...] = ("members", "public")

    @model_validator(mode="after")
    def _only_a_public_key(self) -> Self:
        if "d" in self.jwk:
            raise ValueError(f"site {self.id}: jwk is a private key; the network holds public keys")
        if (self.jwk.get("kty"), self.jwk.get("crv")) != ("OKP", "Ed25519"):
            raise ValueError(f"site {self.id}: jwk must be an Ed25519 key (kty OKP)")
        return self

    @model_validator(mode="after")
    def _a_whole_key(self) -> Self:
        try:
            OKPKey.import_key(dict(self.jwk))
        except (JoseError, ValueError, KeyError) as error:
            raise ValueError(f"site {self.id}: jwk cannot be read as a key") from error
        return self


class Group(_Table):
    """How a measure's group is called on the pages.

    ``stratum_of`` is the group that this one is a part of, as those of one language are: it is
    shown for all centers together only, beside the other parts and in the order of their titles.
    Of a stratum, ``group/stratifier/value``, that and the ``stratifier`` follow from its id.
    """

    id: str
    title: Text
    numerator: Text = "Numerator"
    denominator: Text = "Denominator"
    stratum_of: str = ""
    stratifier: str = ""

    @model_validator(mode="before")
    @classmethod
    def _part_of_its_id(cls, data: Any) -> Any:
        name = stratum_name(str(data.get("id", ""))) if isinstance(data, dict) else None
        if name is None:
            return data
        titled = {"title": f"{_words(name.stratifier)}: {name.value}"}
        return {**titled, **data, "stratum_of": name.group, "stratifier": name.stratifier}

    @property
    def parted_by(self) -> str:
        """By what the patients are parted, in words."""
        return _words(self.stratifier) if self.stratifier else "group of patients"


def _words(name: str) -> str:
    return name.replace("-", " ").replace("_", " ")


class Measure(_Table):
    """A measure as the network shows it; ``url`` is canonical and without a version."""

    url: Annotated[str, Field(pattern=r"^[^|\s]+$")]
    id: Slug = ""
    name: str = ""
    title: Text
    description: str = ""
    window: Window = "month"
    ladder: tuple[Rung, ...] = ()
    target: Annotated[float, Field(ge=0, le=1)] | None = None
    direction: Direction = "increase"
    headline: str = ""
    groups: tuple[Group, ...] = ()
    versions: tuple[str, ...] = ()
    due_days: Annotated[int, Field(ge=0, le=1000)] = 45
    first: Annotated[str, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")] | None = None
    visibility: Visibility = "own"
    public: bool = False
    chart: LensName = "run"

    @model_validator(mode="before")
    @classmethod
    def _names_from_url(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("url"), str):
            return data
        measure_id = data.get("id", re.split(r"[/:]", data["url"])[-1])
        return {"id": measure_id, "name": measure_id, **data}

    @model_validator(mode="after")
    def _headline_is_a_group(self) -> Self:
        known = {group.id for group in self.groups}
        if self.headline and self.groups and self.headline not in known:
            raise ValueError(f"measure {self.url}: headline {self.headline} is none of its groups")
        for whole in {group.stratum_of for group in self.groups} - {""} - known:
            raise ValueError(f"measure {self.url}: stratum_of {whole} is none of its groups")
        return self

    @model_validator(mode="after")
    def _ladder_goes_up(self) -> Self:
        lengths = ("month", "quarter", "year")
        rungs = [lengths.index(each) for each in (self.window, *self.ladder)]
        if rungs != sorted(set(rungs)):
            raise ValueError(
                f"measure {self.url}: ladder goes up: each window is longer than the one before"
            )
        return self

    def group(self, group_id: str) -> Group:
        """The group's titles; its id where the configuration gives none."""
        known = next((group for group in self.groups if group.id == group_id), None)
        name = stratum_name(group_id)
        if known is None and name is not None:
            whole = self.group(name.group)
            return Group.model_validate(
                {"id": group_id, "numerator": whole.numerator, "denominator": whole.denominator}
            )
        return known or Group(id=group_id, title=group_id or self.title)


class Oidc(_Table):
    """The OpenID provider that signs people in; their accounts say what they may."""

    issuer: Annotated[str, Field(pattern=r"^https?://")]
    client_id: Text
    client_secret_file: Path
    name: Text = "your organization"

    @property
    def client_secret(self) -> str:
        """Read when it is needed; raises ConfigError."""
        try:
            return self.client_secret_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            where = str(self.client_secret_file)
            raise ConfigError("the OpenID client's secret cannot be read", where=where) from error


class Annotation(_Table):
    """A change that people marked; without a site or a measure it concerns all of them."""

    site: str | None = None
    measure: str | None = None
    month: Month
    text: Text
    baseline: bool = False


class NetworkConfig(_Table):
    """All of `network.toml`; see the module's text."""

    title: Text
    database: str
    keys: Path
    access: Literal["accounts", "open"] = "accounts"
    secure_cookies: bool = True
    oidc: Oidc | None = None
    pool_share: Annotated[float, Field(ge=0, le=1)] = 0.9
    public_sites: Annotated[int, Field(ge=3)] = 5
    sites: Annotated[tuple[SiteEntry, ...], Field(alias="site")] = ()
    measures: Annotated[tuple[Measure, ...], Field(alias="measure", min_length=1)]
    annotations: Annotated[tuple[Annotation, ...], Field(alias="annotation")] = ()

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        _no_twice("site id", [site.id for site in self.sites])
        _no_twice("kid", [site.kid for site in self.sites])
        _no_twice("measure url", [measure.url for measure in self.measures])
        _no_twice("measure id", [measure.id for measure in self.measures])
        sites = {site.id for site in self.sites}
        for taken in {"network", "funnel"} & sites:
            raise ValueError(f"a site cannot be called {taken}: that is a chart of all")
        measures = {measure.url for measure in self.measures}
        for site in self.sites:
            _known(f"site {site.id}", site.measures, measures)
        for note in self.annotations:
            _known("an annotation", {note.measure} - {None}, measures)
            _known("an annotation", {note.site} - {None}, sites)
        return self

    def measure_of_url(self, url: str) -> Measure | None:
        return next((measure for measure in self.measures if measure.url == url), None)

    def measure_of_id(self, measure_id: str) -> Measure | None:
        return next((measure for measure in self.measures if measure.id == measure_id), None)


def load(path: Path) -> NetworkConfig:
    """Read `network.toml`; raises ConfigError that names the file and the key."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError("the network's configuration cannot be read", where=str(path)) from error
    except ValueError as error:
        raise ConfigError(f"not TOML: {error}", where=str(path)) from error
    folder = path.resolve().parent
    try:
        return NetworkConfig.model_validate(_from_folder(raw, folder))
    except ValidationError as error:
        what = f"the network's configuration cannot be used: {_told(error)}"
        raise ConfigError(what, where=str(path), todo="Correct these keys") from error


def _from_folder(raw: dict[str, Any], folder: Path) -> dict[str, Any]:
    database = str(raw.get("database", "weir-network.db"))
    if "://" not in database:
        database = f"sqlite:///{folder / database}"
    sites = [_with_key(site, folder) for site in raw.get("site", [])]
    keys = folder / str(raw.get("keys", "weir-network-keys"))
    oidc = raw.get("oidc")
    if isinstance(oidc, dict) and "client_secret_file" in oidc:
        raw["oidc"] = {**oidc, "client_secret_file": folder / str(oidc["client_secret_file"])}
    return {**raw, "database": database, "keys": keys, "site": sites}


def _with_key(site: dict[str, Any], folder: Path) -> dict[str, Any]:
    if "key_file" not in site:
        return site
    path = folder / str(site["key_file"])
    try:
        key = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        todo = "`weir site key` at the site prints its public key: save that here"
        raise ConfigError(
            "a site's public key cannot be read", where=str(path), todo=todo
        ) from error
    kept = {name: value for name, value in site.items() if name != "key_file"}
    return {"kid": key.get("kid"), **kept, "jwk": key}


def _told(error: ValidationError) -> str:
    """The problems without the values, which may be secret."""
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']) or 'file'}: {problem['msg']}"
        for problem in error.errors(include_input=False, include_url=False)
    )


def _no_twice(what: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{what} {name} is given twice")


def _known(who: str, names: Any, known: set[str]) -> None:
    unknown = sorted(set(names) - known)
    if unknown:
        raise ValueError(f"{who} names {', '.join(unknown)}, which this file does not define")
