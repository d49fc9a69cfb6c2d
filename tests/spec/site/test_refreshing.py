"""When changes are enough, and when everything is pulled."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from service.site.acquisition import AcquiredFile, Acquisition
from service.site.building import build_store
from service.site.config import RefreshConfig, SiteConfig
from service.site.refreshing import recent, source_of
from tests.spec.site_api.conftest import write_site
from tests.spec.site_api.hospital import PLAN

PULLED = datetime.fromisoformat("2026-06-01T00:00:00+00:00")
WEEK = timedelta(days=7)


@pytest.fixture
def site(tmp_path: Path) -> SiteConfig:
    """A site that pulls everything once a week, and did on 1 June."""
    config = write_site(tmp_path).model_copy(update={"refresh": RefreshConfig(full_days=7)})
    file = tmp_path / "Patient.ndjson"
    file.write_text('{"resourceType":"Patient","id":"a","birthDate":"1957-03-29"}\n')
    files = (AcquiredFile(file, "Patient", 1),)
    pull = Acquisition(tmp_path, config.fhir.base_url, PULLED.isoformat(), files, ())
    build_store(pull, PLAN, config.data_dir, source=source_of(config))
    return config


@pytest.mark.parametrize(
    ("now", "is_enough"),
    [
        (PULLED + timedelta(hours=1), True),
        (PULLED + WEEK - timedelta(hours=1), True),
        (PULLED + WEEK, False),
        (PULLED - timedelta(days=300), False),  # a clock was wrong, now or then
    ],
)
def test_everything_is_pulled_when_the_last_such_pull_is_too_old(
    site: SiteConfig, now: datetime, is_enough: bool
) -> None:
    assert (recent(site, PLAN, now) is not None) is is_enough
