"""Aims, PDSA cycles and notes: what people entered about a measure, as charts show it."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlmodel import Session

from service.errors import RequestError
from service.network.config import Annotation, Measure, Month, NetworkConfig, Text
from service.network.entry import Kind, current
from service.network.series import Goal
from service.network.window import holding


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", str_strip_whitespace=True)


class Aim(_Form):
    """What people want to reach with a measure, since when and by when; ``goal`` in percent."""

    statement: Text
    goal: Annotated[float, Field(ge=0, le=100)]
    by: Month
    start: Month | None = None


class Pdsa(_Form):
    """A cycle of plan, do, study, act: what was tested from when to when, and what came of it."""

    start: Month
    end: Month | None = None
    plan: Text
    change: Text
    learned: Annotated[str, Field(max_length=500)] = ""


class Note(_Form):
    """An event or a remark on the data; with ``baseline`` a person's decision on the median."""

    month: Month
    text: Text
    baseline: bool = False


class Mapping(_Form):
    """A mapping of local codes that a person judged to change no number's meaning."""

    hash: Annotated[str, Field(pattern=r"^(none|sha256:[0-9a-f]{64})$")]
    why: Text


FORMS: dict[str, type[_Form]] = {"aim": Aim, "pdsa": Pdsa, "note": Note, "mapping": Mapping}


@dataclass(frozen=True)
class Told:
    """One current entry: its key, who entered it when about which site, and its content."""

    key: str
    by: str
    at: str
    site: str | None
    content: Any

    @property
    def title(self) -> str:
        """What it says in one line."""
        names = ("statement", "change", "text", "why")
        return next(
            str(getattr(self.content, name)) for name in names if hasattr(self.content, name)
        )


def read_form(kind: str, fields: dict[str, str]) -> dict[str, Any]:
    """The content of a form; raises RequestError (422) that names the fields and no value."""
    given = {name: value for name, value in fields.items() if value.strip()}
    try:
        return FORMS[kind].model_validate(given).model_dump()
    except ValidationError as error:
        names = sorted({str(problem["loc"][0]) for problem in error.errors() if problem["loc"]})
        what = f"please look at these fields again: {', '.join(names)}"
        raise RequestError(422, "invalid", what) from None


def told(session: Session, kind: Kind, measure: Measure, as_of: str | None = None) -> list[Told]:
    """The current entries of a kind for a measure."""
    return [
        Told(entry.key, entry.by, entry.at, entry.site, FORMS[kind].model_validate(entry.fields))
        for entry in current(session, kind, measure.url, as_of)
    ]


def annotations(
    session: Session, config: NetworkConfig, measure: Measure, as_of: str | None = None
) -> tuple[Annotation, ...]:
    """The marks of a measure's charts: those of network.toml, cycles and notes."""
    cycles = [_of_cycle(each) for each in told(session, "pdsa", measure, as_of)]
    notes = [_of_note(each) for each in told(session, "note", measure, as_of)]
    return (*config.annotations, *cycles, *notes)


def goals(
    session: Session, measure: Measure, as_of: str | None = None
) -> dict[str | None, tuple[Goal, ...]]:
    """What the aims of a measure want to reach, by site; those of all sites under None."""
    found: dict[str | None, tuple[Goal, ...]] = {}
    for aim in told(session, "aim", measure, as_of):
        start = aim.content.start and holding(aim.content.start, measure.window)
        goal = Goal(aim.content.goal / 100, holding(aim.content.by, measure.window), start)
        found[aim.site] = (*found.get(aim.site, ()), goal)
    return found


def minor_mappings(session: Session, as_of: str | None = None) -> frozenset[str]:
    """The mappings that people said to change little."""
    return frozenset(
        str(entry.fields["hash"]) for entry in current(session, "mapping", None, as_of)
    )


def _of_cycle(each: Told) -> Annotation:
    text = f"PDSA: {each.content.change}"
    return Annotation(site=each.site, month=each.content.start, text=text[:500])


def _of_note(each: Told) -> Annotation:
    content = each.content
    return Annotation(
        site=each.site, month=content.month, text=content.text, baseline=content.baseline
    )
