"""Patients of an export who were put together with others: the others' records are searched.

An EHR exports the records of whom it was asked for. With them it sends the Patient of somebody who
was put together with one of these, for Patient.link makes it one of the patient's records, and not
what is that somebody's. So a Group that lists one number of a person brings the records of that
number alone. A pull by search asks for both numbers; here the other one is searched beside the
export. Where that cannot be done, whose records are missing is doubted.
"""

from service.errors import EhrError, StoppedError
from service.progress import notice
from service.site.asking import EVERYTHING, Asking
from service.site.cohort import Cohort
from service.site.exporting import exported_files
from service.site.population import linked, named_beside, patient_ids
from service.site.pull_log import PullLog
from service.site.searching import search_more
from service.site.verdict import Fault, Finding, added_up

WHERE = "the export"


def pull_merged(asking: Asking, cohort: Cohort, log: PullLog) -> list[Finding]:
    """Search those who were put together with somebody of the export and were not asked for; what
    is wrong with the parts of the pull, and how many others could not be searched.

    Changes alone are not made up for: they are doubted until the next pull of everything.
    """
    asked = _asked_for(asking, cohort, log)
    if asked is None or asking.extent != EVERYTHING:
        return log.findings()
    whole = asking.one_by_one().with_whole_records()
    missing = set[str]()
    searched = set[str]()
    while others := _others(asking, log) - asked - searched:
        searched |= others
        try:
            search_more(whole, others, log)
        except StoppedError:
            raise  # the next run goes on from here
        except EhrError as error:
            notice(f"{error.what}: {len(others)} who were put together with others are missing")
            missing |= others
    findings = [each for each in log.findings() if each.fault is not Fault.TYPE_REFUSED]
    if len(findings) < len(log.findings()):  # that a type is not searched says nothing of exports
        missing |= searched
    return added_up(findings) + _doubts(asking, cohort, log, len(missing))


def _asked_for(asking: Asking, cohort: Cohort, log: PullLog) -> frozenset[str] | None:
    """Whose records the export has, as far as that is certain; None when it has everyone's."""
    if cohort.ids is not None:
        return cohort.ids & patient_ids(exported_files(log))
    return None if asking.config.fhir.group is None else frozenset()


def _others(asking: Asking, log: PullLog) -> set[str]:
    """All who were put together with others."""
    patients = [file for file in log.files() if file.type == "Patient"]
    links = linked(patients, asking.endpoint.base_url)
    return {id for _, told in links for _, *pair in told for id in pair}


def _doubts(asking: Asking, cohort: Cohort, log: PullLog, missing: int) -> list[Finding]:
    """How many others are missing; and where nobody knows who is meant, how many may have come for
    no other reason than that they name a patient who is."""
    found = [Finding(Fault.UNKNOWN_SUCCESSOR, WHERE, missing)] if missing else []
    if cohort.ids is None:
        beside = len(named_beside(exported_files(log), asking.endpoint.base_url))
        found += [Finding(Fault.UNKNOWN_MEMBER, WHERE, beside)] if beside else []
    return found
