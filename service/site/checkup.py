"""What `weir site doctor` finds: one check a row, in order, with what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a check came out."""

    GOOD = "good"
    LOOK = "look"  # it works, and someone should look at it
    BAD = "bad"
    SKIPPED = "skipped"  # because something before it is bad


@dataclass(frozen=True)
class Check:
    """One check. ``todo`` is for the site's own people, ``ask`` for the EHR's vendor or
    administrator; neither holds anything of a patient."""

    name: str
    state: State
    what: str
    todo: str = ""
    ask: str = ""


def good(name: str, what: str) -> Check:
    """A check with nothing to do."""
    return Check(name, State.GOOD, what)


def look(name: str, what: str, todo: str = "", ask: str = "") -> Check:
    """A check that someone should look at."""
    return Check(name, State.LOOK, what, todo, ask)


def bad(name: str, what: str, todo: str = "", ask: str = "") -> Check:
    """A check that stands in the way of a run."""
    return Check(name, State.BAD, what, todo, ask)


def skipped(name: str, why: str = "something before it is in the way") -> Check:
    """A check that was not made."""
    return Check(name, State.SKIPPED, why)
