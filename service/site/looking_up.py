"""Asking the EHR for resources by their ids, when a pull of everything did not bring them."""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

from service.errors import EhrError
from service.fhir.paging import Query
from service.fhir.patience import Patience, patiently
from service.fhir.searching import Matches, chunks, search
from service.fhir.together import together
from service.progress import notice
from service.site.acquire import connect, opened
from service.site.changes import Key
from service.site.config import SiteConfig
from service.site.plan import AcquisitionPlan
from service.site.vanished import LookedUp
from service.site.vendor import load_vendor

IDS_AT_ONCE = 20


def look_up(config: SiteConfig, plan: AcquisitionPlan, keys: Sequence[Key]) -> LookedUp:
    """Those of some resources that the EHR has, and those of which it does not tell.

    Searched, and not read: where the EHR takes POST, their ids stand in no address. What was pulled
    is not lost when this fails.
    """
    notice(f"{len(keys)} records are no longer among a patient's, and are looked up")
    try:
        answers, doubted = _searched(config, plan, keys)
    except EhrError as error:
        notice(f"{error.what}: whether they are gone is not known")
        return LookedUp(unsure=keys)
    found = {key: line for _, each in answers for key, line in each.found.items()}
    doubted |= {name for name, each in answers if each.issues or not each.whole}
    unsure = [key for key in keys if key[0] in doubted and key not in found]
    if unsure:
        notice(f"The EHR does not say of {len(unsure)} of them whether they are gone")
    return LookedUp([line for key, line in found.items() if key in keys], unsure)


def _searched(
    config: SiteConfig, plan: AcquisitionPlan, keys: Sequence[Key]
) -> tuple[list[tuple[str, Matches]], set[str]]:
    """What came of each search, with its type; and the types that may not be read, of which an EHR
    may find nothing in silence. Raises EhrError."""
    sound = load_vendor(config.fhir.vendor, config.fhir.get_searches).search
    queries = [
        Query(name, (("_id", ",".join(ids)), ("_count", str(sound.page_size))))
        for name, of in groupby(sorted(keys), key=itemgetter(0))
        for ids in chunks((id for _, id in of), IDS_AT_ONCE)
    ]
    with opened(config) as (client, pace):
        endpoint = connect(config, plan, client, Patience(wait=pace.wait))
        patiently(endpoint.patience, endpoint.service.settle)
        answers = together(
            lambda query: search(endpoint, query, sound.manner), queries, config.pace.connections
        )
    named = [(query.type, each) for query, each in zip(queries, answers, strict=True)]
    return named, {*endpoint.service.refused}
