"""What `forge approve` and `forge reject` have in common."""

import sys
from pathlib import Path

from forge_dagster.cli.options import split_reference
from forge_dagster.cli.terminal import Terminal, plain


def decide(reference: str, *, approved: bool, comment: str, head: str | None, home: Path | None) -> None:
    """Keep the operator's word on the pull request `reference`, and say what follows.

    Raises UsageError (no such reference, closed, another head), HostError, LedgerError.
    """
    from forge_dagster.bootstrap import build_services, home_folder
    from forge_dagster.usecases.approve import approve

    repository, number = split_reference(reference)
    services = build_services(home_folder(home))
    operator = services.settings.operator
    verdict = approve(services, repository, number, by=operator, approved=approved, comment=comment, head_sha=head)
    terminal = Terminal(sys.stdout)
    word = terminal.style("approved", "good") if approved else terminal.style("rejected", "bad")
    terminal.line(f"{word} {plain(reference)} as {plain(operator)}")
    if verdict is None:
        terminal.line("  its gates are still at work; the word is heard when they are done")
        return
    terminal.line(f"  decision: {verdict.decision.value}")
    for reason in verdict.reasons:
        terminal.line(f"  {plain(reason)}")
