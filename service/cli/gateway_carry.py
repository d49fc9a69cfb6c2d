"""`weir gateway export` and `import`, `weir network import`: where no line leads to the network."""

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from service.cli.gateway_config import gateway_config
from service.errors import ConfigError
from service.gateway.air_gap import pack, unpack_replies
from service.gateway.gateway import open_gateway
from service.gateway.spool import write_whole

Config = Annotated[
    Path,
    typer.Option("--config", help="gateway.toml, or site.toml where one program does both."),
]
NetworkToml = Annotated[
    Path, typer.Option("--config", help="The network's configuration, network.toml.")
]

# By the statuses of `service.network.receiving`.
REFUSALS = {
    401: "not signed with a key of one of this network's sites",
    403: "of a site or measure that the sender may not report",
    409: "another report came under the same release key before",
    422: "not a report of the wire format, or of no period or measure of this network",
}


def export(config: Config, to: Annotated[Path, typer.Argument(help="The file to write.")]) -> None:
    """Pack what may be sent into a signed file, to be carried to the network."""
    with open_gateway(gateway_config(config)) as gateway:
        gateway.take_in()
        gateway.expire()
        count = pack(gateway, to)
    sys.stdout.write(f"{count} reports packed. The network's answer comes back with `import`\n")


def import_receipts(
    config: Config,
    source: Annotated[Path, typer.Argument(help="What `weir network import` wrote.")],
) -> None:
    """Take the network's signed receipts from a file that was carried back."""
    with open_gateway(gateway_config(config)) as gateway:
        count = unpack_replies(gateway, source)
    sys.stdout.write(f"{count} receipts\n")


def import_parcel(
    config: NetworkToml,
    source: Annotated[Path, typer.Argument(help="A file that `weir gateway export` wrote.")],
    receipts: Annotated[Path, typer.Option(help="The file of receipts to write, to carry back.")],
) -> None:
    """Receive reports that were carried here in a file, and write the receipts.

    Exit code 1 when any was refused; the file of receipts says so to the site, too.
    """
    from service.network.carried import receive_parcel
    from service.network.config import load
    from service.network.database import open_database
    from service.network.keyring import open_keyring

    settings = load(config)
    try:
        data = source.read_bytes()
    except OSError as error:
        raise ConfigError("the file cannot be read", where=str(source)) from error
    engine = open_database(settings.database)
    try:
        done = receive_parcel(engine, settings, open_keyring(settings.keys), data)
    finally:
        engine.dispose()
    write_whole(receipts, done.model_dump_json().encode())
    refused = Counter(each.status for each in done.replies if each.signed is None)
    received = len(done.replies) - refused.total()
    sys.stdout.write(f"{received} reports received, {refused.total()} refused\n")
    for status, count in sorted(refused.items()):
        why = REFUSALS.get(status, "see the site's ledger")
        sys.stdout.write(f"{count} refused (HTTP {status}): {why}\n")
    sys.exit(1 if refused else 0)
