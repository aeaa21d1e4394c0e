"""`forge doctor`: what this machine has, what Forge needs, and what to do about the difference."""

import typer

from forge_dagster.cli.options import AsFormat, Format, Home


def command(home: Home = None, form: AsFormat = Format.TEXT) -> None:
    """Check this machine: versions, home, disk, ports, proxy. Exit code 3 when something needed is missing."""
    import json
    import sys

    from forge_dagster.bootstrap import home_folder
    from forge_dagster.cli.examinations import examine_machine
    from forge_dagster.cli.terminal import Terminal, plain

    found = examine_machine(home_folder(home))
    healthy = all(examination.state != "missing" for examination in found)
    if form is Format.JSON:
        rows = [{"name": e.name, "state": e.state, "found": e.found, "advice": e.advice} for e in found]
        typer.echo(json.dumps({"schema": "forge.doctor/1", "healthy": healthy, "examinations": rows}, indent=2))
    else:
        terminal = Terminal(sys.stdout)
        styles = {"fine": "good", "note": "odd", "missing": "bad"}
        for examination in found:
            word = terminal.style(f"{examination.state:8}", styles[examination.state])
            terminal.line(f"  {word} {examination.name:14} {plain(examination.found)}")
            if examination.advice:
                terminal.line(f"           {'':14} -> {plain(examination.advice)}")
        terminal.line(
            terminal.style("this machine is ready", "good") if healthy else terminal.style("something is missing", "bad")
        )
    raise typer.Exit(0 if healthy else 3)
