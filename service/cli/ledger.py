"""`weir ledger`: check what a gateway wrote, from files alone."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from service.errors import ConfigError
from service.gateway.config import public_keys
from service.gateway.software import digest
from service.gateway.verification import Evidence, Verified
from service.gateway.verification import verify as verified
from service.measure.head import Head

app = typer.Typer(no_args_is_help=True, help="What left the site: check the ledger.")


@app.callback()
def ledger() -> None:
    """What left the site: check the ledger."""


@app.command()
def verify(
    path: Annotated[Path, typer.Argument(help="The file ledger.ndjson.")],
    archive: Annotated[
        Path | None, typer.Option(help="The gateway's folder, to check the bytes that were sent.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="The site's first ledger key (a JWK), as it named it.")
    ] = None,
    receipt_keys: Annotated[
        Path | None, typer.Option(help="The network's keys (a JWK Set), to check its receipts.")
    ] = None,
    approver: Annotated[
        list[Path] | None, typer.Option(help="An approver's public key (a JWK); or more.")
    ] = None,
    heads: Annotated[
        Path | None, typer.Option(help="What `weir network heads` printed, to find a cut end.")
    ] = None,
) -> None:
    """Check a ledger, without network and without any private key.

    Exit code 0: nothing is wrong. 1: each problem is a line.
    """
    evidence = Evidence(
        x=_first_key(key) if key else None,
        heads=_heads(heads) if heads else (),
        receipts=public_keys(receipt_keys) if receipt_keys else {},
        approvers={k: v for each in approver or () for k, v in public_keys(each).items()},
        archive=archive,
    )
    found = verified(path, evidence)
    _tell(found, evidence)
    sys.exit(1 if found.problems else 0)


@app.command()
def software() -> None:
    """Print the digest of this program's files, which the ledger's rows name."""
    sys.stdout.write(digest() + "\n")


def _tell(found: Verified, evidence: Evidence) -> None:
    for problem in found.problems:
        sys.stdout.write(f"WRONG: {problem}\n")
    if found.head is None:
        return
    sys.stdout.write(f"{found.rows} rows, {found.sent} reports received by the network\n")
    sys.stdout.write(f"head: row {found.head.seq}, {found.head.hash}\n")
    if evidence.receipts:
        sys.stdout.write(f"{found.receipts} receipts are signed by the network\n")
    else:
        sys.stdout.write("receipts were not checked: give --receipt-keys\n")
    if not evidence.heads:
        sys.stdout.write("whether the end was cut off was not checked: give --heads\n")


def _first_key(path: Path) -> str:
    (key,) = public_keys(path).values()
    return str(key.as_dict(private=False)["x"])


def _heads(path: Path) -> list[Head]:
    try:
        told = json.loads(path.read_text("utf-8"))
        return [Head(seq=each["seq"], hash=each["hash"]) for each in told]
    except (OSError, ValueError, TypeError, KeyError):
        todo = "Give the file that `weir network heads` printed"
        raise ConfigError("these are no heads", where=str(path), todo=todo) from None
