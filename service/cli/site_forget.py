"""`weir site forget`: what is stored of a patient, or of all, is removed."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from service.errors import ConfigError
from service.site.alone import alone
from service.site.config import load_config
from service.site.forgetting import forget_all, forget_old, forget_patient


def forget(
    config: Annotated[Path, typer.Option("--config", help="The site's configuration, site.toml.")],
    patient: Annotated[
        bool, typer.Option("--patient", help="One patient, whose id is read from standard input.")
    ] = False,
    everything: Annotated[bool, typer.Option("--everything", help="All patients.")] = False,
    older_than: Annotated[
        int | None,
        typer.Option(help="All patients, if no pull has renewed them for so many days.", min=1),
    ] = None,
) -> None:
    """Remove what is stored of one patient or of all: records, kept results, lists that quote them.

    Keys, the audit log and what was released stay. The next run brings back whoever is still in the
    cohort at the EHR.
    """
    if sum((patient, everything, older_than is not None)) != 1:
        raise ConfigError("give one of --patient, --everything and --older-than")
    data_dir = load_config(config).data_dir
    with alone(data_dir):
        if everything:
            forget_all(data_dir)
            found = True
        elif older_than is not None:
            found = forget_old(data_dir, older_than)
        else:
            found = forget_patient(data_dir, _id())
    sys.stderr.write("forgotten\n" if found else "there was nothing to forget\n")


def _id() -> str:
    """The id, which is not given on the command line: others can see that."""
    id = sys.stdin.readline().strip().removeprefix("Patient/")
    if not id:
        raise ConfigError("no id stands on standard input", todo="Give the patient's FHIR id there")
    return id
