"""Let one gate judge one attempt, and keep its result."""

import errno
import hashlib
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.graph import Job
from forge_dagster.domain.light import is_light
from forge_dagster.domain.outcomes import Attribution, Category, Outcome
from forge_dagster.domain.redaction import NOTHING_KNOWN, Redaction
from forge_dagster.domain.results import INSTALLING, GateResult, gate_result
from forge_dagster.domain.settings import Settings
from forge_dagster.errors import Conflict, ForgeError, Interrupted, Superseded
from forge_dagster.ports import (
    Checkout,
    Clock,
    Environments,
    Gate,
    GateContext,
    Platform,
    Reviewer,
    Run,
    Services,
    ServiceStarter,
)
from forge_dagster.usecases.deadline import Deadline, limited
from forge_dagster.usecases.evidence import keep_result
from forge_dagster.usecases.flaky import remembered
from forge_dagster.usecases.preparation import Preparation
from forge_dagster.usecases.remember import Memory
from forge_dagster.workspace.circumstances import circumstances
from forge_dagster.workspace.contents import tree_contents
from forge_dagster.workspace.detect import detect, list_files

Log = Callable[[str], None]

DISABLED = "disabled by policy"
_WORTH_TELLING_S = 1.0
LIGHT = "the change touches documents only: light path (forge.toml, [light])"


def examine(services: Services, attempt_id: int, gate: str, *, run_id: str, log: Log) -> GateResult:
    """Judge `attempt_id` by the gate called `gate` in the Dagster run `run_id`, store the result and return it.

    No known secret is in the result; `log` gets lines as they are.

    Whatever goes wrong in the gate is an ERRORED result. Raises only Superseded (another run is the effective one, or the
    attempt is over), Interrupted (the run was cancelled: nothing is stored), and what the ledger itself raises when it cannot
    be reached, since then there is no place to keep an answer; the verdict counts a missing result as ERRORED.
    """
    attempt = services.ledger.claim(attempt_id, run_id)
    results = services.ledger.results(attempt_id)
    earlier = results.get(gate)
    if earlier is not None and may_resume(attempt, earlier) and artifact_intact(earlier):
        log(f"{gate}: what an earlier run of this release built is still there and is used again")
        return earlier.model_copy(update={"cached": True})
    begun = services.clock.monotonic()
    redaction = services.redaction()
    tree = base = None
    try:
        checkout = services.workspace.checkout(attempt, services.host_of(attempt.repository), log=log)
        context = gate_context(
            gate=gate,
            job=attempt.job,
            checkout=checkout,
            scratch=services.workspace.scratch(attempt, gate),
            run=services.run_for(run_id),
            environments=services.workspace.environments,
            clock=services.clock,
            log=log,
            results=results,
            platform=services.platforms.get(checkout.policy.deploy.platform),
            artifacts=services.settings.home / "artifacts" / attempt.repository / attempt.job.value / attempt.head_sha,
            cache=services.settings.home / "cache" / attempt.repository / attempt.job.value,
            services=None if services.services_for is None else services.services_for(run_id),
            settings=services.settings,
            reviewer=services.reviewer,
            redaction=redaction,
        )
        memory = _memory(services, attempt, checkout, context, run_id)
    except (Superseded, Interrupted):
        raise
    except Exception as error:  # noqa: BLE001 - every fault of the machinery becomes an answer
        result = _conflicting(gate, error) if isinstance(error, Conflict) else _errored(gate, error, log)
        result = result.model_copy(update={"duration_s": services.clock.monotonic() - begun})
    else:
        tree, base = checkout.tested_tree, checkout.change.base_sha
        result = memory.answer(gate, lambda: examine_gate(context, services.gates))
        memory.keep()
    result = redaction.value(remembered(services, attempt, result))
    keep_result(services, attempt, result, tree=tree, base=base, log=log)
    return result


def _memory(services: Services, attempt: Attempt, checkout: Checkout, context: GateContext, run_id: str) -> Memory:
    """The record, for changes only: a release is built anew, and a nightly run asks every gate."""
    wanted = attempt.job is Job.CHANGE and services.settings.memo and services.memo_of is not None
    return Memory(
        memo=services.memo_of(attempt) if wanted and services.memo_of is not None else None,
        checkout=checkout,
        contents=lambda: tree_contents(checkout.root, context.run),
        around=lambda: circumstances(
            checkout,
            environments=context.environments,
            tools={tool.name: tool for tool in services.tools},
            settings=services.settings,
            job=attempt.job,
        ),
        clock=services.clock,
        run=services.run_url(run_id),
    )


def may_resume(attempt: Attempt, earlier: GateResult) -> bool:
    """Whether a result of an earlier run of the same attempt stands: only a release's build, so that a killed worker's
    successor rolls out the very artifact that the rollout began with.
    """
    return attempt.job is Job.RELEASE and earlier.gate == "build" and earlier.outcome is Outcome.PASSED


def gate_context(
    *,
    gate: str,
    job: Job,
    checkout: Checkout,
    scratch: Path,
    run: Run,
    environments: Environments,
    clock: Clock,
    log: Log,
    results: Mapping[str, GateResult],
    platform: Platform | None = None,
    artifacts: Path | None = None,
    cache: Path | None = None,
    services: ServiceStarter | None = None,
    settings: Settings | None = None,
    reviewer: Reviewer | None = None,
    redaction: Redaction = NOTHING_KNOWN,
) -> GateContext:
    """What the gate may look at. Makes the folder `scratch`; the others are made by the gate that needs them."""
    scratch.mkdir(parents=True, exist_ok=True)
    return GateContext(
        gate=gate,
        job=job,
        change=checkout.change,
        project=checkout.project,
        policy=checkout.policy,
        root=checkout.root,
        scratch=scratch,
        run=run,
        environments=environments,
        clock=clock,
        log=log,
        results=dict(results),
        platform=platform,
        base=checkout.base,
        detect=lambda tree: detect(tree, list_files(tree, run)).allowing(checkout.policy.project.install_scripts),
        artifacts=artifacts,
        cache=cache,
        services=services,
        settings=settings,
        reviewer=reviewer,
        redaction=redaction,
    )


def examine_gate(context: GateContext, gates: Mapping[str, Gate]) -> GateResult:
    """Judge by one gate under its policy: switched off, time limit, duration, and faults turned into ERRORED. The limit is for
    what the gate does itself, not for the environments that it waits for.

    Raises only Interrupted (the run was cancelled).
    """
    section = context.policy.gate(context.gate)
    if not section.enabled:
        return gate_result(context.gate, Outcome.SKIPPED, reason=DISABLED)
    light = context.policy.light
    if context.job is Job.CHANGE and context.gate not in light.gates and is_light(context.change.paths, light):
        return gate_result(context.gate, Outcome.SKIPPED, reason=LIGHT)
    gate = gates.get(context.gate)
    if gate is None:
        reason = f'this installation of Forge has no gate "{context.gate}"\n  -> install Forge again'
        return gate_result(context.gate, Outcome.ERRORED, reason=reason)
    begun = context.clock.monotonic()
    prepared = Preparation(context.environments, context.clock)
    run = Deadline(inner=context.run, clock=context.clock, at=begun + section.timeout, more=lambda: prepared.seconds)
    try:
        result = gate.examine(replace(context, run=run, environments=prepared))
    except (Superseded, Interrupted):
        raise
    except Exception as error:  # noqa: BLE001 - every fault of the machinery becomes an answer
        result = _errored(context.gate, error, context.log)
    elapsed = context.clock.monotonic() - begun
    result = context.redaction.value(result)
    waited = prepared.seconds
    result = limited(result, elapsed_s=elapsed - waited, limit_s=section.timeout)
    metrics = {**result.metrics, INSTALLING: round(waited, 1)} if waited >= _WORTH_TELLING_S else result.metrics
    return result.model_copy(update={"duration_s": elapsed, "metrics": metrics})


def _conflicting(gate: str, error: Conflict) -> GateResult:
    finding = Finding(
        tool="git", rule="merge-conflict", message=error.message, category=Category.INTEGRITY,
        attribution=Attribution.NEW, suggested_fix=error.hint,
    )  # fmt: skip
    return gate_result(gate, Outcome.FAILED, reason="the change cannot be merged into its base", findings=[finding])


def _errored(gate: str, error: Exception, log: Log) -> GateResult:
    if isinstance(error, ForgeError):
        return gate_result(gate, Outcome.ERRORED, reason=str(error))
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        reason = f"the disk is full ({error})\n  -> free space where Forge's home is, then run the gate again"
        return gate_result(gate, Outcome.ERRORED, reason=reason)
    for line in traceback.format_exception(error):
        log(line.rstrip("\n"))
    hint = "this is a fault in Forge, not in the change: run the gate again, and report it"
    reason = f"{type(error).__name__}: {error} (at {_place(error)})\n  -> {hint}"
    return gate_result(gate, Outcome.ERRORED, reason=reason)


def _place(error: Exception) -> str:
    """File and line where an unexpected exception was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "an unknown place"
    last = frames[-1]
    parts = Path(last.filename).parts
    return f"{'/'.join(parts[-3:])}:{last.lineno}, in {last.name}"


def artifact_intact(result: GateResult) -> bool:
    """Whether the artifact a result speaks of is still on disk, byte for byte."""
    path = Path(result.artifacts.get("artifact", ""))
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return False
    return result.artifacts.get("digest") == f"sha256:{digest}"
