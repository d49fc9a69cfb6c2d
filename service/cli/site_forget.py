"""`weir site forget`: what is stored of a patient, or of all, is removed."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from service.errors import ConfigError
from service.site.alone import alone
from service.site.config import load_config
from service.site.forgetting import Forgotten, forget_all, forget_old, forget_patient

FOUND = "forgotten"
NOTHING = "there was nothing to forget"
UNREAD = (
    "The store cannot be read, so nobody can tell whom it held. All of it was removed, and the "
    "patient with it; the next run pulls everything"
)
OTHERS = "So was what is stored under other ids that, as the EHR says, are the same person's"
STRAYS = "What a command had left behind when it was killed was removed: it may have held anybody"


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
            told = [FOUND]
        elif older_than is not None:
            told = [FOUND if forget_old(data_dir, older_than) else NOTHING]
        else:
            told = list(_told(forget_patient(data_dir, _id())))
    sys.stderr.writelines(f"{line}\n" for line in told)


def _told(forgotten: Forgotten) -> Iterator[str]:
    if forgotten.unread:
        yield UNREAD
        return
    if forgotten.strays:
        yield STRAYS
    yield FOUND if forgotten.found else NOTHING
    if forgotten.found and forgotten.others:
        yield f"{OTHERS}: {', '.join(forgotten.others)}"


def _id() -> str:
    """The id, which is not given on the command line: others can see that."""
    id = sys.stdin.readline().strip().removeprefix("Patient/")
    if not id:
        raise ConfigError("no id stands on standard input", todo="Give the patient's FHIR id there")
    return id
