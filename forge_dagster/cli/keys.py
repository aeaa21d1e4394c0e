"""`forge keys`: the keys that Forge signs with."""

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from forge_dagster.cli.options import Home

app = typer.Typer(help="Show and change the keys that Forge signs with.", no_args_is_help=True)


@app.command("list")
def show(home: Home = None) -> None:
    """The keys of this home, oldest first, with when they signed. Public keys lie in its folder keys/ as <id>.pub."""
    from forge_dagster.bootstrap import build_services, home_folder
    from forge_dagster.cli.terminal import Terminal
    from forge_dagster.usecases.audit import verify_ledger

    found = verify_ledger(build_services(home_folder(home)))
    terminal = Terminal(sys.stdout)
    for period in found.keys:
        until = "in force" if period.until_at is None else f"until {_time(period.until_at)} (entry {period.until})"
        terminal.line(f"{period.key}  since {_time(period.since_at)} (entry {period.since}), {until}")
    if found.fault is not None:
        terminal.line(f"{terminal.style('BROKEN', 'bad')}: {found.fault}")
        raise typer.Exit(1)


@app.command("rotate")
def rotate(
    lost: Annotated[
        bool, typer.Option("--lost", help="The old key is gone and cannot seal this: a new line of keys begins.")
    ] = False,
    home: Home = None,
) -> None:
    """Sign with a new key from now on. The old one seals the change and is destroyed; what it signed stays valid."""
    from forge_dagster.bootstrap import build_services, home_folder
    from forge_dagster.cli.terminal import Terminal

    services = build_services(home_folder(home))
    entry = services.ledger.rotate_key(by=services.settings.operator, at=services.clock.now(), lost=lost)
    terminal = Terminal(sys.stdout)
    terminal.line(f"{terminal.style('rotated', 'good')}: key {entry.body['key']} signs from entry {entry.sequence} on")
    terminal.line("  give its public key, keys/<id>.pub, to whoever checks exported logs")


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
