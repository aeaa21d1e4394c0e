"""`forge trust`: how far an agent may merge without a person."""

import re
import sys
from typing import Annotated

import typer

from forge_dagster.cli.options import Home

_LEVEL = re.compile(r"[lL]?([0-3])")


def command(
    repository: Annotated[str, typer.Argument(metavar="REPO", help="Such as acme/shop.")],
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="Its login, such as forge/builder-01.")],
    level: Annotated[str | None, typer.Argument(metavar="[LEVEL]", help="L0 to L3; without it, the present level.")] = None,
    comment: Annotated[str, typer.Option("--comment", "-m", help="Why; it is kept in the sealed log.")] = "",
    home: Home = None,
) -> None:
    """Show or set how far an agent is trusted in a repository: L0 merges nothing alone, L3 all but critical paths."""
    from forge_dagster.bootstrap import build_services, home_folder
    from forge_dagster.cli.terminal import Terminal, plain
    from forge_dagster.domain.decisions import TrustLevel
    from forge_dagster.errors import UsageError
    from forge_dagster.usecases.evidence import signed_trust
    from forge_dagster.usecases.set_trust import set_trust

    services = build_services(home_folder(home))
    if level is not None:
        found = _LEVEL.fullmatch(level)
        if found is None:
            raise UsageError(f"{level!r} is no trust level", hint="give L0, L1, L2 or L3")
        set_trust(
            services,
            agent=agent,
            repository=repository,
            level=TrustLevel(int(found[1])),
            by=services.settings.operator,
            why=comment,
        )
    said = signed_trust(services, agent=agent, repository=repository)
    Terminal(sys.stdout).line(f"{plain(agent)} is at L{said.value} in {plain(repository)}")
