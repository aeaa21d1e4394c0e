"""`forge doctor`: what this machine has and lacks, and what to do about it; with `--gates`: whether gates can fail."""

from pathlib import Path
from typing import Annotated

import typer

from forge_dagster.cli.options import AsFormat, Format, Home


def command(
    path: Annotated[Path | None, typer.Argument(help="With --gates: the repository (default: the current folder).")] = None,
    home: Home = None,
    form: AsFormat = Format.TEXT,
    gates: Annotated[
        bool,
        typer.Option("--gates", help="Plant a fault for each gate in a scratch copy of PATH; each gate has to find its own."),
    ] = False,
    gate: Annotated[list[str] | None, typer.Option(metavar="GATE", help="With --gates: only this gate (repeatable).")] = None,
) -> None:
    """Check this machine: versions, home, disk, ports, proxy. Exit code 3 when something needed is missing.

    With --gates: exit code 3 when a gate lets its planted fault through.
    """
    from forge_dagster.errors import UsageError

    if gates or gate:
        from forge_dagster.cli import doctor_gates

        doctor_gates.command(path or Path(), home=home, only=tuple(gate or ()), as_json=form is Format.JSON)
        return
    if path is not None:
        raise UsageError("a path is for the gates of a repository", hint=f"forge doctor --gates {path}")
    _machine(home, form)


def _machine(home: Path | None, form: Format) -> None:
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
