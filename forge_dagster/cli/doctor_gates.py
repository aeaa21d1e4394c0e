"""`forge doctor --gates`: each gate of a repository is shown a fault of its own, and has to find it."""

import json
import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import typer

from forge_dagster.cli.check_text import Reporter, count, seconds
from forge_dagster.cli.terminal import Terminal, plain
from forge_dagster.domain.planted.proofs import Proof, Proved, advice, all_proven, proofs_report

_WORDS = {Proof.PROVEN: "proven", Proof.NOT_PROVEN: "NOT PROVEN", Proof.CANNOT: "cannot"}
_STYLES = {Proof.PROVEN: "good", Proof.NOT_PROVEN: "bad", Proof.CANNOT: "dim"}


def command(path: Path, *, home: Path | None, only: Collection[str], as_json: bool) -> None:
    """Prove the gates of the repository at `path`, as it is at HEAD. Raises UsageError, ConfigurationError, WorkspaceError.

    Ends with 0 where gates found their faults and none let its own through or broke down, else with 3.
    """
    from forge_dagster import registry
    from forge_dagster.bootstrap import local_check
    from forge_dagster.usecases.prove_gates import Proving, prove_gates, wanted_gates

    names = wanted_gates(only)
    reporter = Reporter(Terminal(sys.stderr), quiet=True)
    try:
        reporter.preparing("reading the repository")
        with local_check(path, specs=(), base="HEAD", head="HEAD", home=home, fresh=True, deploys=True) as work:
            change = work.checkout.change
            apart = None if work.cache is None else work.cache.parent.parent / "proof" / work.cache.name
            proving = Proving(work=replace(work, cache=apart), tools=registry.tools(), only=names, progress=reporter.progress)
            proofs = prove_gates(proving)
    finally:
        reporter.clear()
    if as_json:
        typer.echo(json.dumps(proofs_report(repository=change.repository, head=change.head_sha, proofs=proofs), indent=2))
    else:
        _write(Terminal(sys.stdout), proofs)
    raise typer.Exit(0 if all_proven(proofs) else 3)


def _write(terminal: Terminal, proofs: Collection[Proved]) -> None:
    for one in proofs:
        terminal.line(_line(terminal, one))
        if one.is_alarm:
            terminal.line(f"  {'':36} -> {advice(one)}")
    numbers = {proof: sum(one.proof is proof for one in proofs) for proof in Proof}
    cannot = f"  {numbers[Proof.CANNOT]} could not be asked" if numbers[Proof.CANNOT] else ""
    broken = sum(one.errored for one in proofs)
    if numbers[Proof.NOT_PROVEN]:
        what = f"{count(numbers[Proof.NOT_PROVEN], 'planted fault')} got through"
        terminal.line(f"{terminal.style(what, 'bad')}{cannot}")
    elif broken:
        what = f"{count(broken, 'gate')} broke down"
        terminal.line(f"{terminal.style(what, 'bad')}{cannot}")
    else:
        what = f"{count(numbers[Proof.PROVEN], 'planted fault')} found, none got through"
        terminal.line(f"{terminal.style(what, 'good' if numbers[Proof.PROVEN] else 'odd')}{cannot}")


def _line(terminal: Terminal, one: Proved) -> str:
    word = terminal.style(f"{_WORDS[one.proof]:10}", _STYLES[one.proof])
    took = seconds(one.duration_s) if one.duration_s else ""
    said = one.reason
    if one.proof is Proof.PROVEN:
        also = f", {one.reason}" if one.reason else ""
        said = f"{one.what}: found by {', '.join(one.found_by)}{also}"
    said = f"{one.part}: {said}" if one.part else said
    language = one.language.value if one.language is not None else ""
    return f"  {one.gate:12} {language:10} {word} {took:>7}  {plain(said)}".rstrip()
