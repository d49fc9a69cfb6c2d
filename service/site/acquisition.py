"""What one pull brought: files on this disk, and what is known to be missing from them."""

import shutil
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from service.site.verdict import Finding


@dataclass(frozen=True)
class AcquiredFile:
    """An NDJSON file of resources of one type, with the number of its lines."""

    path: Path
    type: str
    lines: int

    def read(self) -> Iterator[bytes]:
        """Its lines, without a byte order mark."""
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines):
                yield line if number else line.removeprefix(BOM_UTF8)


@dataclass(frozen=True)
class Acquisition:
    """What one pull brought; ``transaction_time`` is the EHR's clock when it looked, or
    ours when the pull began if that was earlier, in ISO 8601 with offset.

    ``way`` is how it was pulled. ``since`` is the instant after which records changed to be in it;
    None when it has all of them, whether that was asked for or not. ``whole``: of its
    patients it has all records, and of the others none. ``subsets``: elements were asked for by
    name, so that each record may say that it is not all there is of it. ``deleted`` are NDJSON
    files of Bundles whose entries name what was deleted since (`{"request": {"method": "DELETE",
    "url": "Observation/1"}}`); their type is "Bundle".
    """

    folder: Path
    base_url: str
    transaction_time: str
    files: tuple[AcquiredFile, ...]
    findings: tuple[Finding, ...]
    way: Literal["export", "search"] = "export"
    since: str | None = None
    whole: bool = False
    subsets: bool = False
    deleted: tuple[AcquiredFile, ...] = ()

    def discard(self) -> None:
        """Remove the files."""
        shutil.rmtree(self.folder, ignore_errors=True)
