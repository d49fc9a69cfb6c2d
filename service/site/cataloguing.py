"""The catalogue that the gateway holds reports to: made from the site's measures and policy."""

from collections.abc import Sequence
from typing import get_args

from service.disclosure import Policy
from service.gateway.catalogue import Catalogue, ListedMeasure
from service.measure.package import MeasurePackage
from service.measure.wire import PopulationCode
from service.site.config import SiteConfig
from service.site.protect import releasable
from service.site.stratifying import partings_of


def catalogue_of(
    config: SiteConfig, packages: Sequence[MeasurePackage], policy: Policy
) -> Catalogue:
    """Everything that this site's reports may name."""
    return Catalogue(
        site=config.site,
        timezone=config.timezone,
        policies=(policy.hash,),
        recipients=tuple(policy.recipients),
        approvals=policy.approvals,
        measures=tuple(_listed(package, policy) for package in packages),
    )


def _listed(package: MeasurePackage, policy: Policy) -> ListedMeasure:
    codes = get_args(PopulationCode)
    groups = {group.id: tuple(code for code in codes if group.of(code)) for group in package.groups}
    strata: dict[str, dict[str, tuple[str, ...]]] = {}
    for parting in partings_of(package, policy):
        strata.setdefault(parting.group, {})[parting.stratifier] = parting.values
    return ListedMeasure(
        measure=f"{package.url}|{package.version}",
        package=package.hash,
        scoring=releasable(package)[0],
        groups=groups,
        strata=strata,
    )
