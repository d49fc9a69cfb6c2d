"""What a site configures of its courtesy towards the EHR, as a pull keeps it."""

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import formatdate
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from service.errors import StoppedError
from service.fhir.together import together
from service.site.acquire import STOP, acquire, opened
from service.site.config import SiteConfig
from service.site.ehr_config import PaceConfig
from tests.ehr import PLAN, QUICK, SmallEhr, searching
from tests.faults.proxy import Answer
from tests.faults.proxy import Fault as Spoiled

FAR = "Pacific/Kiritimati"  # 14 hours ahead of UTC


def paced(config: SiteConfig, **pace: Any) -> SiteConfig:
    """The configuration with a section [pace]."""
    return config.model_copy(update={"pace": PaceConfig(**pace)})


def counted(ehr: SmallEhr, most: list[int]) -> Spoiled:
    """Notes how many requests are under way, for each request."""

    def fault(method: str, path: str, given: Answer) -> Answer:
        most.append(ehr.proxy.under_way)
        return given

    return fault


def test_a_pull_has_no_more_requests_under_way_than_connections(
    ehr: SmallEhr, tmp_path: Path
) -> None:
    config = searching(ehr.config(tmp_path / "data"), patients_at_once="1")
    most: dict[int, list[int]] = {1: [], 4: []}
    for connections, under_way in most.items():
        with ehr.proxy.fault(counted(ehr, under_way)):
            acquire(paced(config, connections=connections), PLAN, QUICK).discard()
    assert max(most[1]) == 1
    assert 1 < max(most[4]) <= 4


def test_a_sites_client_opens_no_more_connections_whoever_uses_it(
    ehr: SmallEhr, tmp_path: Path
) -> None:
    under_way: list[int] = []
    config = paced(ehr.config(tmp_path), connections=2)
    with ehr.proxy.fault(counted(ehr, under_way)), opened(config) as (client, _):
        together(lambda n: client.get(f"{ehr.base_url}/metadata"), range(12), 12)
    assert len(under_way) == 12 and max(under_way) <= 2


def test_a_pull_makes_no_more_requests_a_minute(ehr: SmallEhr, tmp_path: Path) -> None:
    """Each but the first is a twentieth of a second after another."""
    with ehr.proxy.fault():
        begun = time.monotonic()
        acquire(paced(ehr.config(tmp_path), per_minute=1200), PLAN, QUICK).discard()
        took = time.monotonic() - begun
        requests = len(ehr.proxy.seen)
    assert requests > 10
    assert took >= (requests - 1) * 0.05


def test_in_the_sites_quiet_hours_nothing_is_asked(
    ehr: SmallEhr, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """By the site's own clock."""
    now = datetime.now(ZoneInfo(FAR))
    start, end = ((now + timedelta(hours=hours)).strftime("%H:%M") for hours in (-1, 1))
    config = paced(ehr.config(tmp_path), quiet_hours=(f"{start}-{end}",))
    threading.Timer(1.0, (tmp_path / STOP).touch).start()
    with ehr.proxy.fault(), pytest.raises(StoppedError):
        acquire(config.model_copy(update={"timezone": FAR}), PLAN, QUICK)
    assert ehr.proxy.seen == []
    assert "quiet hours" in capfd.readouterr().err


# How long the EHR itself wants to be left alone


def seconds() -> str:
    return "1"


def date() -> str:
    """Two seconds from now, of which a part is lost: it has no fractions."""
    return formatdate(time.time() + 2, usegmt=True)


def busy(status: int, where: str, told: Callable[[], str], came: list[float]) -> Spoiled:
    """Puts the first request off, as it is told to; notes when each came."""

    def fault(method: str, path: str, given: Answer) -> Answer:
        if method != "GET" or where not in path:
            return given
        came.append(time.monotonic())
        return given if len(came) > 1 else Answer(status, {"Retry-After": told()}, b"")

    return fault


@pytest.mark.parametrize("told", [seconds, date])
@pytest.mark.parametrize(("status", "where"), [(202, "bulk-status"), (429, "Location/bed-7")])
def test_the_ehr_is_left_alone_as_long_as_it_asks(
    ehr: SmallEhr, tmp_path: Path, status: int, where: str, told: Callable[[], str]
) -> None:
    """Longer than this patience would have it."""
    came: list[float] = []
    with ehr.proxy.fault(busy(status, where, told, came)):
        acquire(ehr.config(tmp_path), PLAN, QUICK).discard()
    assert len(came) > 1
    assert came[1] - came[0] >= 0.95
