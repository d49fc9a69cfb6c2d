"""`weir policy`: make, sign, check and compare policies."""

import json
import os
import sys
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from rich.console import Console
from rich.table import Table

from service.disclosure import PROFILES, simulate
from service.disclosure.policy import STRICTER_DOWN, STRICTER_UP
from service.errors import ConfigError
from service.fhir import signature
from service.site.config import load_config
from service.site.pipeline import preview
from service.site.signed_policy import read_policy, signature_path, signed_policy

app = typer.Typer(no_args_is_help=True, help="What may leave: make, sign, check, compare policies.")

PolicyFile = Annotated[Path, typer.Argument(help="The policy, a TOML file.")]


@app.command()
def key(
    path: Annotated[Path, typer.Argument(help="Where to write the private key.")],
) -> None:
    """Make a policy key. Keep the file offline; print the public half, which sites mount."""
    made = OKPKey.generate_key("Ed25519")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigError("the key cannot be written", where=str(path)) from error
    with os.fdopen(descriptor, "w") as file:
        json.dump(made.as_dict(private=True), file)
    public = made.as_dict(private=False) | {"kid": made.thumbprint(), "alg": "EdDSA", "use": "sig"}
    sys.stdout.write(json.dumps(public, indent=2, sort_keys=True) + "\n")


@app.command()
def sign(
    policy: PolicyFile,
    key: Annotated[Path, typer.Option("--key", help="The private policy key.")],
) -> None:
    """Sign a policy that can be used; the signature is written beside it."""
    read_policy(policy)
    private = _private_key(key)
    value = signature.sign(policy.read_bytes(), private, private.thumbprint())
    signature_path(policy).write_text(value + "\n")
    sys.stderr.write(f"{signature_path(policy)} is written\n")


@app.command()
def verify(
    policy: PolicyFile,
    key: Annotated[Path, typer.Option("--key", help="The public policy key, a JWK.")],
) -> None:
    """Check a policy's signature, and that the policy can be used."""
    found = signed_policy(policy, key)
    sys.stdout.write(f"{policy} is signed and can be used; {found.hash}\n")


@app.command()
def show(policy: PolicyFile) -> None:
    """Say in plain words what a policy allows, signed or not."""
    found = read_policy(policy)
    profile = PROFILES[found.profile]
    console = Console(highlight=False)
    console.print(f"[bold]{found.network}[/bold], version {found.version}; {found.legal_basis}")
    console.print(f"Profile [bold]{profile.name}[/bold]: {profile.meaning}")
    console.print(f"Source: {profile.source}", style="dim")
    table = Table("parameter", "value", "in the profile")
    for name in (*STRICTER_UP, *STRICTER_DOWN):
        of_profile = getattr(profile, name)
        table.add_row(name, str(getattr(found, name)), str(of_profile))
    table.add_row("zeros", found.zeros, profile.zeros)
    table.add_row("persons who approve each release", str(found.approvals), "0")
    table.add_row("expires", _day(found.expires), "")
    table.add_row("all networks are one reader", "yes" if found.one_reader else "no", "yes")
    console.print(table)
    released = Table("measure", "window", "from", "to", "ladder")
    for each in found.releases:
        ladder = " → ".join([each.window, *each.ladder, "withheld"])
        released.add_row(each.measure, each.window, each.first, each.last, ladder)
    console.print(released)
    strata = Table("measure", "stratifier", "strata that are told; no other is")
    for listed in found.strata:
        strata.add_row(listed.measure, listed.stratifier, ", ".join(listed.values))
    console.print(strata if found.strata else "No strata are told.")


@app.command()
def profiles() -> None:
    """List the shipped profiles, what they mean and where they come from."""
    table = Table(show_lines=True)
    table.add_column("profile", no_wrap=True, style="bold")
    table.add_column("what it means", ratio=3)
    table.add_column("source", ratio=2)
    for each in PROFILES.values():
        refused = f" Refused: {each.refused}." if each.refused else ""
        table.add_row(each.name, each.meaning + refused, each.source)
    Console(highlight=False).print(table)


@app.command(name="simulate")
def simulate_profiles(
    config: Annotated[Path, typer.Option("--config", help="The site's configuration, site.toml.")],
) -> None:
    """Show how many points each profile would keep of this site's own data, and their error.

    Reads the data of the last run, and releases nothing. The numbers are for local eyes.
    """
    seen = preview(load_config(config))
    tables = [each.result.table for each in seen.outcomes]
    table = Table("profile", "points", "kept", "mean error", "largest error")
    for name, profile in PROFILES.items():
        if not profile.refused:
            policy = seen.policy.under(name)
            found = simulate(tables, policy, b"a simulation rounds by a key of its own")
            table.add_row(
                f"[bold]{name}[/bold]" if name == seen.policy.profile else name,
                str(found.points),
                f"{found.kept} ({found.share:.0%})",
                f"{found.mean_error:.1f} pp",
                f"{found.largest_error:.1f} pp",
            )
    Console(highlight=False).print(table)


def _day(day: date | None) -> str:
    return day.isoformat() if day else "never"


def _private_key(path: Path) -> OKPKey:
    try:
        key = OKPKey.import_key(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError, KeyError, JoseError):
        # Neither repeated nor chained: what was read may be a key.
        todo = "`weir policy key` makes one"
        raise ConfigError("this is no policy key", where=str(path), todo=todo) from None
    if not key.is_private or key.curve_name != "Ed25519":
        raise ConfigError("signing needs the private half of an Ed25519 key", where=str(path))
    return key
