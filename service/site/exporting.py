"""Pulling by bulk export: kick-off, waiting, files, and what the EHR says went wrong."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from service.errors import DeclinedError, ExportError
from service.fhir.bulk import (
    ExportRequest,
    Level,
    Manifest,
    ManifestFile,
    await_manifest,
    delete_export,
    start_export,
)
from service.fhir.compartment import SHARED, resource_types
from service.fhir.download import download
from service.fhir.outcome import Issue, issues
from service.fhir.together import together
from service.progress import progress
from service.site.acquisition import AcquiredFile
from service.site.asking import Asking, elements_to_send
from service.site.pull_log import Closed, Exporting, Fetched, Prepared, PullLog
from service.site.verdict import Fault, Finding

ERRORS = "ehr-errors"  # files in data_dir: what the EHR says in its own words
DELETED = "Bundle"


def export(asking: Asking, patients: tuple[str, ...], log: PullLog) -> Manifest:
    """Export what the plan names to files, which the log has at the end.

    ``patients`` are the ids of those alone who are meant, where there is no Group of them. Raises
    DeclinedError when the EHR does not export that, ExpiredError when its export is gone.
    """
    if log.manifest is None:
        if log.status_url is None:
            log.note(Exporting(_kick_off(asking, patients)))
        assert log.status_url is not None  # it was noted
        with progress("Waiting for the export, polls") as advance:
            manifest = await_manifest(asking.endpoint, log.status_url, advance)
        log.note(Prepared(manifest.model_dump_json(by_alias=True)))
    assert log.manifest is not None
    _fetch_all(asking, log.manifest, log)
    return log.manifest


def close_export(asking: Asking, log: PullLog) -> list[Finding]:
    """Keep what the EHR says of its export, and let it remove its files; what is wrong with it."""
    if log.closed is not None:
        return log.closed.findings
    assert log.manifest is not None and log.status_url is not None
    strange = sum(file.type not in resource_types() for file in log.manifest.output)
    findings = [Finding(Fault.UNKNOWN_TYPE, "the manifest", strange)] if strange else []
    findings += _told_errors(asking, log.manifest)
    log.note(Closed(findings))
    delete_export(asking.endpoint, log.status_url)
    return findings


def exported_files(log: PullLog) -> list[AcquiredFile]:
    """The files that the export itself brought, without what was searched or read beside it."""
    return [file for file in log.files() if file.path.name in log.done]


def deleted_files(log: PullLog) -> tuple[AcquiredFile, ...]:
    """The files that name what was deleted."""
    return tuple(file for file in log.files() if file.type == DELETED)


def _kick_off(asking: Asking, patients: tuple[str, ...]) -> str:
    """Start the export at the first level that the EHR accepts; its status address."""
    levels = _levels(asking, patients)
    declined: DeclinedError | None = None
    for level in levels:
        for types in _type_lists(asking):
            try:
                request = _request(asking, level, types, patients)
                return start_export(asking.endpoint, request, post=asking.profile.export.post)
            except DeclinedError as error:
                declined = declined or error
    raise declined or DeclinedError(
        "The patients that are meant cannot be exported from this kind of server",
        where=asking.endpoint.base_url,
    )


def _levels(asking: Asking, patients: tuple[str, ...]) -> list[Level]:
    sound = asking.profile.export.levels
    if asking.config.fhir.group is not None:
        return [level for level in sound if level == "group"]
    if patients and not asking.profile.export.patients:
        return []
    return [level for level in sound if level == "patient" or (level == "system" and not patients)]


def _type_lists(asking: Asking) -> Iterator[frozenset[str]]:
    """All the plan's types, then without those that are nobody's: some servers decline these."""
    yield asking.plan.types
    if asking.plan.types & SHARED:
        yield asking.own_types


def _request(
    asking: Asking, level: Level, types: frozenset[str], patients: tuple[str, ...]
) -> ExportRequest:
    sound = asking.profile.export
    sent = {name: elements_to_send(asking.plan, name) for name in types} if sound.elements else {}
    return ExportRequest(
        level=level,
        types=types,
        group=asking.config.fhir.group,
        since=asking.extent.since if sound.since else None,
        elements={name: of for name, of in sent.items() if of is not None},
        patients=patients,
    )


def _fetch_all(asking: Asking, manifest: Manifest, log: PullLog) -> None:
    """Download the files of the plan's types; others were not asked for and are left there."""
    wanted = [
        (f"{number:04}-{file.type}.ndjson", file)
        for number, file in enumerate(
            (file for file in manifest.output if file.type in asking.plan.types), 1
        )
    ]
    if asking.extent.since is not None:
        wanted += [
            (f"deleted-{number:04}.ndjson", file.model_copy(update={"type": DELETED}))
            for number, file in enumerate(manifest.deleted, 1)
        ]
    with progress("Fetching files", len(wanted)) as advance:

        def fetch(one: tuple[str, ManifestFile]) -> None:
            if one[0] not in log.done:
                _fetch(asking, manifest, *one, log)
            advance(1)

        together(fetch, wanted, asking.at_once)


def _fetch(asking: Asking, manifest: Manifest, name: str, file: ManifestFile, log: PullLog) -> None:
    """Download a file, once more if it does not hold as many lines as the manifest tells."""
    path = log.folder / name
    authorize = _needs_token(asking, manifest, file)
    lines, framed = download(asking.endpoint, file.url, path, authorize=authorize)
    if _short(file, path, lines):
        lines, framed = download(asking.endpoint, file.url, path, authorize=authorize)
    short = _short(file, path, lines)
    found = [Finding(Fault.COUNT_MISMATCH, name, short, _of(file))] if short else []
    if file.count is None and not framed:
        found.append(Finding(Fault.UNFRAMED, name, 1, _of(file)))
    came = lines if _has_records(path) else 0
    log.note(Fetched(name, name, file.type, came, path.stat().st_size, found))


def _short(file: ManifestFile, path: Path, lines: int) -> int:
    """How many lines a file has more or fewer than was told; one that is listed has records."""
    if file.count != 0 and not _has_records(path):
        return file.count or 1
    return 0 if file.count is None else abs(file.count - lines)


def _has_records(path: Path) -> bool:
    """Whether a file has more in it than what the EHR has to say of its export."""
    with path.open("rb") as lines:
        return any(not (line.isspace() or _is_outcome(line)) for line in lines)


def _is_outcome(line: bytes) -> bool:
    told = _decoded(line)
    return isinstance(told, dict) and told.get("resourceType") == "OperationOutcome"


def _of(file: ManifestFile) -> str:
    """The type that a finding on a file concerns: deletions may be of any."""
    return "" if file.type == DELETED else file.type


def _needs_token(asking: Asking, manifest: Manifest, file: ManifestFile) -> bool:
    """Whether a file asks for a token; where the EHR does not say, only the EHR itself gets it."""
    if manifest.requires_access_token is None:
        return asking.endpoint.is_here(file.url)
    return manifest.requires_access_token


def _told_errors(asking: Asking, manifest: Manifest) -> list[Finding]:
    """Keep what the EHR says about its export in local files, and count what is not harmless."""
    data_dir = asking.config.data_dir
    for old in data_dir.glob(f"{ERRORS}-*.ndjson*"):
        old.unlink()
    findings = []
    for number, file in enumerate(_of_outcomes(manifest), 1):
        path = data_dir / f"{ERRORS}-{number:04}.ndjson"
        authorize = _needs_token(asking, manifest, file)
        try:
            lines, _ = download(asking.endpoint, file.url, path, authorize=authorize)
        except ExportError:
            findings.append(Finding(Fault.EXPORT_ERROR, "an error file that is gone"))
            continue
        harmful = sum(not issue.is_harmless for issue in _issues(path))
        harmful += max(0, (file.count or 0) - lines)  # what it says nobody has read
        if harmful:
            findings.append(Finding(Fault.EXPORT_ERROR, path.name, harmful))
    return findings


def _of_outcomes(manifest: Manifest) -> Iterator[ManifestFile]:
    """The files of OperationOutcomes; some servers list them among the records'."""
    yield from manifest.error
    yield from (file for file in manifest.output if file.type == "OperationOutcome")


def _issues(path: Path) -> Iterator[Issue]:
    with path.open("rb") as lines:
        for line in lines:
            if not line.isspace():
                yield from issues(_decoded(line))


def _decoded(line: bytes) -> object:
    try:
        return msgspec.json.decode(line)
    except (ValueError, RecursionError):
        return None
