"""The tables of what was received: reports byte for byte, and their counts to be found quickly.

Rows are only ever added. The bytes are what was received; every column beside them is read from
them, and saves parsing them again.
"""

from sqlalchemy import Index
from sqlmodel import Field, UniqueConstraint

from service.network.table import NetworkTable


class Turn(NetworkTable, table=True):
    """One row that every arrival locks first: reports are numbered in the order they are kept."""

    id: int = Field(primary_key=True)
    taken: int


class Envelope(NetworkTable, table=True):
    """A Bundle as it came, with the signature over all of it."""

    id: int | None = Field(default=None, primary_key=True)
    sha256: str = Field(index=True)
    signature: str
    key_id: str
    body: bytes


class Submission(NetworkTable, table=True):
    """One received report, as it came.

    ``id`` grows in order of arrival: of two reports for the same site, measure and period, the
    later one counts. ``revision`` counts them from 1, and ``reason`` says why one replaced the
    one before. ``received`` is an instant; the period is when it is true of. ``signature`` is over
    the body, or over that of the ``envelope`` that it came in.
    """

    __table_args__ = (
        UniqueConstraint("site", "release_key"),
        UniqueConstraint("measure", "site", "period", "revision"),
        Index("submission_by_measure", "measure", "id"),
        Index("submission_restated", "revision", "id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    receipt: str = Field(unique=True)
    received: str = Field(index=True)
    site: str
    measure: str
    period: str
    revision: int
    reason: str
    release_key: str
    key_id: str
    signature: str
    envelope: int | None = Field(default=None, foreign_key="envelope.id")
    sha256: str
    body: bytes
    measure_version: str
    package: str
    mapping: str
    engine: str
    policy: str
    timezone: str
    scoring: str
    improvement: str | None
    verdict: str
    reasons: str
    rounding: int


class GroupCounts(NetworkTable, table=True):
    """One group of a report: each count that it gives, NULL where the report has none.

    A suppressed count is SUPPRESSED and one that could not be computed NOT_COMPUTABLE, both below
    zero, so that neither can be taken for a number.
    """

    __tablename__ = "group_counts"

    submission: int = Field(primary_key=True, foreign_key="submission.id")
    position: int = Field(primary_key=True)
    name: str
    initial_population: int | None = None
    denominator: int | None = None
    denominator_exclusion: int | None = None
    denominator_exception: int | None = None
    numerator: int | None = None
    numerator_exclusion: int | None = None
    measure_population: int | None = None
    measure_population_exclusion: int | None = None
    eligible: int | None = None
    met: int | None = None


SUPPRESSED, NOT_COMPUTABLE = -1, -2
