"""`weir site stop`: the switch that ends all traffic to the EHR within seconds."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from service.errors import StoreError
from service.site.acquire import STOP
from service.site.config import load_config


def stop(
    config: Annotated[Path, typer.Option("--config", help="The site's configuration, site.toml.")],
    off: Annotated[bool, typer.Option("--off", help="Allow traffic again.")] = False,
) -> None:
    """Stop all traffic to the EHR at once, and until `--off`.

    A run that is pulling ends within seconds and keeps what it has; the next one, after `--off`,
    goes on from there. Reports that are ready are still sent: they do not burden the EHR.
    """
    path = load_config(config).data_dir / STOP
    try:
        if off:
            path.unlink(missing_ok=True)
        else:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreError(
            f"The switch cannot be set ({error.strerror})",
            where=str(path),
            todo="Create or remove this file as the user that runs Weir",
        ) from error
    sys.stderr.write(
        "traffic to the EHR is allowed\n" if off else "all traffic to the EHR is stopped\n"
    )
