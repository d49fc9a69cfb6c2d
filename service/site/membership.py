"""Whether those came who were meant: an export's patients held against the cohort."""

import os
from collections.abc import Iterator

import msgspec

from service.site.acquisition import AcquiredFile
from service.site.cohort import Cohort
from service.site.exporting import exported_files
from service.site.population import Replacement, linked, put_together
from service.site.pull_log import PullLog
from service.site.verdict import Fault, Finding


class _Head(msgspec.Struct):
    id: str = ""


def check_members(
    log: PullLog, cohort: Cohort, base_url: str, all_should_come: bool
) -> list[Finding]:
    """Take out patients whom nobody asked for, and count those who did not come.

    Whoever was put together with a member belongs, too. The records of those who are taken out are
    then of patients who are not there, which is found out when the store is built.
    """
    if cohort.ids is None:
        return []
    files = [file for file in exported_files(log) if file.type == "Patient"]
    came = set[str]()
    links = set[Replacement]()
    for id, told in linked(files, base_url):
        came.add(id)
        links.update(told)
    wanted = cohort.ids | cohort.optional
    strangers = came - put_together(wanted, links)
    for file in files if strangers else []:
        _leave_out(log, file, strangers)
    if not all_should_come:
        return []
    absent = cohort.ids - came - {old for _, old, new in links if new in came}
    count = len(absent) + cohort.missing
    return [Finding(Fault.COHORT_INCOMPLETE, "the export", count)] if count else []


def _leave_out(log: PullLog, file: AcquiredFile, strangers: set[str]) -> None:
    """Write a file of patients anew, without some."""
    part = file.path.with_name(f"{file.path.name}.part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as kept:
        count = 0
        for line in _lines_without(file, strangers):
            kept.write(line)
            count += 1
        kept.flush()
        os.fsync(kept.fileno())
        size = kept.tell()
    os.replace(part, file.path)
    entry = next(each for each in log.done.values() if each.file == file.path.name)
    log.note(msgspec.structs.replace(entry, lines=count, size=size))


def _lines_without(file: AcquiredFile, strangers: set[str]) -> Iterator[bytes]:
    for line in file.read():
        try:
            known = msgspec.json.decode(line, type=_Head).id not in strangers
        except (ValueError, RecursionError):
            known = True
        if known:
            yield line
