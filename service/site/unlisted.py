"""Types that the EHR does not list among those that it serves.

A server that does not serve a type should refuse a search for it; some find nothing instead.
"""

from service.fhir.capability import read_capability
from service.fhir.patience import patiently
from service.site.acquisition import AcquiredFile
from service.site.asking import EVERYTHING, Asking
from service.site.verdict import Fault, Finding


def unlisted(asking: Asking, files: list[AcquiredFile]) -> list[Finding]:
    """The patients' types of which nothing came, and which /metadata does not name.

    Where something came the list is wrong, and where it names no type at all it is none. Of changes
    there may rightly be none. Raises EhrError.
    """
    if asking.extent != EVERYTHING:
        return []
    absent = asking.own_types - {file.type for file in files if file.lines}
    if not absent:
        return []
    endpoint = asking.endpoint
    told = patiently(
        endpoint.patience, lambda: read_capability(endpoint.client, endpoint.base_url)
    ).types
    if not told:
        return []
    return [Finding(Fault.UNLISTED, name, 1, name) for name in sorted(absent - told)]
