"""The demo's table keeps the four states apart."""

import pytest

from service.demo.tables import cell


@pytest.mark.parametrize(
    ("point", "shown"),
    [
        ({"state": "number", "rate": 0.35, "numerator": 21, "denominator": 60}, "35% 21/60"),
        ({"state": "number", "rate": 0.0, "numerator": 0, "denominator": 60}, "0% 0/60"),
        ({"state": "suppressed", "rate": None}, "suppressed"),
        ({"state": "missing", "rate": None}, "missing"),
        ({"state": "not computable", "rate": None}, "not computable"),
    ],
)
def test_a_cell_is_a_rate_or_says_why_there_is_none(point: dict[str, object], shown: str) -> None:
    assert cell({"provisional": False, **point}) == shown


def test_a_provisional_number_says_so() -> None:
    point = {"state": "number", "rate": 0.5, "numerator": 30, "denominator": 60}
    assert cell({**point, "provisional": True}) == "50% 30/60 provisional"
