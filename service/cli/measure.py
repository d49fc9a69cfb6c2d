"""``weir measure``: build a package, test it, and tell what data it needs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from service.measure.build import build as build_package
from service.measure.build import parted
from service.measure.cases import run_cases
from service.measure.package import load_package
from service.measure.period import Period
from service.measure.period import timezone as named_timezone
from service.measure.report import to_json
from service.measure.requirements import data_requirements

app = typer.Typer(no_args_is_help=True, help="Measure packages: build, test, requirements.")

Folder = Annotated[Path, typer.Argument(help="The package's folder, as measures/dreaming.")]
Package = Annotated[Path, typer.Argument(help="The package's folder or Bundle.")]


@app.command()
def build(folder: Folder) -> None:
    """Translate the package's CQL to ELM and record the hashes."""
    libraries = build_package(folder)
    package = load_package(folder)
    typer.echo(f"{package.canonical}: translated {', '.join(libraries)}")
    typer.echo(package.hash)


@app.command()
def test(folder: Folder) -> None:
    """Run the package's test patients against their expected reports."""
    faults = list(parted(folder))
    package = load_package(folder)
    cases = list(run_cases(package, folder))
    for case in cases:
        typer.echo(f"{'ok   ' if not case.differences else 'FAIL '} {case.name}")
        faults.extend(f"{case.name}: {difference}" for difference in case.differences)
    for fault in faults:
        sys.stderr.write(f"error: {fault}\n")
    if faults or not cases:
        raise typer.Exit(1)
    typer.echo(f"{len(cases)} cases")


@app.command()
def requirements(
    package: Package,
    period: Annotated[
        str | None, typer.Option(help="First and last day, as 2026-01-01/2026-12-31.")
    ] = None,
    timezone: Annotated[str, typer.Option(help="IANA zone of the period's days.")] = "UTC",
) -> None:
    """Tell what data the measure needs, as a FHIR Library of DataRequirements.

    With a period, dates are filtered where the logic takes nothing else.
    """
    loaded = load_package(package)
    days = Period.parse(period) if period else None
    told = data_requirements(loaded.requirements, loaded.canonical, days, named_timezone(timezone))
    sys.stdout.buffer.write(to_json(told) + b"\n")
