"""``weir evaluate --explain``: why one patient of a folder counted."""

from __future__ import annotations

from typing import IO

from service.errors import ConfigError
from service.fhir.folder import Folder, Found
from service.measure.evaluator import Evaluator
from service.measure.explanation import Explainer
from service.measure.explanation_report import explained
from service.measure.explanation_text import explanation_text
from service.measure.report import Reporter, to_json
from service.progress import progress


def explain(
    evaluator: Evaluator, folder: Folder, patient: str, file: IO[bytes], *, fhir: bool
) -> None:
    """Writes the explanation as text, or as the MeasureReport that has it.

    Raises ConfigError when the folder has no such patient, and EvaluationError when the patient's
    result is not defined.
    """
    found = _find(folder, patient)
    explanation = Explainer(evaluator).explain(found.record)
    if fhir:
        report = Reporter(evaluator).individual(explanation.result)
        file.write(to_json(explained(report, explanation)) + b"\n")
    else:
        file.write(explanation_text(explanation, found.places()).encode())


def _find(folder: Folder, patient: str) -> Found:
    with progress("Reading records") as advance:
        folder.gather(advance)
    for found in folder.patients():
        if found.record.id == patient.removeprefix("Patient/"):
            return found
    todo = "Correct the files that cannot be read" if folder.faults else None
    raise ConfigError("There is no such patient", where=str(folder.path), todo=todo)
