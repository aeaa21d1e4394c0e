"""`forge up`: start everything on this machine."""

from forge_dagster.cli.options import Home


def command(home: Home = None) -> None:
    """Start server, Dagster (UI, daemon, code) and proxy under one supervisor, and wait until each answers.

    What runs already is left alone. forge down stops it all.
    """
    import os
    import sys

    from forge_dagster.bootstrap import home_folder
    from forge_dagster.cli.login_link import login_link
    from forge_dagster.cli.programs import services
    from forge_dagster.cli.starting import start
    from forge_dagster.cli.terminal import Terminal

    terminal = Terminal(sys.stdout)
    with terminal.working("starting Forge") as say:
        settings = start(home_folder(home), say)
    terminal.line(terminal.style("Forge is up", "good"))
    for part in services(settings, os.environ):
        if part.address:
            terminal.line(f"  {part.purpose:32} {part.address}")
    terminal.line(f"  {'logs':32} {settings.home / 'logs'}")
    terminal.line(f"  {'operator token':32} {settings.home / 'secrets' / 'operator-token'}")
    terminal.line(f"\nOpen {login_link(settings)}")
    terminal.line("  logs your browser in, once, within ten minutes; forge up prints another")
