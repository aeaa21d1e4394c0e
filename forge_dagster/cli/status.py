"""`forge status`: what runs, which changes are open, what is live."""

import typer

from forge_dagster.cli.options import AsFormat, Format, Home


def command(home: Home = None, form: AsFormat = Format.TEXT) -> None:
    """Show processes, open pull requests with their last verdict, and environments with their releases and weights.

    Exit code 0 when everything runs, 3 when something does not.
    """
    import json
    import sys

    from forge_dagster.bootstrap import home_folder
    from forge_dagster.cli.overview import overview
    from forge_dagster.cli.overview_text import show
    from forge_dagster.cli.terminal import Terminal

    found = overview(home_folder(home))
    if form is Format.JSON:
        typer.echo(json.dumps(found, indent=2))
    else:
        show(Terminal(sys.stdout), found)
    raise typer.Exit(0 if found["up"] else 3)
