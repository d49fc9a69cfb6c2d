"""`weir site rotate`: another key signs the site's reports, without a gap."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from service.errors import ConfigError
from service.fhir.fingerprint import fingerprint
from service.gateway.keys import public_x
from service.site.config import load_config
from service.site.rotation import begin, finish

BEGUN = """the next key waits, and signs nothing yet
    words    {words}
    key id   {kid}
1. where the gateway is another program, give it both keys: `weir site key`
2. present the next one: `weir site enrol`, and `weir gateway enrol` at the gateway
3. when the network's staff have accepted it, run the same again: it says so
4. `weir site rotate --finish`, within 30 days of that
"""


def rotate(
    config: Annotated[Path, typer.Option("--config", help="The site's configuration, site.toml.")],
    end: Annotated[
        bool, typer.Option("--finish", help="The network has accepted it: sign with it.")
    ] = False,
    by_hand: Annotated[
        bool,
        typer.Option("--by-hand", help="With --finish: I know that the network took it by hand."),
    ] = False,
) -> None:
    """Make the next key that will sign reports; with --finish, sign with it from now on.

    Between the two, the present key signs on. The network's staff accept the next one, and for 30
    days from then on the network takes both, so that no report is refused meanwhile.
    """
    settings = load_config(config)
    if by_hand and not end:
        raise ConfigError("--by-hand goes with --finish")
    if end:
        kid = finish(settings, by_hand=by_hand)
        sys.stdout.write(f"reports are signed with {kid} from now on\n")
        return
    key = begin(settings)
    sys.stdout.write(BEGUN.format(words=fingerprint(public_x(key)), kid=key.thumbprint()))
