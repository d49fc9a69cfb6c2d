"""Which gateway a command is about: one of its own, or the one that a site is as well."""

import tomllib
from contextlib import suppress
from pathlib import Path

from service.errors import ConfigError
from service.events import keep_tracebacks
from service.gateway.config import GatewayConfig, load_gateway_config
from service.site.config import load_config
from service.site.keys import site_keys
from service.site.push import gateway_of


def gateway_config(path: Path) -> GatewayConfig:
    """The gateway of gateway.toml, or of a site.toml that has a [network]. Raises ConfigError."""
    with suppress(OSError, ValueError):
        if "fhir" not in tomllib.loads(path.read_text("utf-8")):
            found = load_gateway_config(path)
            keep_tracebacks(found.data_dir)
            return found
    site = load_config(path)
    keep_tracebacks(site.data_dir)
    if site.network is None:
        todo = "Its gateway is another program: give gateway.toml"
        raise ConfigError("this is an engine's configuration", where=str(path), todo=todo)
    return gateway_of(site, site.network, site_keys(site.data_dir))
