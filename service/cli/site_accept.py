"""`weir site accept`: what the EHR sent is all that there is."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from service.measure.period import timezone
from service.site.alone import alone
from service.site.config import load_config
from service.site.placing import accept_store


def accept(
    config: Annotated[Path, typer.Option("--config", help="The site's configuration, site.toml.")],
) -> None:
    """Accept that the last pull brought less than there was before, others, or nothing of some
    time: that it is right so.

    Until then results stay provisional: an EHR that sends less than it did says nothing of it. A
    type of which more is known to be missing is not accepted.
    """
    settings = load_config(config)
    with alone(settings.data_dir):
        left = accept_store(settings.data_dir, timezone(settings.timezone))
    sys.stderr.write("accepted; the next run judges by what is there now\n")
    for finding in left:
        sys.stderr.write(f"not accepted, as the pull was not whole: {finding}\n")
