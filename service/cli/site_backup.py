"""`weir site backup` and `restore`, `weir gateway backup` and `restore`."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from service.cli.gateway_config import gateway_config
from service.gateway.backup import back_up
from service.gateway.backup import restore as fill
from service.gateway.config import GatewayConfig
from service.gateway.gateway import alone_at, open_gateway
from service.gateway.row import Restored
from service.gateway.spool import STATE
from service.site.alone import alone
from service.site.config import SiteConfig, load_config
from service.site.push import spool_of

Config = Annotated[Path, typer.Option("--config", help="The site's configuration, site.toml.")]
Gateway = Annotated[Path, typer.Option("--config", help="The gateway's, gateway.toml.")]
To = Annotated[Path, typer.Argument(help="The file to write, a ZIP. It holds secret keys.")]
Source = Annotated[Path, typer.Argument(help="A file that `backup` wrote.")]


def backup(config: Config, to: To) -> None:
    """Write outbox, history and keys into one file, and the gateway's too where this is both."""
    site = load_config(config)
    with _still(site):
        _tell(back_up(_parts(site), to), "written")


def restore(config: Config, source: Source) -> None:
    """Fill an empty data folder from a backup. The EHR's key is not in it: that is yours."""
    site = load_config(config)
    with alone(site.data_dir):
        count = fill(_parts(site), source)
        (spool_of(site) / STATE).unlink(missing_ok=True)
    if site.network is not None:
        _note_restored(gateway_config(config))
    _tell(count, "restored")


def backup_gateway(config: Gateway, to: To) -> None:
    """Write ledger, archive and keys of the gateway into one file."""
    gateway = gateway_config(config)
    with alone_at(gateway.data_dir):
        _tell(back_up({"gateway": gateway.data_dir}, to), "written")


def restore_gateway(config: Gateway, source: Source) -> None:
    """Fill an empty folder of a gateway from a backup."""
    gateway = gateway_config(config)
    count = fill({"gateway": gateway.data_dir}, source)
    _note_restored(gateway)
    _tell(count, "restored")


@contextmanager
def _still(site: SiteConfig) -> Iterator[None]:
    """Neither engine nor gateway is at work."""
    with ExitStack() as stack:
        stack.enter_context(alone(site.data_dir))
        if site.network is not None:
            stack.enter_context(alone_at(site.data_dir / "gateway"))
        yield


def _parts(site: SiteConfig) -> Mapping[str, Path]:
    parts = {"engine": site.data_dir}
    if site.history_dir and site.history_dir != site.data_dir:
        parts["history"] = site.history_dir
    return parts | ({"gateway": site.data_dir / "gateway"} if site.network else {})


def _note_restored(config: GatewayConfig) -> None:
    with open_gateway(config) as gateway:
        gateway.note(Restored())


def _tell(count: int, what: str) -> None:
    sys.stdout.write(f"{count} files {what}\n")
