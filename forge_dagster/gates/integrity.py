"""Gate `integrity`: the change is by whom it says it is, and its files are what they look like.

Findings of severity error fail it: a trailer that claims another agent's name, hidden characters, links out of the tree, a
`forge.toml` that cannot be read, and of the patterns of `domain.tampering` those that hide a failure or cannot be honest. The
others, and that the change touches what it is judged by, ask for a person (domain.verdict): honest changes do that too.
"""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from forge_dagster import registry
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.integrity import (
    hidden_findings,
    identity_findings,
    link_findings,
    path_findings,
    policy_finding,
    protected_findings,
)
from forge_dagster.domain.outcomes import Attribution, Outcome, Severity
from forge_dagster.domain.policy import POLICY_FILE, parse_policy
from forge_dagster.domain.results import GateResult, gate_result
from forge_dagster.domain.tampering.inspection import inspect
from forge_dagster.errors import ConfigurationError
from forge_dagster.gates.changed_files import read_changes
from forge_dagster.ports import GateContext

_TEXT_LIMIT = 8 * 1024 * 1024
"""Bytes of a text file that are examined."""
_PAGES = (b"%PDF-", b"%!PS-Adobe")
"""How PDF and PostScript (with .ai and .eps) begin, which no language's source can: they hold any bytes, and often no NUL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrity:
    """The gate."""

    name: str = "integrity"

    def examine(self, context: GateContext) -> GateResult:
        """Look at the identity, the changed paths and the added lines; with nothing to compare with, at the whole tree."""
        change, root = context.change, context.root.resolve()
        whole = change.base_sha is None and not change.files
        lines: dict[str, frozenset[int] | None] = dict.fromkeys(context.project.files) if whole else _changed(context)
        findings = [*identity_findings(change.identity), *protected_findings(change, context.policy.risk)]
        findings += path_findings(lines)
        findings += link_findings(_links(root, lines))
        findings += _broken_policy(root, lines)
        for path, wanted in lines.items():
            findings += _in_text(root, path, wanted)
        if change.files and context.base is not None:
            findings += inspect(read_changes(context))
        if whole:
            findings = [finding.model_copy(update={"attribution": Attribution.UNKNOWN}) for finding in findings]
        errors = [finding for finding in findings if finding.severity is Severity.ERROR]
        pushed = change.identity.pusher is not None
        examined = f"{len(lines)} files examined" if whole else f"{len(lines)} changed files examined"
        reason = examined if pushed else f"{examined}; identity not checked, since nobody pushed this to a server"
        outcome = Outcome.FAILED if errors else Outcome.PASSED
        if outcome is Outcome.PASSED and not lines and not pushed:
            outcome, reason = Outcome.SKIPPED, "the change touches no file, and nobody pushed it to a server"
        return gate_result(self.name, outcome, reason=reason, findings=findings, metrics={"files": float(len(lines))})


def _broken_policy(root: Path, paths: Collection[str]) -> Iterator[Finding]:
    """A `forge.toml` that cannot be read: once merged, it would stop every later change."""
    place = root / POLICY_FILE
    if POLICY_FILE not in paths or place.is_symlink() or not place.is_file():
        return
    with place.open("rb") as file:
        text = file.read(_TEXT_LIMIT).decode("utf-8", "replace")
    try:
        parse_policy(text, tools=registry.tools(), platforms=registry.platforms())
    except ConfigurationError as error:
        yield policy_finding(error.message, error.hint)


def _changed(context: GateContext) -> dict[str, frozenset[int] | None]:
    """Changed files that are still there -> the lines to look at (None: all, of a new file)."""
    return {
        file.path: None if file.status == "added" else file.added_lines
        for file in context.change.files
        if file.status != "removed"
    }


def _links(root: Path, paths: dict[str, frozenset[int] | None]) -> dict[str, str]:
    found = {}
    for path in paths:
        place = root / path
        if place.is_symlink():
            found[path] = str(place.readlink()) if _inside(root, place) else "/"
    return found


def _inside(root: Path, place: Path) -> bool:
    return Path(os.path.realpath(place)).is_relative_to(root)  # Path.resolve raises on a circle of links


def _in_text(root: Path, path: str, wanted: frozenset[int] | None) -> Iterator[Finding]:
    place = root / path
    if place.is_symlink() or not _inside(root, place) or not place.is_file():
        return
    with place.open("rb") as file:
        content = file.read(_TEXT_LIMIT)
    if content.isascii() or b"\0" in content[:8192] or content.startswith(_PAGES):
        return
    yield from hidden_findings(path, content.decode("utf-8", "replace"), wanted)


ADAPTER = Integrity()
