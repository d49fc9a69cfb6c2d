"""Cases of which the ordinary run tries some, and the full run all others."""

from collections.abc import Iterable

import pytest
from _pytest.mark import ParameterSet


def sampled(cases: Iterable[object], every: int) -> list[ParameterSet]:
    """The cases as parameters: every n-th of them is ordinary, from the first on.

    A tuple is a case of several parameters.
    """
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)),
            marks=pytest.mark.full if number % every else (),
        )
        for number, case in enumerate(cases)
    ]
