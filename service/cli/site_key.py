"""`weir site key`: public halves of the site's keys, for those who must know them."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from service.errors import ConfigError
from service.gateway.keys import public_jwk
from service.site.config import load_config
from service.site.ehr_keys import published_keys
from service.site.keys import site_keys


def key(
    config: Annotated[Path, typer.Option("--config", help="The site's configuration, site.toml.")],
    ehr: Annotated[
        bool, typer.Option("--ehr", help="Print the key for the EHR instead (a JWK Set).")
    ] = False,
    following: Annotated[
        bool, typer.Option("--next", help="Print the next key alone, while keys are changed.")
    ] = False,
) -> None:
    """Print the public key with which the network checks this site's reports (a JWK).

    Give it to the gateway (`reports_key`), and send it to a network's staff who take keys by hand
    over a channel where they can tell that it comes from you. While keys are changed it is a JWK
    Set of the one that signs and the next one (`weir site rotate`).

    With --ehr: the keys by which the EHR knows the site, as a file for the EHR's administrator: the
    one that signs (fhir.key_file) and, while keys are changed, those of fhir.other_keys.
    """
    settings = load_config(config)
    if ehr:
        sys.stdout.write(_file(published_keys(settings.fhir)))
        return
    keys = site_keys(settings.data_dir)
    if not following:
        sys.stdout.write(keys.public_json.decode())
    elif keys.following:
        sys.stdout.write(_file(public_jwk(keys.following)))
    else:
        raise ConfigError("no next key waits", todo="`weir site rotate` makes one")


def _file(public: dict[str, Any]) -> str:
    return json.dumps(public, indent=2, sort_keys=True) + "\n"
