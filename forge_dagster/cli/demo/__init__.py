"""`forge demo`: the whole story on this machine, with real pushes."""

from typing import Annotated

import typer

from forge_dagster.cli.options import Home


def command(
    home: Home = None,
    leave: Annotated[bool, typer.Option("--exit", help="Stop everything at the end instead of leaving it running.")] = False,
) -> None:
    """Start everything and play the story: release, rejection with findings, approval, canary under load, rollback.

    Uses a home of its own (~/.forge-demo) and takes a few minutes. Ctrl-C stops it and what it started.
    """
    from forge_dagster.cli.demo.story import tell

    tell(home, leave=leave)
