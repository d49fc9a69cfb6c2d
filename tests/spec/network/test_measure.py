"""A measure's page and its numbers: four states, phases, restatements, and who is in a sum."""

import csv
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from pydantic import ValidationError

from service.measure.completeness import Completeness, Reason, Verdict
from service.measure.summary import Absent, Summary, SummaryGroup, sha256
from service.network.config import NetworkConfig
from service.network.window import span
from tests.spec.network.reports import DRINKING, PROVENANCE, Sender, network_config, summary_of

YEAR = span("2025-01", "2025-12", "month")
PROVISIONAL = Completeness(Verdict.PROVISIONAL, frozenset({Reason.WINDOW_OPEN}))
FAILED = Completeness(Verdict.NOT_COMPUTABLE, frozenset({Reason.MANIFEST_ERROR}))


def send(sender: Sender, *reports: Summary) -> None:
    for report in reports:
        assert sender.report(report).status_code == 201


def line(sender: Sender, reporter: str) -> dict[str, Any]:
    """A reporter's series of the headline group, from the page's JSON twin."""
    board = sender.client.get("/measures/Drinking.json").json()
    found: dict[str, Any] = next(
        series for series in board["groups"][0]["series"] if series["reporter"] == reporter
    )
    return found


def states(series: dict[str, Any]) -> list[str]:
    return [point["state"] for point in series["points"]]


def not_computable(month: str, site: str = "north") -> Summary:
    error = Absent.NOT_COMPUTABLE
    return summary_of(site, month, numerator=error, denominator=error, completeness=FAILED)


class TestStates:
    def test_four_states_are_never_mixed_up(self, sender: Sender) -> None:
        send(
            sender,
            summary_of(period="2025-01", numerator=0),
            summary_of(period="2025-02", numerator=Absent.SUPPRESSED),
            not_computable("2025-03"),
            summary_of(period="2025-05", numerator=21),
        )
        north = line(sender, "north")
        assert states(north) == [*("number", "suppressed", "not computable", "missing", "number")]
        assert [p["rate"] for p in north["points"]] == [0.0, None, None, None, 0.35]

    def test_a_gap_is_a_word_in_the_table_and_never_a_zero(self, sender: Sender) -> None:
        send(
            sender,
            summary_of(period="2025-01"),
            summary_of(period="2025-02", numerator=Absent.SUPPRESSED),
            summary_of(period="2025-04"),
        )
        page = sender.client.get("/measures/Drinking").text
        north = page[page.index("Numbers of North Hospital") :].partition("</table>")[0]
        row = north[north.index("February 2025") :]
        assert row[: row.index("</tr>")].count("suppressed") == 3  # rate, numerator, state
        row = north[north.index("March 2025") :]
        assert row[: row.index("</tr>")].count("missing") == 4
        assert "0</td>" in north  # 60 stays in other months
        assert ">0<" not in north and ">0%<" not in north

    def test_a_provisional_number_is_drawn_but_not_judged(self, sender: Sender) -> None:
        send(sender, *(summary_of(period=m, numerator=21) for m in YEAR[:6]))
        send(
            sender,
            *(summary_of(period=m, numerator=54, completeness=PROVISIONAL) for m in YEAR[6:]),
        )
        north = line(sender, "north")
        assert [p["provisional"] for p in north["points"]] == [False] * 6 + [True] * 6
        assert north["phases"][0]["median"] == 0.35
        assert north["phases"][0]["signals"] == []


class TestSignals:
    def shifted(self, sender: Sender, site: str = "north") -> None:
        """Twelve months of 20 %, then twelve of 60 %, each with a little noise."""
        for position, month in enumerate(span("2024-01", "2025-12", "month")):
            met = (12, 15)[position % 2] if position < 12 else (36, 39)[position % 2]
            send(sender, summary_of(site, month, numerator=met))

    def test_a_shift_is_told_in_words_and_numbers(self, sender: Sender) -> None:
        self.shifted(sender)
        phase = line(sender, "north")["phases"][0]
        assert {s["rule"] for s in phase["signals"]} == {
            *("unusually long run", "unusually few crossings")
        }
        assert (phase["longest_run"], phase["longest_run_max"]) == (12, 8)
        page = sender.client.get("/measures/Drinking").text
        assert "12 points in a row above the median, the better side" in page

    def test_a_marked_change_can_keep_the_median_of_what_was_before(
        self, sender: Sender, config: NetworkConfig
    ) -> None:
        served = sender.client.app.state.network  # type: ignore[attr-defined]
        note = {"site": "north", "month": "2025-01", "text": "A new ward", "baseline": True}
        marked = network_config(config.database, annotation=[note])
        sender.client.app.state.network = replace(served, config=marked)  # type: ignore[attr-defined]
        self.shifted(sender)
        self.shifted(sender, "south")
        north, south = line(sender, "north"), line(sender, "south")
        assert north["changes"] == [{"period": "2025-01", "text": "A new ward"}]
        assert north["phases"][0]["frozen"] and north["phases"][0]["baseline"] == 12
        assert north["phases"][0]["median"] == 13.5 / 60
        assert not south["phases"][0]["frozen"] and south["changes"] == []
        network = line(sender, "network")
        assert network["changes"][0]["text"] == "North Hospital: A new ward"
        assert not network["phases"][0]["frozen"]


class TestPhases:
    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"version": "1.1.0"}, "measure version 1.1.0"),
            (
                {"provenance": replace(PROVENANCE, package=sha256(b"other value sets"))},
                "measure logic or value sets",
            ),
            ({"provenance": replace(PROVENANCE, policy=sha256(b"stricter"))}, "disclosure policy"),
        ],
    )
    def test_another_version_starts_a_new_phase(
        self, sender: Sender, change: dict[str, Any], told: str
    ) -> None:
        send(sender, *(summary_of(period=month) for month in YEAR[:5]))
        send(sender, *(summary_of(period=m, numerator=45, **change) for m in YEAR[5:]))
        phases = line(sender, "north")["phases"]
        assert [(p["first"], p["last"], p["median"]) for p in phases] == [
            ("2025-01", "2025-05", 0.35),
            ("2025-06", "2025-12", 0.75),
        ]
        assert f"New phase from June 2025: {told}." in line(sender, "north")["summary"]
        chart = sender.client.get("/measures/Drinking/charts/north.svg").text
        assert told in chart  # the break is marked on the chart itself

    def remapped(self, sender: Sender) -> list[str]:
        """The first periods of the phases of a site that has changed its mapping in March."""
        for month, codes in zip(YEAR[:4], (b"a", b"a", b"b", b"b"), strict=False):
            mapped = replace(PROVENANCE, mapping=sha256(codes))
            send(sender, summary_of(period=month, provenance=mapped))
            send(sender, summary_of("south", month))
        return [phase["first"] for phase in line(sender, "north")["phases"]]

    def test_another_mapping_starts_one_and_is_told_on_the_network_s_line(
        self, sender: Sender
    ) -> None:
        assert self.remapped(sender) == ["2025-01", "2025-03"]
        assert line(sender, "network")["changes"] == [
            {"period": "2025-03", "text": "North Hospital: mapping of local codes"}
        ]
        assert len(line(sender, "network")["phases"]) == 1

    def test_unless_a_person_says_that_it_is_minor(self, sender: Sender) -> None:
        self.remapped(sender)
        page = sender.client.get("/measures/Drinking/write").text
        assert "another mapping of local codes in March 2025" in page
        minor = {"kind": "mapping", "hash": sha256(b"b"), "why": "two more ward codes"}
        assert sender.fill("/measures/Drinking/write", minor).status_code == 303
        assert len(line(sender, "north")["phases"]) == 1
        assert line(sender, "network")["changes"] == []


class TestRestatement:
    def test_the_newest_counts_and_is_marked(self, sender: Sender) -> None:
        for numerator in (21, 24, 30):
            send(sender, summary_of(numerator=numerator))
        (point,) = line(sender, "north")["points"]
        assert (point["numerator"], point["versions"]) == (30, 3)
        page = sender.client.get("/measures/Drinking").text
        assert "restated (version 3)" in page
        assert page.count("as it came") == 3
        assert "received, restated (version 3)" in page

    def test_of_one_period_leaves_the_others_alone(self, sender: Sender) -> None:
        send(sender, summary_of(period="2025-01"), summary_of(period="2025-02"))
        send(sender, summary_of(period="2025-02", numerator=30))
        assert [p["versions"] for p in line(sender, "north")["points"]] == [1, 2]


class TestNetworkLine:
    def test_adds_the_sites_and_names_who_is_not_in_it(self, sender: Sender) -> None:
        send(
            sender,
            summary_of("north", "2025-01", numerator=21, denominator=60),
            summary_of("south", "2025-01", numerator=30, denominator=90),
            summary_of("north", "2025-02", numerator=21, denominator=60),
            summary_of("south", "2025-02", numerator=Absent.SUPPRESSED, denominator=90),
        )
        whole, part = line(sender, "network")["points"]
        assert (whole["numerator"], whole["denominator"], whole["rate"]) == (51, 150, 0.34)
        assert (whole["sites"], whole["partial"]) == (["north", "south"], False)
        assert (part["numerator"], part["denominator"]) == (21, 60)
        assert (part["sites"], part["sites_expected"]) == (["north"], 2)
        assert (part["left_out"], part["partial"]) == ({"south": "suppressed"}, True)
        assert (part["sites_suppressed"], part["sites_missing"]) == (["south"], [])
        page = sender.client.get("/measures/Drinking").text
        assert "1 of 2 centers; not in it: 1 suppressed (South Hospital)" in page
        assert "Not in the number of February 2025: 1 suppressed (South Hospital)." in page
        table = csv.DictReader(StringIO(sender.client.get("/measures/Drinking.csv").text))
        (row,) = (r for r in table if (r["reporter"], r["period"]) == ("network", "2025-02"))
        assert (row["sites"], row["sites_suppressed"], row["sites_missing"]) == (
            "north",
            "south",
            "",
        )

    def test_does_not_signal_because_a_site_fell_out(self, sender: Sender) -> None:
        for month in YEAR:
            send(sender, summary_of("north", month, numerator=51, denominator=60))
            if month < "2025-05":
                send(sender, summary_of("south", month, numerator=12, denominator=60))
        network = line(sender, "network")
        assert [p["partial"] for p in network["points"]] == [False] * 4 + [True] * 8
        assert network["phases"][0]["median"] == 63 / 120
        assert network["phases"][0]["signals"] == []

    def test_says_how_many_centers_its_newest_number_rests_on(self, sender: Sender) -> None:
        send(sender, summary_of("north", "2025-01"), summary_of("south", "2025-01"))
        send(sender, summary_of("north", "2025-02"))
        assert "February 2025 so far: 35% (21 of 60, 1 of 2 centers)" in sender.client.get("/").text


class TestTables:
    def test_csv_has_the_same_numbers(self, sender: Sender) -> None:
        send(
            sender,
            summary_of(period="2025-01", numerator=21),
            summary_of(period="2025-02", numerator=Absent.SUPPRESSED),
        )
        answer = sender.client.get("/measures/Drinking.csv")
        assert answer.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(StringIO(answer.text)))
        assert len(rows) == 6  # the network, north and south, two months each
        one, two = (row for row in rows if row["reporter"] == "north")
        assert (one["state"], one["numerator"], one["rate"]) == ("number", "21", "0.35")
        assert (two["state"], two["numerator"], two["rate"]) == ("suppressed", "", "")
        assert one["measure"] == DRINKING and one["measure_version"] == "1.0.0"

    def test_the_grid_says_what_has_arrived(self, sender: Sender) -> None:
        send(sender, summary_of("north", "2025-01"), summary_of("north", "2025-03"))
        send(sender, summary_of("south", "2025-02", completeness=PROVISIONAL))
        cells = sender.client.get("/arrivals.json").json()["arrivals"]
        assert [(c["site"], c["state"]) for c in cells] == [
            *(("north", "received"), ("north", "missing"), ("north", "received")),
            *(("south", "missing"), ("south", "provisional"), ("south", "missing")),
        ]
        rows = list(csv.DictReader(StringIO(sender.client.get("/arrivals.csv").text)))
        assert [row["state"] for row in rows] == [cell["state"] for cell in cells]


def test_an_empty_network_says_so(sender: Sender) -> None:
    assert "No report has come yet" in sender.client.get("/").text
    assert "No report has come yet" in sender.client.get("/measures/Drinking").text
    assert sender.client.get("/measures/Drinking.json").json()["groups"] == []
    assert sender.client.get("/arrivals.csv").text.count("\n") == 1


def test_a_direction_that_reports_contradict_is_told(sender: Sender) -> None:
    send(sender, summary_of())
    assert "do not trust" not in sender.client.get("/measures/Drinking").text
    send(sender, summary_of(period="2025-02", improvement="decrease"))
    assert "do not trust" in sender.client.get("/measures/Drinking").text


class TestStrata:
    """Groups that are parts of another group are shown for all centers together, and only so."""

    @pytest.fixture
    def config(self, database: str) -> NetworkConfig:
        parts = [
            {"id": "all-three", "title": "All patients"},
            {"id": "older", "title": "65 and older", "stratum_of": "all-three"},
            {"id": "younger", "title": "Under 65", "stratum_of": "all-three"},
        ]
        plain = network_config(database)
        measure = plain.measures[0].model_dump() | {"groups": parts}
        return network_config(database, measure=[measure, plain.measures[1].model_dump()])

    def test_side_by_side_and_without_the_centers(self, sender: Sender) -> None:
        for site in ("north", "south"):
            whole = summary_of(site)
            counts = whole.groups[0].populations
            small = {**counts, "numerator": Absent.SUPPRESSED}
            strata = (SummaryGroup("older", counts), SummaryGroup("younger", small))
            send(sender, replace(whole, groups=(*whole.groups, *strata)))
        page = sender.client.get("/measures/Drinking").text
        assert "All patients, by group of patients" in page
        assert page.count("Run chart, North Hospital, All patients") == 1
        assert "Run chart, Two Rivers Collaborative, 65 and older" in page
        assert "Run chart, North Hospital, 65 and older" not in page
        told = sender.client.get("/measures/Drinking.json").json()["groups"]
        older, younger = (told[at]["series"][0]["points"][0] for at in (1, 2))
        assert (older["numerator"], older["denominator"]) == (42, 120)
        assert (younger["state"], younger["numerator"]) == ("suppressed", None)

    def test_of_a_stratifier_come_with_their_group(self, sender: Sender) -> None:
        """As the wire format has them: kept, shown, restated and told with their report."""
        for site in ("north", "south"):
            whole = summary_of(site, numerator=42, denominator=120)
            counts = whole.groups[0].populations
            small = dict.fromkeys(counts, Absent.SUPPRESSED)
            strata = (
                SummaryGroup("all-three/age-band/<65", counts),
                SummaryGroup("all-three/age-band/65 and up", small),
            )
            send(sender, replace(whole, groups=(*whole.groups, *strata)))
        page = sender.client.get("/measures/Drinking").text
        assert "All patients, by age band" in page
        assert "Run chart, Two Rivers Collaborative, age band: &lt;65" in page
        assert "<65" not in page
        assert "Run chart, North Hospital, age band" not in page
        told = sender.client.get("/measures/Drinking.json").json()["groups"]
        assert [(each["stratum_of"], each["stratifier"], each["stratum"]) for each in told] == [
            (None, None, None),
            ("all-three", "age-band", "<65"),
            ("all-three", "age-band", "65 and up"),
        ]
        assert told[1]["series"][0]["points"][0]["numerator"] == 84
        assert told[2]["series"][0]["points"][0]["state"] == "suppressed"
        rows = list(csv.DictReader(sender.client.get("/measures/Drinking.csv").text.splitlines()))
        assert [row["stratum"] for row in rows if row["reporter"] == "north"] == [
            "",
            "<65",
            "65 and up",
        ]

    def test_are_restated_and_replayed_with_their_report(self, sender: Sender) -> None:
        whole = summary_of(numerator=42, denominator=120)
        for count in (60, 63):
            female = {**whole.groups[0].populations, "denominator": count}
            stratum = SummaryGroup("all-three/sex/female", female)
            send(sender, replace(whole, groups=(*whole.groups, stratum)))
        address = "/measures/Drinking.json"
        points = [
            group["series"][1]["points"][0] for group in sender.client.get(address).json()["groups"]
        ]
        assert [(p["denominator"], p["versions"]) for p in points] == [(120, 2), (63, 2)]

    def test_are_parts_of_a_group_that_there_is(self, database: str) -> None:
        with pytest.raises(ValidationError, match="stratum_of nobody is none of its groups"):
            groups = [{"id": "a", "title": "A", "stratum_of": "nobody"}]
            network_config(database, measure=[{"url": "urn:m", "title": "M", "groups": groups}])
