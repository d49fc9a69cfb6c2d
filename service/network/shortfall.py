"""Who is not in a sum, and why, in words: a pooled point says what it does not rest on."""

from collections.abc import Sequence

from service.network.pool import NOT_BEGUN, NOT_COMPARABLE, Pooled
from service.spc.point import State

# Why a center is not in a sum, and how programs call it.
REASONS = {
    State.SUPPRESSED.value: "sites_suppressed",
    State.MISSING.value: "sites_missing",
    NOT_COMPARABLE: "sites_not_comparable",
    State.NOT_COMPUTABLE.value: "sites_not_computable",
    NOT_BEGUN: "sites_not_begun",
}


def left_out(pooled: Pooled) -> str:
    """``2 suppressed (North, South); 1 missing (East)``; empty where all are in it.

    Centers that the reader may not see by name are counted only.
    """
    told = []
    for why in REASONS:
        sites = _sites(pooled, why)
        if sites:
            told.append(f"{len(sites)} {why}{_named(pooled, sites)}")
    return "; ".join(told)


def by_reason(pooled: Pooled) -> dict[str, list[str]]:
    """The same for programs: the sites' ids by reason."""
    return {name: _sites(pooled, why) for why, name in REASONS.items()}


def _sites(pooled: Pooled, why: str) -> list[str]:
    return [site for site, reason in pooled.left_out.items() if reason == why]


def _named(pooled: Pooled, sites: Sequence[str]) -> str:
    names = sorted(pooled.names[site] for site in sites if site in pooled.names)
    others = len(sites) - len(names)
    if names and others:
        names.append(f"{others} other{'s' * (others > 1)}")
    return f" ({', '.join(names)})" if names else ""
