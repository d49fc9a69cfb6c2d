"""``weir spc``: a control chart of anyone's table."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from service.cli import main
from service.spc.kind import KINDS

Json = dict[str, Any]


class Run(NamedTuple):
    code: int
    out: str
    err: str


Spc = Callable[..., Run]


@pytest.fixture
def spc(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Spc:
    """Runs ``weir spc --chart CHART --csv FILE ...`` on a table."""

    def run(chart: str, table: str | bytes, *options: object) -> Run:
        path = tmp_path / "table.csv"
        path.write_bytes(table if isinstance(table, bytes) else table.encode())
        words = ["weir", "spc", "--chart", chart, "--csv", path, *options]
        monkeypatch.setattr(sys, "argv", list(map(str, words)))
        with pytest.raises(SystemExit) as ended:
            main()
        told = capfd.readouterr()
        return Run(int(ended.value.code or 0), told.out, told.err.replace(str(path), "FILE"))

    return run


def table(text: str) -> str:
    """A word a row, as ``4/20``, with numbered periods; a header that fits."""
    words = text.split()
    ratio = any("/" in word for word in words)
    header = "period,numerator,denominator" if ratio else "period,numerator"
    return "\n".join([header, *(f"t{n},{w.replace('/', ',')}" for n, w in enumerate(words, 1)), ""])


def drawn(run: Run) -> Json:
    assert (run.code, run.err) == (0, "")
    found: Json = json.loads(run.out)
    return found


COUNTS = "20/100 22/100 18/100 21/100 19/100 20/100 23/100 17/100 20/100 22/100 18/100 20/100"


class TestJson:
    def test_points_and_a_summary_per_phase(self, spc: Spc) -> None:
        found = drawn(spc("p", table(COUNTS + " 60/100"), "--freeze", 12, "--json"))
        last = found["points"][-1]
        assert (last["period"], last["y"], last["cl"]) == ("t13", 0.6, 0.2)
        assert (last["lcl"], last["ucl"]) == pytest.approx((0.08, 0.32))
        assert last["signals"] == ["outside limits"]
        assert [point["signals"] for point in found["points"][:-1]] == [[]] * 12
        (phase,) = found["phases"]
        assert (phase["baseline"], phase["frozen"], phase["n_useful"]) == (12, True, 9)
        assert "above the upper limit in t13" in phase["summary"]

    def test_what_is_absent_is_null(self, spc: Spc) -> None:
        first, second = drawn(spc("mr", table("1 2 4"), "--json"))["points"][:2]
        assert (first["y"], first["lcl"]) == (None, 0)
        point = drawn(spc("run", table("1 2 4"), "--json"))["points"][0]
        assert (point["cl"], point["lcl"], point["ucl"]) == (2, None, None)

    @pytest.mark.parametrize("name", [*KINDS, "pp", "P'", "xmr", "i'"])
    def test_every_chart(self, name: str, spc: Spc) -> None:
        single = name in ("c", "g", "t")
        text = "4 6 5 7 4 5" if single else "4/20 6/21 5/20 7/19 4/20 5/22"
        assert len(drawn(spc(name, table(text), "--json"))["points"]) == 6

    def test_an_empty_numerator_is_a_missing_point_and_never_zero(self, spc: Spc) -> None:
        rows = table(COUNTS) + "t13,,100\nt14,suppressed,100\nt15,Not computable,0\nt16,30,\n"
        refused = spc("p", rows, "--json")
        assert "The p chart needs a denominator (FILE, row 16)" in refused.err
        found = drawn(spc("p", rows.replace("t16,30,\n", ""), "--json"))
        assert [point["y"] for point in found["points"][-3:]] == [None] * 3
        states = [point["state"] for point in found["points"][-3:]]
        assert states == ["missing", "suppressed", "not computable"]
        assert found["phases"][0]["cl"] == 0.2

    def test_provisional_and_excluded_columns(self, spc: Spc) -> None:
        rows = "period,numerator,provisional,excluded\na,4,,\nb,5,no,\nc,50,yes,\nd,60,,a flood\n"
        c, d = drawn(spc("c", rows, "--json"))["points"][2:]
        assert (c["cl"], c["provisional"], c["signals"]) == (4.5, True, [])
        assert (d["excluded"], d["signals"]) == ("a flood", ["outside limits"])


class TestOptions:
    def test_rows_count_from_one(self, spc: Spc) -> None:
        found = drawn(
            spc("c", table("4 40 4 9 11 10"), "--exclude", "2", "--phase-after", "3", "--json")
        )
        assert [phase["cl"] for phase in found["phases"]] == [4, 10]
        assert [phase["first_row"] for phase in found["phases"]] == [1, 4]
        assert [p["excluded"] is not None for p in found["points"]] == [False, True] + [False] * 4

    def test_exact_limits(self, spc: Spc) -> None:
        point = drawn(spc("c", table("2 3 1 2"), "--limits", "exact", "--json"))["points"][0]
        assert (point["lcl"], point["ucl"]) == (0, 7)

    def test_multiply(self, spc: Spc) -> None:
        point = drawn(spc("u", table("2/10 3/10"), "--multiply", 1000, "--json"))["points"][0]
        assert (point["y"], point["cl"]) == (200, 250)

    def test_screened_ranges(self, spc: Spc) -> None:
        rows = table("1 2 1 2 10 1 2 1 2 1 2 1 2 1 2 1 2 1")
        kept, screened = (
            drawn(spc("i", rows, *more, "--json"))["phases"][0]["ucl"]
            for more in ([], ["--screen-mr"])
        )
        assert (round(kept, 2), round(screened, 2)) == (6.95, 4.60)

    def test_rules_by_name_and_their_lengths(self, spc: Spc) -> None:
        rows = table("4 6 3 7 5 8 2 6 4 7 3 4 5.5 6 7 8")
        trend = spc("run", rows, "--rules", "perla", "--json")
        assert drawn(trend)["points"][-1]["signals"] == ["trend"]
        longer = spc("run", rows, "--rules", "perla", "--trend", 7, "--json")
        assert drawn(longer)["phases"][0]["signals"] == []
        assert drawn(longer)["rules"]["version"] == "2011, trend 7"

    def test_rounded_counts_have_wider_limits(self, spc: Spc) -> None:
        point = drawn(spc("c", table("15 18 15 18"), "--rounding", 3, "--json"))["points"][0]
        assert point["ucl"] == pytest.approx(16.5 + 3 * (16.5 + 4 / 3) ** 0.5)

    def test_icons(self, spc: Spc) -> None:
        options = ("--rules", "mdc", "--better", "lower", "--target", 20, "--json")
        found = drawn(spc("i", table("10 12 " * 8), *options))
        assert found["variation"] == "common cause"
        assert found["assurance"] == "consistently meets the target"


class TestOthers:
    def test_funnel(self, spc: Spc) -> None:
        found = drawn(spc("funnel", table("5/50 14/50"), "--target", 0.1, "--json"))
        assert (found["cl"], found["overdispersed"]) == (0.1, False)
        assert (found["points"][0]["ucl"], found["points"][0]["ucl95"]) == (0.26, 0.18)
        assert [bool(point["signals"]) for point in found["points"]] == [False, True]

    def test_funnel_of_rates(self, spc: Spc) -> None:
        point = drawn(spc("funnel-rate", table("15/15"), "--target", 1, "--json"))["points"][0]
        assert (round(point["lcl95"], 7), round(point["ucl95"], 6)) == (0.5596924, 1.649348)

    def test_overdispersed_funnel(self, spc: Spc) -> None:
        rows = table("2/50 22/100 3/100 40/200 8/200 60/300")
        assert drawn(spc("funnel", rows, "--overdispersed", "--json"))["overdispersed"] is True

    def test_cusum(self, spc: Spc) -> None:
        found = drawn(spc("cusum", table("1 " * 6), "--target", 0.1, "--json"))
        assert [bool(point["signals"]) for point in found["points"]] == [False] * 5 + [True]
        learned = drawn(spc("cusum", table("0 1 0 0 1 1"), "--freeze", 4, "--json"))
        assert learned["target"] == 0.25
        rounded = spc("cusum", table("0 1"), "--target", 0.1, "--rounding", 3)
        assert "needs exact events" in rounded.err
        left_out = drawn(spc("cusum", table("0 1"), "--target", 0.1, "--exclude", 2, "--json"))
        assert left_out["points"][1]["y"] is None


class TestText:
    def test_a_table_with_sentences_below(self, spc: Spc) -> None:
        run = spc("p", table(COUNTS + " 60/100") + "t14,,\nt15,20,100\n", "--freeze", 12)
        lines = run.out.splitlines()
        assert lines[0].split() == ["row", "period", "y", "cl", "lcl", "ucl", "signals"]
        assert lines[13].split() == ["13", "t13", "0.6", "0.2", "0.08", "0.32", "outside", "limits"]
        assert lines[14].split() == ["14", "t14", "0.2", "(missing)"]
        assert "Special cause: above the upper limit in t13." in run.out
        assert run.out.endswith("Rules: anhoej (2015).\n")

    def test_a_line_parts_phases(self, spc: Spc) -> None:
        lines = spc("c", table("4 5 9 8"), "--phase-after", 2).out.splitlines()
        assert set(lines[3]) == {"-"}

    def test_funnel_and_cusum(self, spc: Spc) -> None:
        assert "Compared with 0.19." in spc("funnel", table("5/50 14/50")).out
        told = spc("cusum", table("1 " * 6), "--target", 0.1).out
        assert "the upper sum reached its limit once, the lower never" in told

    def test_help_explains_every_chart_and_option(
        self, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "argv", ["weir", "spc", "--help"])
        with pytest.raises(SystemExit):
            main()
        told = capfd.readouterr().out
        for word in (*KINDS, "funnel", "cusum", "--screen-mr", "--phase-after", "--multiply"):
            assert word in told


PERIODS = "period,numerator,denominator\n"


@pytest.mark.parametrize(
    ("chart", "rows", "told"),
    [
        ("p", "", "The table is empty (FILE)"),
        ("p", "period,count\na,1\n", "There is no column numerator (FILE, header)"),
        ("p", "period,numerator\na,1\n", "There is no column denominator (FILE, header)"),
        ("c", "month,numerator\na,1\n", "There is no column period"),
        ("c", "period,numerator,numerator\na,1,2\n", "more than one column numerator"),
        ("c", "period,numerator\n", "There are no rows below the header"),
        ("c", "period,numerator\na,1\nb,x\n", "The numerator is not a number (FILE, row 2)"),
        ("c", "period,numerator\na,1\nb,<11\n", "The numerator is not a number (FILE, row 2)"),
        ("c", "period,numerator\na,1\nb,nan\n", "The numerator is not a number (FILE, row 2)"),
        ("c", "period,numerator\na,1\nb,1e999\n", "The numerator is too large or too near zero"),
        ("c", "period,numerator\na,1\nb,1_0\n", "The numerator is not a number (FILE, row 2)"),
        ("c", "period,numerator\na,1\nb,1,200\n", "The row has 3 cells, and the header 2"),
        ("c", "period,numerator\na,1\n,5\n", "The period is empty (FILE, row 2)"),
        ("c", "period,numerator\na,1\nb,-1\n", "The numerator is negative (FILE, row 2)"),
        ("c", PERIODS + "a,1,10\nb,2,10\n", "takes no denominator (FILE, row 1)"),
        ("c", "period,numerator\na,1\n", "needs 2 final numbers in a phase (FILE, rows 1 to 1)"),
        ("c", "period,numerator,provisional\na,1,perhaps\n", "Provisional is yes or no"),
        ("p", PERIODS + "a,1,10\nb,11,10\n", "larger than the denominator (FILE, row 2)"),
        ("p", PERIODS + "a,1,10\nb,1,0\n", "The denominator is zero"),
        ("p", PERIODS + "a,1,10\nb,1,-5\n", "The denominator is negative (FILE, row 2)"),
        ("p", PERIODS + "a,1,10\nb,1,ten\n", "The denominator is not a number (FILE, row 2)"),
        ("t", "period,numerator\na,1\nb,0\n", "times above zero"),
        ("cusum", "period,numerator\na,1\nb,2\n", "A case of a cusum is 0 or 1 (FILE, row 2)"),
        ("cusum", "period,numerator\na,1\n", "A cusum needs the rate that is expected"),
        ("histogram", "period,numerator\na,1\n", "There is no chart 'histogram'"),
    ],
)
def test_a_bad_table_is_refused_by_row(chart: str, rows: str, told: str, spc: Spc) -> None:
    run = spc(chart, rows)
    assert (run.code, run.out) == (1, "")
    assert run.err.startswith("error: ") and run.err.count("\n") == 1
    assert told in run.err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--freeze", "5"], "--freeze names row 5, and there are 4"),
        (["--freeze", "1"], "leaves fewer than 2 numbers to freeze"),
        (["--exclude", "9"], "--exclude names row 9, and there are 4"),
        (["--exclude", "a"], "--exclude takes row numbers from 1"),
        (["--phase-after", "4"], "--phase-after names row 4"),
        (["--phase-after", "3"], "needs 2 final numbers in a phase (FILE, rows 4 to 4)"),
        (["--multiply", "0"], "--multiply takes a number above 0"),
        (["--target", "nan"], "--target takes a number"),
        (["--rules", "nelson"], "There is no rule set 'nelson'"),
        (["--shift", "8"], "no lengths to choose"),
        (["--rounding", "0"], "multiple of at least 1"),
    ],
)
def test_a_bad_option_is_refused(options: list[str], told: str, spc: Spc) -> None:
    run = spc("c", table("4 5 6 7"), *options)
    assert (run.code, run.out) == (1, "")
    assert told in run.err


def test_tables_as_spreadsheets_write_them(spc: Spc) -> None:
    plain = drawn(spc("p", table(COUNTS), "--json"))
    semicolons = "\ufeff" + table(COUNTS).replace(",", ";").replace("\n", "\r\n") + "\r\n"
    assert drawn(spc("p", semicolons, "--json")) == plain
    assert "not UTF-8" in spc("p", b"period,numerator\n\xff,1\n").err


def test_a_table_that_is_not_there(spc: Spc, tmp_path: Path) -> None:
    assert "cannot be read" in spc("c", table("4 5"), "--csv", tmp_path / "none.csv").err
