"""`forge approve`: an operator's word that a change may be merged."""

from typing import Annotated

import typer

from forge_dagster.cli.options import Home


def command(
    change: Annotated[str, typer.Argument(metavar="REPO#N", help="The pull request, such as acme/shop#12.")],
    comment: Annotated[str, typer.Option("--comment", "-m", help="Why; kept in the audit log.")] = "",
    head: Annotated[str | None, typer.Option(metavar="SHA", help="Only this commit (default: the head as it is now).")] = None,
    home: Home = None,
) -> None:
    """Approve a pull request at its present head: it is merged as soon as its gates have let it through."""
    from forge_dagster.cli.deciding import decide

    decide(change, approved=True, comment=comment, head=head, home=home)
