"""`forge promote`: an operator's word on a rollout that waits for one."""

from typing import Annotated

import typer

from forge_dagster.cli.options import Home


def command(
    environment: Annotated[
        str, typer.Argument(metavar="ENVIRONMENT", help="As forge status shows it, such as acme/shop/production.")
    ],
    abort: Annotated[bool, typer.Option("--abort", help="Take the release back instead.")] = False,
    comment: Annotated[str, typer.Option("--comment", "-m", help="Why; kept in the audit log.")] = "",
    home: Home = None,
) -> None:
    """Let a paused rollout go on to its next step: too little traffic told the judge nothing, and a person decides."""
    import sys

    from forge_dagster.bootstrap import build_services, home_folder
    from forge_dagster.cli.terminal import Terminal, plain
    from forge_dagster.usecases.promote import promote

    services = build_services(home_folder(home))
    rollout = promote(services, environment, by=services.settings.operator, approved=not abort, comment=comment)
    terminal = Terminal(sys.stdout)
    word = terminal.style("going back", "bad") if abort else terminal.style("going on", "good")
    terminal.line(f"{word}: {plain(environment)}, release {plain(rollout.release.sha[:12])}")
