"""What holds for every sum over sites."""

from hypothesis import given
from hypothesis import strategies as st

from service.network.pool import pool
from service.network.reading import Basis, Reading
from service.spc.point import State

BASIS = Basis("1.0.0", "package", "policy")
GAPS = [State.SUPPRESSED, State.MISSING, State.NOT_COMPUTABLE]


def _number(numerator: int, more: int) -> Reading:
    return Reading("2025-01", State.NUMBER, numerator, numerator + more, basis=BASIS)


counts = st.integers(0, 10_000)
numbers = st.builds(_number, counts, st.integers(1, 10_000))
gaps = st.builds(Reading, st.just("2025-01"), st.sampled_from(GAPS))
sites = st.dictionaries(st.text("abcdefgh", min_size=1, max_size=4), numbers | gaps, min_size=1)


@given(sites)
def test_the_sum_is_the_sum_of_what_is_shown(readings: dict[str, Reading]) -> None:
    found = pool("2025-01", readings, frozenset(readings), 0.9)
    shown = {site: r for site, r in readings.items() if r.state is State.NUMBER}
    assert set(found.contributors) == set(shown)
    assert set(found.left_out) == set(readings) - set(shown)
    if shown:
        assert found.reading.numerator == sum(r.numerator or 0 for r in shown.values())
        assert found.reading.denominator == sum(r.denominator or 0 for r in shown.values())
    else:
        assert found.reading.rate is None and found.reading.state is not State.NUMBER


@given(sites, st.data())
def test_a_gap_never_moves_the_sum(readings: dict[str, Reading], data: st.DataObject) -> None:
    before = pool("2025-01", readings, frozenset(readings), 0.9).reading
    more = {**readings, "zz": data.draw(gaps)}
    after = pool("2025-01", more, frozenset(more), 0.9).reading
    assert (before.numerator, before.denominator) == (after.numerator, after.denominator)


@given(sites)
def test_the_sum_lies_between_the_sites(readings: dict[str, Reading]) -> None:
    rates = [r.rate for r in readings.values() if r.rate is not None]
    rate = pool("2025-01", readings, frozenset(readings), 0.9).reading.rate
    if rate is not None:
        assert min(rates) - 1e-12 <= rate <= max(rates) + 1e-12
