"""From two hospitals' FHIR endpoints to a network's run chart, with every real part running.

What the network shows is compared with a count by hand of the resources that the EHRs hold.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from service.cli import app
from service.demo.centers import NORTH, Center
from service.demo.demo import MEASURES, Demo, set_up
from service.demo.ehr import free_port
from service.demo.folder import DREAMING, ROOT, SiteFolder
from service.demo.programs import run_network, run_sites, start_site
from service.measure.period import Period
from tests.by_hand import ByHand, Units

BASE = 3  # counts are rounded to a multiple of it, less than it away from the truth
KILLED = -9
PATIENT = 60.0  # seconds

Populations = Mapping[str, Units]


def test_what_the_network_shows_is_what_the_hospitals_records_say(tmp_path: Path) -> None:
    """Half a year around the change at North: three months before it, three since."""
    with set_up(tmp_path / "demo", first=date(2024, 10, 1), last=date(2025, 3, 1)) as demo:
        assert run_sites(demo.sites) == [True, True]
        for site in demo.sites:
            _shows_the_count_by_hand(demo, site)
        _shows_the_change_at_north_only(demo)
        _shows_pages(demo)
        _keeps_no_patient(demo)
        before = _reports(demo.network_url)
        assert run_sites(demo.sites) == [True, True]
        assert _reports(demo.network_url) == before, "a second run has nothing new to say"
        _shows_what_would_leave(demo.sites[0])
        assert _reports(demo.network_url) == before, "to look sends nothing"


@pytest.mark.full
def test_what_nobody_has_mapped_makes_provisional(tmp_path: Path) -> None:
    with (
        set_up(tmp_path / "demo", first=date(2024, 10, 1), last=date(2025, 3, 1)) as demo,
        _again(demo, tmp_path / "again") as (site, network),
    ):
        _is_provisional_without_a_row(site, replace(demo, network_url=network))


@pytest.mark.full
def test_two_years_at_full_size(tmp_path: Path) -> None:
    with set_up(tmp_path / "demo") as demo:
        assert run_sites(demo.sites) == [True, True]
        for site in demo.sites:
            _shows_the_count_by_hand(demo, site)
        _shows_the_change_at_north_only(demo)
        series = _series(demo.feed("dreaming"), "composite")
        assert _signals(series["north"]), "the change at North is no chance"
        assert not _signals(series["south"]), "nothing changed at South"


@pytest.mark.full
def test_the_command_prints_both_tables_and_ends(tmp_path: Path) -> None:
    done = _weir_demo("--once", "--folder", str(tmp_path / "demo"))
    assert done.returncode == 0, done.stderr
    for told in ("2025-12", "2025-Q4", "North Medical Center: complete", "/measures/dreaming"):
        assert told in done.stdout


def test_the_command_leaves_a_folder_alone_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    done = _weir_demo("--once", "--folder", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("error: Something else than a demo is here")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def _weir_demo(*options: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("weir")), "demo", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


def _shows_the_count_by_hand(demo: Demo, site: SiteFolder) -> None:
    by_hand = ByHand(site.center, demo.records[site.center.id])
    for measure, count in (("dreaming", by_hand.dreaming), ("readmission", by_hand.readmission)):
        feed = demo.feed(measure)
        for group in feed["groups"]:
            for point in _series(feed, group["id"])[site.center.id]["points"]:
                period = Period.parse(point["period"])
                counted = count(period.start, period.end)
                whole = group["id"].partition("/")[0]
                beside = [each for name, each in counted.items() if name.startswith(whole)]
                _shows(point, counted[group["id"]], beside if whole != group["id"] else [])
    _shows_both_sexes(demo, site)


def _shows_both_sexes(demo: Demo, site: SiteFolder) -> None:
    feed = demo.feed("dreaming")
    assert [each["stratum"] for each in feed["groups"]] == [*[None] * 4, "female", "male"]
    for sex in ("female", "male"):
        points = _series(feed, f"composite/sex/{sex}")[site.center.id]["points"]
        assert any(point["state"] == "number" for point in points)


def _shows(
    point: Mapping[str, Any], counts: Populations, beside: Sequence[Populations] = ()
) -> None:
    """One point is the count by hand but for rounding, or suppressed where few are counted, in it
    or in what stands beside it: a stratum, its total and the other strata."""
    eligible = counts["denominator"] - counts["denominator-exclusion"]
    numerator = counts["numerator"]
    if point["state"] == "suppressed":
        every = [part for each in (counts, *beside) for part in _parts(each)]
        assert any(0 < len({who for who, _ in part}) < 11 for part in every), point
        return
    assert point["state"] == "number", point
    assert not point["provisional"], point
    assert not 0 < len({who for who, _ in numerator}) < 11, point
    assert abs(point["numerator"] - len(numerator)) < BASE, (point, len(numerator))
    assert abs(point["denominator"] - len(eligible)) < BASE, (point, len(eligible))
    assert point["numerator"] % BASE == point["denominator"] % BASE == 0, point


def _parts(counts: Populations) -> list[frozenset[tuple[str, str]]]:
    """What can be counted by subtraction; who is counted twice is no part of it here."""
    denominator, excluded = counts["denominator"], counts["denominator-exclusion"]
    outside = counts["initial-population"] - denominator
    numerator = counts["numerator"]
    return [numerator, denominator - excluded - numerator, excluded, outside]


def _shows_the_change_at_north_only(demo: Demo) -> None:
    series = _series(demo.feed("dreaming"), "composite")
    before, since = _mean_rates(series["north"])
    assert before < 0.5 < since
    before, since = _mean_rates(series["south"])
    assert abs(since - before) < 0.15
    assert [change["period"] for change in series["north"]["changes"]] == ["2025-01"]
    assert not series["south"]["changes"]


def _mean_rates(series: Mapping[str, Any]) -> list[float]:
    """Pooled rates before 2025 and since; the composite is never suppressed."""
    assert all(point["state"] == "number" for point in series["points"])
    halves = (
        [point for point in series["points"] if (point["period"] < "2025") is before]
        for before in (True, False)
    )
    return [
        sum(p["numerator"] for p in half) / sum(p["denominator"] for p in half) for half in halves
    ]


def _signals(series: Mapping[str, Any]) -> list[Any]:
    return [signal for phase in series["phases"] for signal in phase["signals"]]


def _shows_pages(demo: Demo) -> None:
    home = _get(demo.network_url).raise_for_status().text
    for measure in MEASURES:
        page = _get(f"{demo.network_url}/measures/{measure}").raise_for_status().text
        assert demo.feed(measure)["measure"]["title"] in page
        assert "<svg" in page or ".svg" in page
        assert f"/measures/{measure}" in home
        for site in demo.sites:
            assert site.center.title in page
        strata = "All three, by sex" in page and "Run chart, Recovery Network, Women" in page
        assert strata is (measure == "dreaming")


def _is_provisional_without_a_row(site: SiteFolder, demo: Demo) -> None:
    """Codes that nobody has mapped are listed at the site, and its numbers are no final ones.

    One code fewer changes a few patients: the numbers stand, and are doubted. Without the
    commonest, many change.
    """
    mapping = Path(shutil.copytree(ROOT / "mappings" / "north", site.path / "mapping"))
    config = site.config.read_text()
    site.config.write_text(config.replace(str(ROOT / "mappings" / "north"), str(mapping)))
    assert run_sites([site]) == [True]
    whole = _points(demo)
    assert not any(point["provisional"] for point in whole)
    assert _unmapped(site, mapping, {"OR3306"}) == {"OR3306"}
    assert _counts(_points(demo)) == _counts(whole)
    assert "too few patients changed" in site.log.read_text()
    assert _are_doubted(_points(demo))
    many = {"OR2101", "OR2107", "OR2110", "OR3305"}
    assert _unmapped(site, mapping, many) == {"OR3306", *many}
    assert _counts(_points(demo)) != _counts(whole)
    assert _are_doubted(_points(demo))


def _points(demo: Demo) -> list[Mapping[str, Any]]:
    points: list[Mapping[str, Any]] = _series(demo.feed("dreaming"), "composite")["north"]["points"]
    return points


def _counts(points: Sequence[Mapping[str, Any]]) -> list[tuple[int, int]]:
    return [(point["numerator"], point["denominator"]) for point in points]


def _are_doubted(points: Sequence[Mapping[str, Any]]) -> bool:
    return all(point["provisional"] and point["reasons"] == ["unmapped code"] for point in points)


def _unmapped(site: SiteFolder, mapping: Path, codes: set[str]) -> set[str]:
    """Run the site without the rows of these codes; the codes that it lists as unmapped."""
    table = mapping / "procedures.csv"
    rows = table.read_text().splitlines(keepends=True)
    table.write_text("".join(row for row in rows if not any(f",{c}," in row for c in codes)))
    assert run_sites([site]) == [False]
    unmapped = (site.path / "data" / "unmapped-codes.csv").read_text().splitlines()
    return {row.split(",")[2] for row in unmapped[1:]}


def _shows_what_would_leave(site: SiteFolder) -> None:
    """Exact counts beside what was sent, and what other profiles would keep: for local eyes."""
    told = _told("site", "preview", site, "--measure", DREAMING)
    for words in ("composite", "2024-10", "as it was sent", "suppressed", "margin"):
        assert words in told
    assert "Readmission" not in told
    told = _told("policy", "simulate", site)
    for name in ("default", "strict", "nhs", "denominator-only"):
        assert name in told


def _told(group: str, command: str, site: SiteFolder, *options: str) -> str:
    arguments = [group, command, "--config", str(site.config), *options]
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, arguments)
    assert done.exit_code == 0, done.stderr
    return done.stdout


def _keeps_no_patient(demo: Demo) -> None:
    """Neither the network's database nor any log of ours holds an id, a name or a birth date."""
    words = {
        word
        for resources in demo.records.values()
        for each in resources
        if each["resourceType"] == "Patient"
        for word in (each["id"], each["birthDate"], each["identifier"][0]["value"])
    }
    told = [site.log for site in demo.sites]
    told += [p for p in (demo.sites[0].path.parent / "network").rglob("*") if p.is_file()]
    for path in told:
        text = path.read_bytes().decode("latin-1")
        assert "Patient/" not in text and "Encounter/" not in text, path
        assert not [word for word in words if word in text], path


STEPS: dict[str, Callable[[SiteFolder, str], bool]] = {
    "acquire": lambda site, network: (site.path / "data" / "pull").exists(),
    "store": lambda site, network: "Fetching files" in site.log.read_text(),
    "evaluate": lambda site, network: "Reading records" in site.log.read_text(),
    "protect": lambda site, network: "Evaluating patients" in site.log.read_text(),
    "push": lambda site, network: bool(_reports(network)),
}


@pytest.mark.full
def test_a_site_killed_in_each_step_reports_the_same_in_the_end(tmp_path: Path) -> None:
    with set_up(tmp_path / "demo", first=date(2025, 1, 1), last=date(2025, 3, 1)) as demo:
        assert run_sites(demo.sites) == [True, True]
        unharmed = _reports_of(NORTH, demo.network_url)
        with _again(demo, tmp_path / "again") as (site, network):
            killed = [step for step in STEPS if _killed_in(step, site, network)]
            assert run_sites([site]) == [True]
            assert _reports_of(NORTH, network) == unharmed
            assert _versions(NORTH, replace(demo, network_url=network)) == {1}
        assert len(killed) >= 3, f"killed only in {killed}"


@pytest.mark.full
def test_a_site_killed_at_any_moment_reports_the_same_in_the_end(tmp_path: Path) -> None:
    """Killed in each eighth of the time that a whole run takes."""
    with set_up(tmp_path / "demo", first=date(2025, 1, 1), last=date(2025, 3, 1)) as demo:
        began = time.monotonic()
        assert run_sites(demo.sites[:1]) == [True]
        whole = time.monotonic() - began
        unharmed = _reports_of(NORTH, demo.network_url)
        for eighth in range(8):
            with _again(demo, tmp_path / f"again-{eighth}") as (site, network):
                with start_site(site) as process:
                    time.sleep(whole * (eighth + 0.5) / 8)
                    process.kill()
                assert run_sites([site]) == [True]
                assert _reports_of(NORTH, network) == unharmed
                assert _versions(NORTH, replace(demo, network_url=network)) == {1}


@contextmanager
def _again(demo: Demo, folder: Path) -> Iterator[tuple[SiteFolder, str]]:
    """North once more, with its keys but none of its data, reporting to an empty network."""
    north, port = demo.sites[0], free_port()
    network_url = f"http://127.0.0.1:{port}"
    site = replace(north, path=folder / "north")
    (site.path / "data").mkdir(parents=True)
    shutil.copytree(north.path / "data" / "keys", site.path / "data" / "keys")
    for name in ("policy.toml", "policy.toml.sig", "policy.jwk.json", "ehr-key.pem"):
        shutil.copy(north.path / name, site.path / name)
    site.config.write_text(north.config.read_text().replace(demo.network_url, network_url))
    known = shutil.ignore_patterns("*.db*", "*.log")
    config = shutil.copytree(north.path.parent / "network", folder / "network", ignore=known)
    with run_network(Path(config) / "network.toml", port) as url:
        yield site, url


def _killed_in(step: str, site: SiteFolder, network: str) -> bool:
    """Start a run and kill it as soon as it is in the step; False if it was quicker than we."""
    site.log.unlink(missing_ok=True)
    with start_site(site) as process:
        while process.poll() is None and not STEPS[step](site, network):
            time.sleep(0.005)
        process.kill()
        return process.wait() == KILLED


def _get(url: str) -> httpx.Response:
    """An answer of a program that shares its cores with many others."""
    return httpx.get(url, timeout=PATIENT)


def _reports(network: str) -> dict[tuple[str, str, str], Any]:
    """What counts at the network, by site, measure and first day: all but dates and ids."""
    found = _get(f"{network}/fhir/MeasureReport?_count=1000").raise_for_status().json()
    reports = [entry["resource"] for entry in found.get("entry", [])]
    return {
        (each["reporter"]["identifier"]["value"], each["measure"], each["period"]["start"]): {
            name: value for name, value in each.items() if name not in ("id", "date", "identifier")
        }
        for each in reports
    }


def _reports_of(center: Center, network: str) -> dict[tuple[str, str, str], Any]:
    return {key: report for key, report in _reports(network).items() if key[0] == center.id}


def _series(feed: Mapping[str, Any], group: str) -> dict[str, Any]:
    """The lines of a group by reporter."""
    (found,) = (each for each in feed["groups"] if each["id"] == group)
    return {series["reporter"]: series for series in found["series"]}


def _versions(center: Center, demo: Demo) -> set[int]:
    """How often any report of a center was made anew."""
    return {
        point["versions"]
        for measure in MEASURES
        for group in demo.feed(measure)["groups"]
        for series in group["series"]
        if series["reporter"] == center.id
        for point in series["points"]
    }
