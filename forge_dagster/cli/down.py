"""`forge down`: stop everything of a home."""

from forge_dagster.cli.options import Home


def command(home: Home = None) -> None:
    """Stop everything that forge up started, running releases and previews included, and see that nothing is left.

    State stays: the next forge up starts the releases again.
    """
    import sys

    from forge_dagster.bootstrap import home_folder
    from forge_dagster.cli.stopping import stop
    from forge_dagster.cli.terminal import Terminal, plain

    terminal = Terminal(sys.stdout)
    with terminal.working("stopping Forge") as say:
        stopped = stop(home_folder(home), say)
    terminal.line(f"stopped: {plain(', '.join(stopped))}" if stopped else "nothing was running")
