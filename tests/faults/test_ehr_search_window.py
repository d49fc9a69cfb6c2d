"""Between two full pulls of an EHR that does not tell changes: a window shows who has news.

The same real server as for searches, behind the same proxy, which makes the news: an observation
that reads otherwise than it did.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.errors import StoppedError
from service.measure.completeness import Reason, Verdict
from service.site.acquire import STOP
from service.site.config import RefreshConfig, SiteConfig
from service.site.refreshing import refresh
from service.site.store import Store
from service.site.verdict import Fault as Wrong
from tests.ehr import PATIENTS, PLAN, SmallEhr, searching
from tests.faults.proxy import Answer, Fault, alter_json, answer
from tests.faults.test_ehr_search_faults import pages, relinked, self_of, with_entry, without_first
from tests.properties.test_refresh import content

WINDOW = r"(Observation|Encounter)\?.*date=ge"
WHOLE = r"GET /fhir/Observation\?(?!.*date=)"
full = pytest.mark.full
AGES = 36_500  # days: the window has begun before the records of this hospital


def site(ehr: SmallEhr, data_dir: Path, window_days: int = AGES) -> SiteConfig:
    """A site whose EHR is searched by date, and pulled whole once a week."""
    config = searching(ehr.config(data_dir), patients_at_once="1", page_size="1")
    with Path(config.fhir.vendor).open("a") as profile:
        profile.write('\n[search.dates]\nEncounter = "date"\nObservation = "date"\n')
    nightly = RefreshConfig(full_days=7).model_copy(update={"window_days": window_days})
    return config.model_copy(update={"refresh": nightly})


def news(of: str = "pain-1") -> Fault:
    """An observation reads otherwise, whenever it is searched."""

    def told(entry: Any) -> Any:
        resource = entry["resource"]
        if resource["id"] != of:
            return entry
        return {**entry, "resource": {**resource, "valueQuantity": {"value": 9}}}

    return pages(lambda page: {**page, "entry": [told(one) for one in page.get("entry", [])]})


@pytest.fixture(scope="module")
def truth(ehr: SmallEhr, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    """What a full pull gives after the news."""
    folder = tmp_path_factory.mktemp("truth") / "data"
    with ehr.proxy.fault(news()):
        refresh(site(ehr, folder, window_days=0), PLAN)
    return content(folder)


def pulled_before(ehr: SmallEhr, tmp_path: Path, window_days: int = AGES) -> SiteConfig:
    """A site that has pulled everything before there was news."""
    config = site(ehr, tmp_path / "data", window_days)
    with ehr.proxy.fault(news(of="nobody")):  # or numbers would be written otherwise
        refresh(config, PLAN)
    return config


def asked(ehr: SmallEhr, pattern: str) -> list[str]:
    """The patients of whom the last run asked so."""
    found = (re.search(r"patient=([^&]+)", path) for path in searches(ehr, pattern))
    return sorted({match[1] for match in found if match})


def searches(ehr: SmallEhr, pattern: str) -> list[str]:
    seen = [f"{method} {path}" for method, path in ehr.proxy.seen]
    return [each for each in seen if re.search(pattern, each)]


def reasons(store: Store) -> set[Reason]:
    return set(store.completeness().reasons)


def test_who_has_news_is_pulled_whole_and_nobody_else(
    ehr: SmallEhr, tmp_path: Path, truth: list[tuple[Any, ...]]
) -> None:
    config = pulled_before(ehr, tmp_path)
    with ehr.proxy.fault(news()):
        store = refresh(config, PLAN)
    assert asked(ehr, WINDOW) == sorted(PATIENTS)
    assert asked(ehr, WHOLE) == [PATIENTS[0]]
    assert content(config.data_dir) == truth
    assert reasons(store) == {Reason.UNRECONCILED}
    assert not (config.data_dir / "pull").exists()
    assert not (config.data_dir / "pull-of-some").exists()


@pytest.mark.full
def test_news_from_before_the_window_waits_for_the_full_pull_and_the_verdict_says_so(
    ehr: SmallEhr, tmp_path: Path, truth: list[tuple[Any, ...]]
) -> None:
    config = pulled_before(ehr, tmp_path, window_days=1)
    before = content(config.data_dir)
    with ehr.proxy.fault(news()):
        store = refresh(config, PLAN)
    assert content(config.data_dir) == before != truth
    assert store.completeness().verdict is Verdict.PROVISIONAL
    assert reasons(store) == {Reason.UNRECONCILED}
    [told] = [each for each in store.facts.findings if each.fault is Wrong.UNRECONCILED]
    assert "dated before 20" in told.where
    always = config.model_copy(update={"refresh": RefreshConfig()})
    with ehr.proxy.fault(news()):
        store = refresh(always, PLAN)
    assert content(config.data_dir) == truth
    assert store.completeness().verdict is Verdict.COMPLETE


FAULTS: dict[str, Callable[[str], Fault]] = {
    "none": lambda at: answer(500, "nowhere"),
    "refused": lambda at: answer(400, at),
    "forbidden": lambda at: answer(403, at),
    "nothing comes": lambda at: pages(
        lambda page: {**relinked(page, "next", None), "entry": [], "total": 0}, at
    ),
    "an entry is lost": lambda at: pages(without_first, at),
    "a page leads to itself": lambda at: pages(lambda p: relinked(p, "next", self_of(p)), at),
    "a message among the matches": lambda at: pages(
        lambda p: with_entry(p, {"resourceType": "OperationOutcome", "issue": [ERROR]}, "outcome"),
        at,
    ),
    "a patient is missing": lambda at: alter_json(r"/Patient\?", lambda page: without(page)),
}
ERROR = {"severity": "error", "code": "exception"}


def without(page: dict[str, Any]) -> dict[str, Any]:
    """A page of patients without the second one, and nothing tells of it."""
    kept = [one for one in page.get("entry", []) if one["resource"]["id"] != PATIENTS[1]]
    return {**page, "entry": kept, "total": len(kept)}


@full
@pytest.mark.parametrize("at", [WINDOW, WHOLE], ids=["window", "whole"])
@pytest.mark.parametrize("name", FAULTS)
def test_what_goes_wrong_gives_the_truth_or_is_not_called_complete(
    ehr: SmallEhr, tmp_path: Path, truth: list[tuple[Any, ...]], name: str, at: str
) -> None:
    config = pulled_before(ehr, tmp_path)
    with ehr.proxy.fault(news(), FAULTS[name](at)):
        store = refresh(config, PLAN)
    complete = store.completeness().verdict is Verdict.COMPLETE
    assert content(config.data_dir) == truth if complete else store.completeness().reasons
    with ehr.proxy.fault(news()):
        store = refresh(config.model_copy(update={"refresh": RefreshConfig()}), PLAN)
    assert content(config.data_dir) == truth


@full
def test_a_run_that_was_stopped_between_the_two_asks_for_nothing_twice(
    ehr: SmallEhr, tmp_path: Path, truth: list[tuple[Any, ...]]
) -> None:
    config = pulled_before(ehr, tmp_path)
    stop = config.data_dir / STOP

    def stopped(method: str, path: str, given: Answer) -> Answer:
        if not re.search(WHOLE, f"{method} {path}"):
            return given
        stop.touch()
        return Answer(503, {"Retry-After": "600"}, b"")

    with ehr.proxy.fault(news(), stopped), pytest.raises(StoppedError):
        refresh(config, PLAN)
    stop.unlink()
    with ehr.proxy.fault(news()):
        refresh(config, PLAN)
    assert searches(ehr, WINDOW) == []
    assert content(config.data_dir) == truth
