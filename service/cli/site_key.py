"""`weir site key`: public halves of the site's keys, for those who must know them."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from service.site.config import load_config
from service.site.ehr_keys import published_keys
from service.site.keys import site_keys


def key(
    config: Annotated[Path, typer.Option("--config", help="The site's configuration, site.toml.")],
    ehr: Annotated[
        bool, typer.Option("--ehr", help="Print the key for the EHR instead (a JWK Set).")
    ] = False,
) -> None:
    """Print the public key with which the network checks this site's reports (a JWK).

    Send it to the network's staff over a channel where they can tell that it comes from you. With
    --ehr: the keys by which the EHR knows the site, as a file for the EHR's administrator: the one
    that signs (fhir.key_file) and, while keys are changed, those of fhir.other_keys.
    """
    settings = load_config(config)
    public = published_keys(settings.fhir) if ehr else site_keys(settings.data_dir).public_jwk
    sys.stdout.write(json.dumps(public, indent=2, sort_keys=True) + "\n")
