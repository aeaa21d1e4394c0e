"""The command `forge`: one file per command, each importing what it needs when it is called."""

import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from forge_dagster.cli import approve, audit, check, demo, doctor, down, keys, promote, reject, serve, status, token, trust, up
from forge_dagster.cli.terminal import Terminal, plain
from forge_dagster.errors import ForgeError, Interrupted
from forge_dagster.workspace.shims import with_real_programs

app = typer.Typer(
    name="forge",
    help="The pipeline that decides whether code written by agents ships.",
    epilog="Exit codes: 0 passed, 1 rejected, 2 usage or configuration, 3 errored (the machinery), 130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (check, demo, up, down, status, approve, reject, promote, trust, doctor):
    app.command(module.__name__.rpartition(".")[2])(module.command)
app.add_typer(token.app, name="token")
app.add_typer(audit.app, name="audit")
app.add_typer(keys.app, name="keys")
app.command("serve", hidden=True)(serve.command)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"forge {version('forge-dagster')}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks (or set FORGE_DEBUG=1).")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,  # noqa: ARG001
) -> None:
    """The pipeline that decides whether code written by agents ships."""
    if debug:
        os.environ["FORGE_DEBUG"] = "1"


def _stop(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _complain(error: BaseException) -> int:
    from forge_dagster.bootstrap import redactor

    terminal, known = Terminal(sys.stderr), redactor()()
    if os.environ.get("FORGE_DEBUG"):
        sys.stderr.write(known.text("".join(traceback.format_exception(error))))
    if isinstance(error, Interrupted | KeyboardInterrupt):
        terminal.line(terminal.style("interrupted", "odd"))
        return 130
    if isinstance(error, ForgeError):
        terminal.line(f"{terminal.style('forge:', 'bad')} {plain(known.text(error.message))}")
        if error.hint:
            terminal.line(f"  -> {plain(known.text(error.hint))}")
        return error.exit_code
    terminal.line(f"{terminal.style('forge:', 'bad')} unexpected {type(error).__name__}: {plain(known.text(str(error)))}")
    terminal.line("  -> this is a fault of Forge; run again with FORGE_DEBUG=1 and report what it prints")
    return ForgeError.exit_code


def main() -> NoReturn:
    """Run the command line and exit; SIGTERM and SIGHUP stop it as Ctrl-C does."""
    os.environ["PATH"] = with_real_programs(os.environ.get("PATH", os.defpath), home=Path.home())
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, _stop)
    try:
        app()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last place: every error becomes a line and a code
        sys.exit(_complain(error))
    sys.exit(0)
