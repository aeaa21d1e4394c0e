"""`forge check`: the gates of stages 1 to 3 on a work tree or commit range, with no server."""

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from forge_dagster.usecases.check import Checked


class Format(enum.StrEnum):
    """How to say it."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


def command(
    path: Annotated[Path, typer.Argument(help="The repository, or a folder in it.")] = Path(),
    base: Annotated[
        str | None, typer.Option(metavar="REV", help="Compare with this revision (default: where the branch began).")
    ] = None,
    head: Annotated[str | None, typer.Option(metavar="REV", help="Check this revision instead of the work tree.")] = None,
    stage: Annotated[
        list[str] | None, typer.Option(metavar="STAGE", help="Only gates of this stage (repeatable): fast, tests, analysis.")
    ] = None,
    gate: Annotated[list[str] | None, typer.Option(metavar="GATE", help="Only this gate (repeatable).")] = None,
    form: Annotated[
        Format, typer.Option("--format", help="json and sarif print one object on stdout, nothing else.")
    ] = Format.TEXT,
    output: Annotated[Path | None, typer.Option(help="Write the report to this file instead of stdout.")] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, max=64, help="Gates at once (default: processors).")
    ] = None,
    fresh: Annotated[bool, typer.Option(help="Ask every gate anew, also where nothing changed since it answered.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what the tools print.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show what is detected and which tools would run, and why; run nothing.")
    ] = False,
) -> None:
    """Run the gates on a repository; nothing is sent anywhere.

    Exit code 0: passed. 1: a gate found something. 2: usage or forge.toml. 3: the machinery failed, or nothing was examined.
    """
    import sys

    from forge_dagster.bootstrap import local_check
    from forge_dagster.cli.check_text import Reporter
    from forge_dagster.cli.terminal import Terminal
    from forge_dagster.domain.outcomes import Outcome
    from forge_dagster.errors import UsageError
    from forge_dagster.usecases.check import check, select_gates

    specs = select_gates(stage or (), gate or ())
    if explain:
        from forge_dagster.cli import explain as explaining

        if form is Format.SARIF:
            raise UsageError("there is no SARIF of an explanation", hint="use --format json")
        explaining.command(path, specs=specs, base=base, head=head, as_json=form is Format.JSON, output=output)
        return
    to_screen = form is Format.TEXT and output is None
    reporter = Reporter(Terminal(sys.stdout if to_screen else sys.stderr), quiet=not to_screen, verbose=verbose)
    try:
        reporter.preparing("reading the repository")
        with local_check(path, specs=specs, base=base, head=head, workers=jobs, fresh=fresh, log=reporter.log) as work:
            reporter.head(work.checkout)
            checked = check(work, progress=reporter.progress)
    finally:
        reporter.clear()
    if to_screen:
        reporter.summary(checked)
    else:
        _deliver(checked, form, output)
        reporter.verdict(checked)
    raise typer.Exit({Outcome.PASSED: 0, Outcome.FAILED: 1}.get(checked.outcome, 3))


def _deliver(checked: "Checked", form: Format, output: Path | None) -> None:
    import json

    from forge_dagster.cli.check_text import as_text
    from forge_dagster.cli.terminal import write_file
    from forge_dagster.domain.check_report import check_report
    from forge_dagster.domain.sarif import sarif

    if form is Format.SARIF:
        text = json.dumps(sarif(checked.results.values()), indent=2) + "\n"
    elif form is Format.JSON:
        change = checked.checkout.change
        report = check_report(
            repository=change.repository,
            base=change.base_sha,
            head=change.head_sha,
            outcome=checked.outcome,
            risk=checked.risk,
            results=checked.results,
        )
        text = json.dumps(report, indent=2) + "\n"
    else:
        text = as_text(checked)
    if output is not None:
        write_file(output, text)
    else:
        typer.echo(text, nl=False)
