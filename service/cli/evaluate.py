"""``weir evaluate``: a measure on a folder of patients, without any server."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer

from service.cli.evaluate_explain import explain as explain_patient
from service.errors import ConfigError, EvaluationError
from service.fhir.folder import Folder
from service.measure.evaluator import Evaluator
from service.measure.package import load_package
from service.measure.period import Period
from service.measure.period import timezone as named_timezone
from service.measure.report import Reporter, to_json
from service.measure.result import PatientResult
from service.measure.tally import Tally
from service.progress import progress

TOLD = 20  # notices and faults, each


def evaluate(
    measure: Annotated[
        Path, typer.Option(help="Bundle of Measure, Libraries with ELM, ValueSets; or a package.")
    ],
    data: Annotated[
        Path,
        typer.Option(help="Folder: each *.json Bundle is a patient, <Type>.ndjson[.gz] many."),
    ],
    period: Annotated[str, typer.Option(help="Closed days, as 2026-01-01/2026-12-31.")],
    subjects: Annotated[bool, typer.Option("--subjects", help="A report per patient.")] = False,
    out: Annotated[Path | None, typer.Option(help="File to write; else standard output.")] = None,
    timezone: Annotated[str, typer.Option(help="IANA zone of days and bare times.")] = "UTC",
    explain: Annotated[
        str | None, typer.Option(metavar="PATIENT", help="Say why this one patient counted.")
    ] = None,
    fhir: Annotated[
        bool, typer.Option("--fhir", help="With --explain: as a MeasureReport, not as text.")
    ] = False,
) -> None:
    """Evaluate a measure on files and write MeasureReports: one summary, or one per patient.

    Exit code 0 means that every patient was evaluated; without that no summary is written.
    """
    if (explain is None and fhir) or (explain is not None and subjects):
        raise ConfigError("--fhir goes with --explain, and --subjects without")
    days, zone = Period.parse(period), named_timezone(timezone)
    package = load_package(measure)
    with Folder(data) as folder:
        evaluator = Evaluator(package, days, zone, everyone=folder.everyone)
        if explain is not None:
            with _output(out) as file:
                explain_patient(evaluator, folder, explain, file, fhir=fhir)
            return
        evaluation = _Evaluation(evaluator, folder)
        try:
            with _output(out) as file:
                evaluation.write(file, subjects=subjects)
        finally:
            evaluation.tell()
    if not evaluation.whole:
        raise typer.Exit(1)


class _Evaluation:
    """One run over a folder; remembers what went wrong, by file and line."""

    def __init__(self, evaluator: Evaluator, folder: Folder) -> None:
        self.evaluator = evaluator
        self.folder = folder
        self.patients = 0
        self._failed: list[str] = []

    @property
    def faults(self) -> list[str]:
        return self.folder.faults + self._failed

    @property
    def whole(self) -> bool:
        """Whether there were patients and every one of them was evaluated."""
        return self.patients > 0 and not self.faults

    def write(self, file: IO[bytes], *, subjects: bool) -> None:
        """Each patient's report; or one summary, which part of the patients would make wrong."""
        reporter = Reporter(self.evaluator)
        tally = Tally(self.evaluator.package.groups)
        for result in self._results(details=subjects):
            if subjects:
                file.write(to_json(reporter.individual(result)) + b"\n")
            else:
                tally.add(result)
        if not subjects:
            if not self.whole:
                raise typer.Exit(1)
            file.write(to_json(reporter.summary(tally)) + b"\n")

    def _results(self, *, details: bool) -> Iterator[PatientResult]:
        with progress("Reading records") as advance:
            self.folder.gather(advance)
        with progress("Evaluating patients") as advance:
            for found in self.folder.patients():
                try:
                    yield self.evaluator.evaluate(found.record, details=details)
                    self.patients += 1
                except EvaluationError as error:
                    self._failed.append(f"{found.where}: {error}")
                advance(1)

    def tell(self) -> None:
        """Notices and faults on stderr, the first of each."""
        _tell("notice", [*self.evaluator.package.notices, *self.folder.notices])
        _tell("error", self.faults)
        if not self.patients and not self.faults:
            _tell("error", [f"There are no patients in {self.folder.path}"])


def _tell(kind: str, messages: list[str]) -> None:
    messages = list(dict.fromkeys(messages))  # one pass over the folder says what another said
    for message in messages[:TOLD]:
        sys.stderr.write(f"{kind}: {message}\n")
    if len(messages) > TOLD:
        sys.stderr.write(f"{kind}: {len(messages) - TOLD} more like these\n")


@contextmanager
def _output(out: Path | None) -> Iterator[IO[bytes]]:
    """Standard output, or a file that appears whole or not at all."""
    if out is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        handle, name = tempfile.mkstemp(dir=out.absolute().parent, prefix=f".{out.name}.")
    except OSError as error:
        raise ConfigError("Cannot write there", where=f"{out}: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.replace(name, out)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
