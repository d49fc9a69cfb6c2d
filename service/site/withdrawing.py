"""Taking back a number that is known to be wrong: two persons, and a line in the audit log.

The first person proposes, a second one with a token of their own agrees. What then goes out says
that the number is not computable, because it was withdrawn. Protection goes on reckoning with what
was told before: it cannot be unsaid.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine
from sqlmodel import Field, Session, select

from service.errors import ConfigError
from service.measure.period import Period
from service.site.alone import alone
from service.site.audit import Access, open_audit_log
from service.site.config import SiteConfig
from service.site.database import SiteTable, open_database
from service.site.history import History, Remembered
from service.site.outbox import Outbox
from service.site.protect import withdrawal
from service.site.tokens import Caller, sign_in


class ProposedWithdrawal(SiteTable, table=True):
    """One person's word that the release of a key is to be taken back."""

    __tablename__ = "proposed_withdrawal"

    key: str = Field(primary_key=True)
    token: str
    label: str
    at: str


@dataclass(frozen=True)
class Withdrawal:
    """What came of it: proposed by one person, or agreed by the second and ready to be sent."""

    measure: str
    period: str
    proposed_by: str
    agreed_by: str | None = None


def withdraw(config: SiteConfig, measure: str, period: str, token: str) -> Withdrawal:
    """Propose to take back the number of a measure and period, or agree to that.

    Raises ConfigError when there is no such number, and when one person would do both;
    RequestError for a token that is not good.
    """
    engine, now = open_database(config.data_dir), datetime.now(UTC)
    caller = sign_in(engine, token, now)
    with alone(config.data_dir):
        history = History(open_database(config.history_dir or config.data_dir))
        current = _current(history, config, measure, Period.parse(period))
        access = Access("withdraw", measure=measure, period=str(Period.parse(period)))
        with open_audit_log(engine, config.data_dir).recorded(caller, access):
            first = _propose(engine, current.key, caller, now)
            if first is None:
                return Withdrawal(measure, period, caller.label)
            release = withdrawal(current, now.strftime("%Y-%m"))
            history.append(release.memory)
            Outbox(engine).enqueue(release)
            return Withdrawal(measure, period, first, caller.label)


def _current(history: History, config: SiteConfig, measure: str, period: Period) -> Remembered:
    """The release that stands, whichever program of the site made it."""
    outbox = Outbox(open_database(config.data_dir))
    key = outbox.current(measure, str(period))
    found = next((each for each in history.all() if each.key == key), None)
    if found is None or not found.counted:
        raise ConfigError(
            "no number of this measure and period stands",
            where=f"{measure}, {period}",
            todo="`weir site sent` lists what was released",
        )
    return found


def _propose(engine: Engine, key: str, caller: Caller, now: datetime) -> str | None:
    """Who proposed it before, or None for the first word. The same person's second is refused."""
    with Session(engine) as session, session.begin():
        earlier = session.exec(
            select(ProposedWithdrawal).where(ProposedWithdrawal.key == key)
        ).first()
        if earlier is None:
            session.add(
                ProposedWithdrawal(
                    key=key,
                    token=caller.token,
                    label=caller.label,
                    at=now.isoformat(timespec="seconds"),
                )
            )
            return None
        if caller.label == earlier.label or caller.token == earlier.token:
            raise ConfigError(
                "a second person has to agree",
                where=f"proposed by {earlier.label}",
                todo="Ask somebody else who has a token of their own to run the same command",
            )
        return earlier.label
