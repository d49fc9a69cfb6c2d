"""Whether a site can count by a measure: each patient by their own record."""

from service.errors import MeasureError
from service.measure.package import MeasurePackage


def check_independence(package: MeasurePackage) -> None:
    """Raises MeasureError when whom the measure counts depends on other patients' data.

    Then a cell is about more patients than those that disclosure control weighs, and what is kept
    of a patient is out of date when another changes.
    """
    if package.needs_everyone:
        raise MeasureError(
            "who is counted depends on other patients' data (context Unfiltered)",
            where=package.url,
            todo="Retrieve in the Patient context; `weir evaluate` computes it, releasing nothing",
        )
