"""`weir gateway`: the program that alone speaks to the network, and the people who approve."""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from service.cli.enrol import gateway_enrol
from service.cli.gateway_carry import export, import_receipts
from service.cli.gateway_config import gateway_config
from service.cli.site_backup import backup_gateway, restore_gateway
from service.errors import ConfigError
from service.gateway.approval import Decision, approver_keys, decide
from service.gateway.config import GatewayConfig
from service.gateway.consignment import Consignment
from service.gateway.delivery import Delivered, deliver
from service.gateway.gateway import Gateway, Standing, open_gateway
from service.gateway.keys import make_approver, public_jwk, read_approver
from service.gateway.rotation import rotate as rotate_key
from service.gateway.showing import counts, replaced
from service.gateway.spool import Fate

app = typer.Typer(no_args_is_help=True, help="The program that alone speaks to the network.")
app.command(name="enrol")(gateway_enrol)
app.command()(export)
app.command(name="import")(import_receipts)
app.command(name="backup")(backup_gateway)
app.command(name="restore")(restore_gateway)

Config = Annotated[
    Path,
    typer.Option("--config", help="gateway.toml, or site.toml where one program does both."),
]
Which = Annotated[
    list[str] | None, typer.Argument(help="The beginning of a report's hash, as listed; or more.")
]
Key = Annotated[Path, typer.Option("--key", help="Your key: what `weir gateway approver` made.")]
DELIVERED, FAILED = 0, 1


@app.command()
def run(
    config: Config,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do everything but open the socket.")
    ] = False,
    every: Annotated[
        int, typer.Option(help="Go on for ever, and look again after so many seconds.", min=0)
    ] = 0,
) -> None:
    """Take what the engine left, and deliver what may go.

    Exit code 0: all that may go is delivered. 1: something waits for the network, or was refused.
    """
    settings = gateway_config(config)
    done = deliver(settings, dry_run=dry_run)
    _tell(done, dry_run)
    while every:
        time.sleep(every)
        done = deliver(settings, dry_run=dry_run)
        _tell(done, dry_run)
    left = () if dry_run else (*done.of(Fate.WAITING), *done.of(Fate.REFUSED))
    sys.exit(FAILED if left else DELIVERED)


@app.command()
def proposals(config: Config) -> None:
    """List what waits for approval: its hash, measure, period, approvals, and the days left."""
    settings = gateway_config(config)
    with open_gateway(settings) as gateway:
        gateway.take_in()
        gateway.expire()
        held = [each for each in gateway.standings() if each.fate in (Fate.HELD, Fate.EXPIRED)]
    table = Table("report", "measure", "period", "approved", "days left")
    for each in held:
        table.add_row(*_proposal(each, settings))
    Console().print(table)


@app.command()
def show(config: Config, which: Which = None) -> None:
    """Show what exactly would be sent: each count, beside that of the release before it."""
    console = Console(highlight=False)
    with open_gateway(gateway_config(config)) as gateway:
        for each in _named(gateway, which):
            console.print(_shown(gateway, each))


@app.command()
def approve(
    config: Config,
    key: Key,
    which: Which = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: I have read them.")] = False,
) -> None:
    """Approve proposals: sign the hash of exactly the bytes that are shown."""
    _decide(config, key, which, "approved", yes)


@app.command()
def decline(
    config: Config,
    key: Key,
    which: Which = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: I have read them.")] = False,
) -> None:
    """Decide that proposals are not sent."""
    _decide(config, key, which, "declined", yes)


@app.command()
def approver(
    to: Annotated[Path, typer.Argument(help="The file to write: keep it for yourself.")],
) -> None:
    """Make your own key for approving, and print its public half for the gateway's configuration.

    The password is asked for, or read from standard input.
    """
    password = _password(confirm=True)
    if len(password) < 8:
        raise ConfigError("the password is too short", todo="Use eight characters or more")
    made = make_approver(to, password)
    sys.stdout.write(json.dumps(public_jwk(made), indent=2, sort_keys=True) + "\n")


@app.command()
def rotate(config: Config) -> None:
    """Give the ledger a new key, with the former key's word for it."""
    with open_gateway(gateway_config(config)) as gateway:
        kid = rotate_key(gateway)
    sys.stdout.write(f"the ledger is signed with {kid} from now on\n")


def _tell(done: Delivered, dry_run: bool) -> None:
    console = Console(highlight=False, soft_wrap=True)
    if dry_run:
        console.print(f"{len(done.of(Fate.WAITING))} reports would be sent; nothing was")
        return
    console.print(f"{done.sent} reports delivered")
    for fate in (Fate.WAITING, Fate.HELD, Fate.REFUSED):
        for each in done.of(fate):
            taken, last = each.consignment.taken, each.consignment.last
            told = f" (HTTP {last.status} {last.issue})" if last and last.status else ""
            remind = f", expires in {each.days_left} days" if each.reminds else ""
            console.print(f"{fate}: {taken.measure}, {taken.period}{told}{remind}")


def _decide(
    config: Path, key: Path, which: Sequence[str] | None, what: Decision, yes: bool
) -> None:
    console = Console(highlight=False)
    settings = gateway_config(config)
    with open_gateway(settings) as gateway:
        gateway.take_in()
        gateway.expire()
        chosen = _named(gateway, which)
        if not chosen:
            console.print("Nothing waits for approval")
            return
        if not yes:
            for each in chosen:
                console.print(_shown(gateway, each))
            typer.confirm(f"{len(chosen)} reports: shall they be {what}?", abort=True)
        own = read_approver(key, _password())
        for each in chosen:
            decide(gateway, each, what, own)
        gateway.tell_engine()
    console.print(f"{len(chosen)} reports {what}. `weir gateway run` sends what may go")


def _named(gateway: Gateway, which: Sequence[str] | None) -> list[Consignment]:
    """The releases that are meant: all that are held, or those whose hash begins so."""
    everything = list(gateway.consignments.by_report.values())
    if not which:
        return [each for each in everything if each.fate(gateway.config.approval) is Fate.HELD]
    found = []
    for start in which:
        wanted = start.removeprefix("sha256:")
        match = [e for e in everything if e.taken.report.removeprefix("sha256:").startswith(wanted)]
        if len(match) != 1:
            problem = "no report begins so" if not match else "several reports begin so"
            raise ConfigError(problem, where=start, todo="`weir gateway proposals` lists them")
        found += match
    return found


def _proposal(standing: Standing, settings: GatewayConfig) -> tuple[str, ...]:
    each = standing.consignment
    names = {kid: name for kid, (name, _) in approver_keys(settings.approver).items()}
    by = ", ".join(names.get(kid, kid) for kid in each.approvers) or "-"
    left = "expired" if standing.fate is Fate.EXPIRED else str(standing.days_left)
    return (
        each.taken.report.removeprefix("sha256:")[:12],
        each.taken.measure,
        each.taken.period,
        f"{len(each.approvers)} of {settings.approval.persons}: {by}",
        f"[bold]{left}[/bold]" if standing.reminds else left,
    )


def _shown(gateway: Gateway, each: Consignment) -> Table:
    before = replaced(gateway, each)
    table = Table("group", "population", "would be sent", "sent before", title=_title(each))
    old = counts(before) if before else {}
    for place, told in counts(gateway.archive.find(each.taken.report)[0]).items():
        table.add_row(*place, told, old.get(place, "-"))
    return table


def _title(each: Consignment) -> str:
    taken = each.taken
    return f"{taken.measure}, {taken.period}\n{taken.report}, {taken.bytes} bytes"


def _password(*, confirm: bool = False) -> bytes:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n").encode()
    told: str = typer.prompt("Password", hide_input=True, confirmation_prompt=confirm)
    return told.encode()
