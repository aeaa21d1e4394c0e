"""`forge audit`: check what Forge signed, write it to a file, answer for a release that no verdict let through."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from forge_dagster.cli.options import AsFormat, Format, Home

if TYPE_CHECKING:
    from forge_dagster.domain.log_check import LogCheck

app = typer.Typer(help="Check, export and add to the signed record of what Forge decided.", no_args_is_help=True)


@app.command("verify")
def verify(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="An exported log (default: the ledger).")] = None,
    key: Annotated[list[Path] | None, typer.Option("--key", help="Public key to trust, for FILE: Forge's keys/*.pub.")] = None,
    head: Annotated[str | None, typer.Option(metavar="DIGEST", help="A head noted earlier: the log must hold it.")] = None,
    as_format: AsFormat = Format.TEXT,
    home: Home = None,
) -> None:
    """Check the hash chain, every seal and every attestation, offline. Exit 1 names the first fault."""
    import json

    from forge_dagster.cli.terminal import Terminal, plain

    found = _checked(file, key or [], head, home)
    if as_format is Format.JSON:
        data = {
            "schema": "forge.audit-check/1",
            "ok": found.fault is None,
            "fault": found.fault,
            "entries": found.entries,
            "attestations": found.attestations,
            "unsealed": found.unsealed,
            "head": found.head,
            "keys": [period.key for period in found.keys],
        }
        typer.echo(json.dumps(data, indent=2))
    else:
        terminal = Terminal(sys.stdout)
        word = terminal.style("whole", "good") if found.fault is None else terminal.style("BROKEN", "bad")
        terminal.line(f"{word}: {found.entries} entries, {found.attestations} attestations, {len(found.keys)} keys")
        if found.fault is not None:
            terminal.line(f"  {plain(found.fault)}")
        if found.unsealed:
            terminal.line(f"  {found.unsealed} entries are older than the first key: chained, not sealed")
        terminal.line(f"  head {found.head}  (keep it elsewhere: `forge audit verify --head` finds a cut-off end by it)")
    if found.fault is not None:
        raise typer.Exit(1)


def _checked(file: Path | None, keys: list[Path], head: str | None, home: Path | None) -> "LogCheck":
    from forge_dagster.bootstrap import build_services, home_folder, public_keys, signatures
    from forge_dagster.errors import UsageError
    from forge_dagster.usecases.audit import verify_export, verify_ledger

    if file is None:
        if keys:
            raise UsageError("--key is for a FILE: this home's ledger is checked with its own keys")
        return verify_ledger(build_services(home_folder(home)), expected_head=head)
    if not keys:
        raise UsageError("a file proves nothing by itself", hint="say whose keys to trust: --key <Forge's home>/keys/<id>.pub")
    try:
        with file.open(encoding="utf-8") as lines:
            return verify_export(lines, signatures=signatures(), trusted=public_keys(keys), expected_head=head)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {file}: {error}") from error


@app.command("export")
def export(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write (default: stdout).")] = None,
    home: Home = None,
) -> None:
    """Write the log with every attestation as JSON lines; `forge audit verify FILE --key ...` checks it anywhere."""
    from forge_dagster.bootstrap import build_services, home_folder
    from forge_dagster.usecases.audit import export_lines

    services = build_services(home_folder(home))
    with _written(output) as write:
        for line in export_lines(services):
            write.write(f"{line}\n")


@contextmanager
def _written(output: Path | None) -> Iterator[TextIO]:
    from forge_dagster.errors import UsageError

    if output is None:
        yield sys.stdout
        return
    try:
        with output.open("w", encoding="utf-8") as stream:
            yield stream
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror or error}") from error


@app.command("vouch")
def vouch(
    repository: Annotated[str, typer.Argument(metavar="REPO", help="Such as acme/shop.")],
    sha: Annotated[str, typer.Argument(metavar="SHA", help="The released commit, at least 7 digits.")],
    comment: Annotated[str, typer.Option("--comment", "-m", help="Why; it is signed with the rest.")],
    home: Home = None,
) -> None:
    """Answer, as this machine's operator, for a release that no verdict let through; then run the release again."""
    from forge_dagster.bootstrap import build_services, home_folder
    from forge_dagster.cli.terminal import Terminal, plain
    from forge_dagster.usecases.prove_release import vouch as vouch_for

    services = build_services(home_folder(home))
    attempt = vouch_for(services, repository, sha, by=services.settings.operator, why=comment)
    terminal = Terminal(sys.stdout)
    said = plain(f"{services.settings.operator} answers for {attempt.partition}")
    terminal.line(f"{terminal.style('signed', 'good')}: {said}")
    terminal.line("  run its release again: materialize its partition in the Dagster UI")
