"""`weir site catalogue`: what the site's reports may name, for the gateway."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from service.site.cataloguing import catalogue_of
from service.site.config import load_config
from service.site.pipeline import load_packages
from service.site.signed_policy import site_policy


def catalogue(
    config: Annotated[Path, typer.Option("--config", help="The site's configuration, site.toml.")],
) -> None:
    """Print every name that the site's reports may hold: read it, and give it to the gateway.

    The gateway lets nothing pass that names something else. Print it anew after a change of the
    measures or the policy.
    """
    site = load_config(config)
    made = catalogue_of(site, load_packages(site.measures), site_policy(site))
    sys.stdout.write(made.model_dump_json(indent=2) + "\n")
