"""`forge reject`: an operator's word that a change may not be merged."""

from typing import Annotated

import typer

from forge_dagster.cli.options import Home


def command(
    change: Annotated[str, typer.Argument(metavar="REPO#N", help="The pull request, such as acme/shop#12.")],
    comment: Annotated[
        str, typer.Option("--comment", "-m", help="Why; the agent is told, and it is kept in the audit log.")
    ] = "",
    head: Annotated[str | None, typer.Option(metavar="SHA", help="Only this commit (default: the head as it is now).")] = None,
    home: Home = None,
) -> None:
    """Reject a pull request at its present head, whatever its gates say."""
    from forge_dagster.cli.deciding import decide

    decide(change, approved=False, comment=comment, head=head, home=home)
