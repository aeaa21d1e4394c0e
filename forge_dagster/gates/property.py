"""Gate `property`: property-based tests hold, with a seed that is recorded, so that what one run found another finds again.

Gate `unit` runs the same tests as the repository has them, often with the same examples each time; here each head draws its
own, from its commit: a new head looks elsewhere, and the same head looks at the same.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from forge_dagster.domain.changes import Change
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.policy_gates import PropertySection
from forge_dagster.domain.project import Language, Project
from forge_dagster.domain.results import GateResult, gate_result
from forge_dagster.domain.sources import SOURCE_ENDINGS, is_test
from forge_dagster.domain.test_kinds import DESELECTED, has_properties, integration_tests
from forge_dagster.gates.suites import TEXT_LIMIT, drawn, tree_text, useful_tools
from forge_dagster.gates.tool_runs import RequestExtra
from forge_dagster.gates.tooling import run_tools
from forge_dagster.ports import GateContext, Selection, Tool

_MOST_FILES = 10_000
"""Test files that are looked into."""
_NAMED = re.compile(r"(^|/)(test_[^/]*|[^/]*_tests?|tests?)\.py$|\.(test|spec)\.[cm]?[jt]sx?$")
"""Names that say that a file holds tests; what they share, such as strategies, lies in files of other names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """The gate."""

    name: str = "property"

    def examine(self, context: GateContext) -> GateResult:
        """Find the property-based tests and run them. Raises Interrupted."""
        files = property_tests(context)
        if not files:
            reason = "no property-based tests: no test file imports hypothesis or fast-check"
            return gate_result(self.name, Outcome.SKIPPED, reason=reason)
        seed = seed_of(context.change, context.policy.section(self.name, PropertySection))
        context.log(f"property-based tests in {len(files)} files, seed {seed}")
        selection = Selection(only=files, seed=seed, measure=False, gate=self.name)
        tools = _serving(useful_tools(context.project, context.root), files)
        result = run_tools(context, gate="unit", tools=tools, extra=RequestExtra(selection=selection, canary=drawn()))
        if result.outcome is Outcome.SKIPPED and any(run.reason == DESELECTED for run in result.tools):
            return result.model_copy(update={"reason": f"property-based tests ({files[0]}) are not run: {DESELECTED}"})
        if result.outcome is Outcome.SKIPPED:
            hint = "have them run by one of the test runners that Forge knows"
            reason = f"there are property-based tests ({files[0]}), and none of them was run: {result.reason}\n  -> {hint}"
            return result.model_copy(update={"outcome": Outcome.ERRORED, "reason": reason})
        if not any(_NAMED.search(path) for path in files) and {finding.rule for finding in result.findings} == {"no-tests"}:
            reason = f"no property-based tests: {files[0]} imports hypothesis or fast-check, and holds no test"
            return gate_result(self.name, Outcome.SKIPPED, reason=reason, tools=result.tools)
        metrics = {**result.metrics, "seed": float(seed), "files": float(len(files))}
        reason = f"{result.reason} (seed {seed})" if result.reason else f"seed {seed}"
        return result.model_copy(update={"metrics": metrics, "reason": reason})


def property_tests(context: GateContext) -> tuple[str, ...]:
    """Test files that import hypothesis or fast-check, but for integration tests, which need their services. Sorted."""
    left_out = set(integration_tests(context.project))
    listed = {path for part in _parts(context.project) for path in part.files}
    tests = sorted(path for path in listed if path.endswith(SOURCE_ENDINGS) and is_test(path) and path not in left_out)
    texts = ((path, tree_text(context.root, path, TEXT_LIMIT)) for path in tests[:_MOST_FILES])
    found = tuple(path for path, text in texts if text is not None and has_properties(text) and not _is_support(path))
    return tuple(path for path in found if not path.endswith(".py") or _NAMED.search(path)) or found


def seed_of(change: Change, section: PropertySection) -> int:
    """The policy's seed, else one drawn from the head's commit (of a work tree: from the commit it is compared with)."""
    if section.seed is not None:
        return section.seed
    text = f"{change.head_sha or ''}|{change.base_sha or ''}" if change.head_sha is None else change.head_sha
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:4], "big") % 2**31


def _serving(tools: Mapping[str, Tool], files: tuple[str, ...]) -> Mapping[str, Tool]:
    """The tools of those languages that the files are in."""
    languages = {Language.PYTHON if path.endswith(".py") else Language.TYPESCRIPT for path in files}
    return {name: tool for name, tool in tools.items() if tool.language in languages}


def _is_support(path: str) -> bool:
    """Whether a file beside the tests holds none itself: strategies are often shared in a conftest or a package."""
    return path.rsplit("/", 1)[-1] in ("conftest.py", "__init__.py")


def _parts(project: Project) -> tuple[Project, ...]:
    return (project, *project.parts)


ADAPTER = Property()
