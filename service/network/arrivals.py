"""What has arrived: for each measure, sites by periods, each cell in one plain state."""

from dataclasses import dataclass

from service.network.reading import Reading
from service.network.words import state_text
from service.spc.point import State

RECEIVED, PROVISIONAL = "received", "provisional"
STATES = (
    RECEIVED,
    PROVISIONAL,
    State.SUPPRESSED.value,
    State.NOT_COMPUTABLE.value,
    State.MISSING.value,
)


@dataclass(frozen=True)
class Arrival:
    """One cell of the grid: one of STATES, how many versions came, and the whole in words."""

    state: str
    versions: int
    text: str


def arrival(reading: Reading) -> Arrival:
    """How far a site's report for a period has come, seen from the headline group."""
    told = state_text(reading)
    if reading.state is not State.NUMBER:
        return Arrival(reading.state.value, reading.versions, told)
    state = PROVISIONAL if reading.provisional else RECEIVED
    return Arrival(state, reading.versions, told if reading.provisional else _received(told))


def _received(told: str) -> str:
    return f"{RECEIVED}, {told}" if told else RECEIVED
