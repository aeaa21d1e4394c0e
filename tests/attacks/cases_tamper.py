"""The 25 tamper patterns: a gate that lacks the rules which a change offends against lets it through, Forge's does not.

Where the change is one of Python tests, the gate without defence is pytest's exit code.
"""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from forge_dagster import registry
from forge_dagster.domain.decisions import Decision, Risk, RiskLevel, TrustLevel
from forge_dagster.domain.graph import Job, gate_spec
from forge_dagster.domain.outcomes import Outcome, Severity
from forge_dagster.domain.results import GateResult
from forge_dagster.domain.verdict import Case, give_verdict
from forge_dagster.usecases.examine import examine_gate, gate_context
from forge_dagster.workspace.environments import DomainEnvironments
from forge_dagster.workspace.local import local_checkout
from forge_dagster.workspace.processes import ProcessRun, SystemClock
from tests.attacks.attack import Attack
from tests.attacks.tampers import BASE, TAMPERS
from tests.support.integrity_corpus import Example, asked, judged
from tests.support.repositories import TestRepository

_SHOWN_BY_PYTEST = {"01": 0, "02": 0, "03": 0, "04": 0, "05": 1, "06": 0, "07": 0, "09": 1, "10": 1, "11": 0}
"""Pattern -> which of its changes makes a red suite of pytest end with exit code 0 (or 5: no test was found)."""


def _write(folder: Path, files: Mapping[str, str | bytes | None]) -> None:
    for name, content in files.items():
        place = folder / name
        if content is None:
            place.unlink(missing_ok=True)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))


def _pytest(folder: Path, example: Example) -> int:
    _write(folder, {**BASE, **example.head, "conftest.py": example.head.get("conftest.py") or ""})
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_price.py"]
    if example.head.get("tests/test_price.py", "") is None:
        command = command[:-1]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, timeout=60).returncode


def _result(folder: Path, example: Example) -> GateResult:
    """The gate's own answer, on a repository."""
    repository = TestRepository(folder / "repo")
    _write(repository.path, {name: text for name, text in {**BASE, **example.base}.items() if text is not None})
    repository.commit()
    _write(repository.path, {**example.head, **dict.fromkeys(set((example.renamed or {}).values()))})
    for place, target in (example.links or {}).items():
        (repository.path / place).symlink_to(target)
    repository.commit()
    run = ProcessRun(home=None, run_id="attack")
    found = local_checkout(repository.path, "HEAD~1", None, run)
    found = replace(found, change=found.change.model_copy(update={"title": example.title}))
    context = gate_context(
        gate="integrity",
        job=Job.CHANGE,
        checkout=found,
        scratch=folder / "scratch",
        run=run,
        environments=DomainEnvironments(folder / "home", run, domains={}),
        clock=SystemClock(),
        log=lambda _: None,
        results={},
    )
    return examine_gate(context, registry.gates())


def _merges(result: GateResult) -> bool:
    """Whether it would be merged with nobody looking: low risk, by an agent that is trusted most."""
    case = Case(
        attempt_id=1,
        repository="o/r",
        number=1,
        head_sha="0" * 40,
        specs=(gate_spec("integrity"),),
        results={"integrity": result},
        risk=Risk(level=RiskLevel.LOW, reasons=()),
        trust=max(TrustLevel),
        kind_declared=True,
    )
    return give_verdict(case).decision is Decision.MERGE


def _blind(result: GateResult) -> GateResult:
    """The answer of a gate that lacks the rules which this change offends against."""
    left = tuple(finding for finding in result.findings if finding.severity is Severity.NOTE)
    return result.model_copy(update={"findings": left, "outcome": Outcome.PASSED})


def _attack(pattern: str, examples: tuple[Example, ...]) -> Attack:
    shown = examples[_SHOWN_BY_PYTEST.get(pattern[:2], 0)]

    def undefended(folder: Path) -> bool:
        if pattern[:2] in _SHOWN_BY_PYTEST:
            return _pytest(folder, shown) in (0, 5)
        return _merges(_blind(_result(folder, shown)))

    def defended(folder: Path) -> bool:
        return any(not asked(judged(example)) for example in examples) or _merges(_result(folder, shown))

    published = "seen of coding agents; SWE-bench Verified solved by a conftest hook"
    return Attack(name=f"tamper/{pattern}", published=published, undefended=undefended, defended=defended)


ATTACKS = tuple(_attack(pattern, examples) for pattern, examples in TAMPERS.items())
