"""What the configurations of engine and gateway have in common: TOML, closed, errors that help."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
)

from service.errors import ConfigError
from service.fhir.http import is_loopback


def _beside_the_file(path: Path, info: ValidationInfo) -> Path:
    return Path(info.context or ".") / path.expanduser()


def _server_address(url: str) -> str:
    """An https address without a slash at its end; http only to this machine itself."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("this is not the address of a server, as in https://ehr.example/fhir")
    if parts.username or parts.password:
        raise ValueError("an address holds no password")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("http is for this machine only; use https")
    return url.rstrip("/")


Address = Annotated[str, AfterValidator(_server_address)]
ConfigPath = Annotated[Path, AfterValidator(_beside_the_file)]
Text = Annotated[str, Field(min_length=1, max_length=200)]
Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class Section(BaseModel):
    """A table of a configuration file: a key that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


S = TypeVar("S", bound=Section)


def read_settings(path: Path, model: type[S], sections: Mapping[str, type[Section]]) -> S:
    """Read a TOML file; paths in it are relative to it. ``sections`` name its tables.

    Raises ConfigError that names every key that is wrong.
    """
    try:
        given = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(
            f"The configuration cannot be read ({error.strerror})",
            where=str(path),
            todo="Give the path of the file with --config",
        ) from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise ConfigError(f"The configuration is not TOML: {error}", where=str(path)) from None
    try:
        return model.model_validate(given, context=path.parent.absolute())
    except ValidationError as error:
        told = "; ".join(_complaints(error, path.name, model, sections))
        raise ConfigError(told, where=str(path), todo="Correct the file") from None


def _complaints(
    error: ValidationError,
    file: str,
    model: type[Section],
    sections: Mapping[str, type[Section]],
) -> Iterable[str]:
    for problem in error.errors(include_input=False, include_url=False):
        key = ".".join(str(part) for part in problem["loc"])
        match problem["type"]:
            case "extra_forbidden":
                close = _suggestion(problem["loc"], model, sections)
                yield f"{key} is not a key of {file}{close}"
            case "missing":
                yield f"{key} is missing"
            case _:
                yield f"{key}: {problem['msg'].removeprefix('Value error, ')}"


def _suggestion(
    loc: Sequence[int | str], model: type[Section], sections: Mapping[str, type[Section]]
) -> str:
    *section, key = (str(part) for part in loc)
    known: Mapping[str, Any] = (sections.get(section[0], model) if section else model).model_fields
    close = get_close_matches(key, known, n=1)
    return f"; did you mean {'.'.join([*section, close[0]])}?" if close else ""
