"""Why one report replaces another: read from the two, since no free text travels."""

from service.measure.completeness import Verdict
from service.measure.summary import Summary

FIRST = "first report"
WITHDRAWN = "withdrawn: the number is no longer computable"


def reason(before: Summary | None, after: Summary) -> str:
    """What changed between a report and the one it replaces, in words; FIRST without one."""
    if before is None:
        return FIRST
    failed = Verdict.NOT_COMPUTABLE
    was, now = before.completeness.verdict, after.completeness.verdict
    if now is failed and was is not failed:
        return WITHDRAWN
    changes = [*_rests_on(before, after), *_verdict(was, now)]
    if before.groups != after.groups and failed not in (was, now):
        changes.append("the counts changed")
    if not changes:
        return "sent anew with the same content"
    return ", ".join(changes)


def _rests_on(before: Summary, after: Summary) -> list[str]:
    changes = []
    if before.version != after.version:
        changes.append(f"measure version {after.version}")
    elif before.provenance.package != after.provenance.package:
        changes.append("other measure logic or value sets")
    if before.provenance.mapping != after.provenance.mapping:
        changes.append("another mapping of local codes")
    if before.provenance.policy != after.provenance.policy:
        changes.append("another disclosure policy")
    if before.provenance.engine != after.provenance.engine:
        changes.append("other software")
    return changes


def _verdict(was: Verdict, now: Verdict) -> list[str]:
    if was is now:
        return []
    told = {
        Verdict.COMPLETE: "now complete",
        Verdict.PROVISIONAL: "now provisional",
        Verdict.NOT_COMPUTABLE: "",
    }
    return ["now computable"] if was is Verdict.NOT_COMPUTABLE else [told[now]]
