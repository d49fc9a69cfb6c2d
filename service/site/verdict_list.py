"""The verdicts of the last run with what they rest on: a file that stays at the site.

The counts in it are not protected, so it is readable by its owner only and is never sent; people
see it on a page of `weir site serve`, when they have signed in.
"""

import os
from pathlib import Path

import msgspec

from service.errors import StoreError
from service.measure.completeness import Verdict
from service.site.verdict import Finding

FILE = "verdicts.json"


class MeasureVerdict(msgspec.Struct, frozen=True):
    """The verdict on one measure in one period (as YYYY-MM-DD/YYYY-MM-DD)."""

    measure: str
    title: str
    period: str
    verdict: Verdict
    findings: list[Finding]


class VerdictList(msgspec.Struct, frozen=True):
    """All verdicts of a run, and the pull behind them.

    ``as_of`` is when the EHR looked (see `Acquisition`); ``resources`` are what is stored, by type.
    """

    as_of: str
    patients: int
    resources: dict[str, int]
    findings: list[Finding]
    verdicts: list[MeasureVerdict]


def write_verdicts(data_dir: Path, verdicts: VerdictList) -> None:
    """Replace the list. Raises StoreError when it cannot be written."""
    path = data_dir / FILE
    part = path.with_name(f"{FILE}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(verdicts))
        os.replace(part, path)
    except OSError as error:
        raise StoreError(
            f"The verdicts cannot be written ({error.strerror})",
            where=str(path),
            todo="Check the owner of data_dir and its free space",
        ) from error


def read_verdicts(data_dir: Path) -> VerdictList | None:
    """The verdicts of the last run; None when there was none that this version of Weir can read."""
    try:
        return msgspec.json.decode((data_dir / FILE).read_bytes(), type=VerdictList)
    except (FileNotFoundError, msgspec.DecodeError, msgspec.ValidationError):
        return None
