"""`weir site enrol` and `weir gateway enrol`: present the site's keys to the network."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from service.cli.gateway_config import gateway_config
from service.gateway.config import GatewayConfig
from service.gateway.enrolling import Introduction, introductions, present
from service.gateway.gateway import Gateway, open_gateway
from service.gateway.spool import Spool
from service.measure import enrolment
from service.measure.enrolment import State
from service.site.config import load_config
from service.site.keys import site_keys
from service.site.pipeline import load_packages
from service.site.push import gateway_of, spool_of

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask: I have read what is presented.")]
DONE, REFUSED, WAITING = 0, 1, 3
EXIT = {"accepted": DONE, "pending": WAITING, "expired": REFUSED, "revoked": REFUSED}
SAYS = {
    "reports": "the engine's key, which signs reports",
    "ledger": "the gateway's key, which signs the ledger",
}
NEXT = {
    "accepted": "enrolled: the network takes what it signs",
    "pending": "waits for the network's staff: read them these words by telephone",
    "expired": "enrolled before, and expired: `weir site rotate` makes the next key",
    "revoked": "revoked by the network: ask its staff why; `weir site rotate` makes the next key",
}


def site_enrol(
    config: Annotated[Path, typer.Option("--config", help="The site's configuration, site.toml.")],
    name: Annotated[str, typer.Option(help="The site's name, as the network shall show it.")] = "",
    yes: Yes = False,
) -> None:
    """Present the key that signs reports to the network, and print it as six words.

    Where the gateway is another program the request waits in the spool: run `weir gateway enrol`
    there. The network's staff accept the key when you have read the words to them by telephone.
    While keys are changed (`weir site rotate`) it is the next key that is presented.
    Exit code 0: enrolled. 3: presented, and waits. 1: the key is of no use any more.
    """
    site = load_config(config)
    keys = site_keys(site.data_dir)
    measures = [package.url for package in load_packages(site.measures)]
    key = keys.following or keys.signing
    asked = enrolment.made(site.site, name or site.site, key, measures, "reports")
    Spool(spool_of(site)).present(*asked)
    if site.network is not None:
        sys.exit(_enrol(gateway_of(site, site.network, keys), yes=yes))
    _say(Console(highlight=False, soft_wrap=True), enrolment.read(*asked))
    sys.stdout.write("The request waits in the spool: run `weir gateway enrol` at the gateway\n")
    sys.exit(WAITING)


def gateway_enrol(
    config: Annotated[
        Path,
        typer.Option("--config", help="gateway.toml, or site.toml where one program does both."),
    ],
    yes: Yes = False,
) -> None:
    """Present the site's keys to the network: the engine's, and the one that signs the ledger.

    The engine's comes from the spool, where `weir site enrol` has left it. Run again, it tells how
    far the network is. Exit code 0: enrolled. 3: presented, and waits. 1: of no use any more.
    """
    sys.exit(_enrol(gateway_config(config), yes=yes))


def _enrol(settings: GatewayConfig, *, yes: bool) -> int:
    """Show what would be presented, ask, present it, and tell how far each key is."""
    console = Console(highlight=False, soft_wrap=True)
    with open_gateway(settings) as gateway:
        asked = introductions(gateway)
        for each in asked:
            _say(console, each.request)
        if not yes:
            typer.confirm(f"Present this to {settings.network.url}?", abort=True)
        states = [_presented(console, gateway, each) for each in asked]
    return max((EXIT[state] for state in states), key=(DONE, WAITING, REFUSED).index)


def _presented(console: Console, gateway: Gateway, each: Introduction) -> State:
    state = present(gateway, each)
    console.print(f"{SAYS[each.request.use]}: {NEXT[state]}")
    if state == "pending":
        console.print(f"    {each.request.jwk.words}")
    return state


def _say(console: Console, request: enrolment.Request) -> None:
    """What a request tells the network: all of it."""
    console.print(f"{request.name} ({request.site}): {SAYS[request.use]}")
    console.print(f"    words    {request.jwk.words}")
    console.print(f"    key id   {request.jwk.known_as}")
    for measure in request.measures:
        console.print(f"    reports  {measure}")
