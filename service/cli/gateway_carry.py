"""`weir gateway export` and `import`, `weir network import`: where no line leads to the network."""

import sys
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
    refused = sum(each.signed is None for each in done.replies)
    sys.stdout.write(f"{len(done.replies) - refused} reports received, {refused} refused\n")
    sys.exit(1 if refused else 0)
