"""When an earlier answer of a gate still stands: the key is a digest of all that the answer depends on. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from forge_dagster.domain.changes import Change
from forge_dagster.domain.globs import matches
from forge_dagster.domain.graph import gate_spec
from forge_dagster.domain.outcomes import Attribution, Outcome, Severity
from forge_dagster.domain.results import INSTALLING, GateResult
from forge_dagster.domain.tool_configuration import is_configuration

SCHEMA = "forge.memo/1"

_PROSE = ("**/*.md", "**/*.rst", "LICENSE*", "docs/**/*.txt")
_UNREAD: Mapping[str, tuple[str, ...]] = {"types": _PROSE, "architecture": _PROSE, "mutation": _PROSE, "sca": _PROSE}
"""Gate -> paths that its tools do not read: the rest of the tree is its slice. Any other gate's slice is the whole tree:
formatters read prose, linters read code in it, and tests may read any file."""

_OF_THE_TREE = frozenset({"format", "lint", "types", "unit", "property", "integration", "snapshot"})
"""Gates that look at the whole tree whatever was changed: one that has nothing to say of a tree says so on any base."""
_OF_THE_COMMITS = frozenset({"secrets", "integrity"})
"""Gates that read the commits and who made them, not only the tree."""
_DAILY = frozenset({"sca"})
"""Gates whose answer is about what the world knows today: remembered until the day (UTC) ends."""
_NEVER = frozenset({"review"})
"""What a reviewer wrote on a pull request may change while nothing else does."""

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """All that an answer depends on besides the change.

    Digests of Forge and its tools, of the policy, of the operator's settings, of the programs found on PATH; language and
    folder -> digest of its environment; the job, whose answers no other job may read.
    """

    forge: str
    policy: str
    settings: str
    programs: str
    environments: Mapping[str, str]
    job: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoKeys:
    """Where an answer is kept: `exact` for this very change; `anywhere` (of some gates) for any change with this tree."""

    exact: str
    anywhere: str | None = None


def memo_keys(
    gate: str, *, contents: Mapping[str, str], change: Change, head: str | None, around: Circumstances, now: float
) -> MemoKeys | None:
    """The keys of a gate's answer; None for a gate whose answers are not kept.

    `contents`: path -> digest of every file of the tree; `head`: the commit it is (or was edited from); `now`: seconds since
    the epoch.
    """
    if gate in _NEVER or not gate_spec(gate).local:
        return None
    unread = _UNREAD.get(gate, ())
    tree = hashlib.sha256()
    for path in sorted(contents):
        if not any(matches(path, pattern) for pattern in unread):
            tree.update(f"{path}\0{contents[path]}\0".encode("utf-8", "surrogatepass"))
    parts: list[object] = [SCHEMA, gate, tree.hexdigest(), around.job, around.forge, around.policy, around.settings]
    parts += [around.programs, sorted(around.environments.items())]
    if gate in _DAILY:
        parts.append(int(now // _DAY_S))
    base: list[object] = [change.base_sha]
    if gate in _OF_THE_COMMITS:
        base += [head, change.repository, change.number, change.title, change.identity.model_dump(mode="json")]
    # a change of configuration is judged under the base's as well, so its answer is about that base only
    anywhere = gate in _OF_THE_TREE and not any(is_configuration(path) for path in change.paths)
    return MemoKeys(exact=_digest([*parts, "on", base]), anywhere=_digest([*parts, "anywhere"]) if anywhere else None)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode("utf-8", "surrogatepass")).hexdigest()


def may_remember(result: GateResult, change: Change) -> bool:
    """Whether a result is an answer that the same inputs would give again.

    ERRORED and NOT_RUN are none, nor is one with a flaky finding, with a tool that failed to answer, or with findings that
    could not be compared with the base.
    """
    if result.cached or result.outcome not in (Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED):
        return False
    if any(tool.outcome is Outcome.ERRORED for tool in result.tools):
        return False
    passing = (Attribution.FLAKY, Attribution.INFRASTRUCTURE)
    if any(finding.attribution in passing for finding in result.findings):
        return False
    unknown = (f.severity is Severity.ERROR and f.attribution is Attribution.UNKNOWN for f in result.findings)
    return change.base_sha is None or result.outcome is not Outcome.FAILED or not any(unknown)


def holds_anywhere(result: GateResult) -> bool:
    """Whether a result stands for its tree on any base: it passed, and has nothing to say that a base could change."""
    return result.outcome is Outcome.PASSED and not result.findings


def recalled(result: GateResult, *, when: str, run: str, elapsed_s: float) -> GateResult:
    """The remembered `result` as the answer of now. `when` and `run` say who earned it (`run`: a page's address, or "")."""
    note = f"cached: judged {when}"
    return result.model_copy(
        update={
            "cached": True,
            "duration_s": elapsed_s,
            "metrics": {name: value for name, value in result.metrics.items() if name != INSTALLING},
            "reason": f"{result.reason} ({note})" if result.reason else note,
            "links": {**result.links, **({"judged in": run} if run else {})},
        }
    )
