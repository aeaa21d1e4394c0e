"""Check a work tree or commit range: the local gates of the graph on a thread pool, with no server and no Dagster."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from forge_dagster.domain.check_report import overall_outcome
from forge_dagster.domain.decisions import Risk
from forge_dagster.domain.graph import GATES, GateSpec, Job, Stage, blocked, ready
from forge_dagster.domain.light import is_light
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.policy import did_you_mean
from forge_dagster.domain.redaction import NOTHING_KNOWN, Redaction
from forge_dagster.domain.results import GateResult, gate_result
from forge_dagster.domain.risk import classify
from forge_dagster.domain.settings import Settings
from forge_dagster.errors import UsageError
from forge_dagster.ports import Checkout, Clock, Environments, Gate, Platform, Reviewer, Run, ServiceStarter
from forge_dagster.usecases.examine import examine_gate, gate_context
from forge_dagster.usecases.flaky import remembered_locally
from forge_dagster.usecases.remember import Memory


@dataclass(frozen=True, slots=True, kw_only=True)
class GateEvent:
    """A gate started (`result` is None) or is over."""

    spec: GateSpec
    result: GateResult | None = None


Progress = Callable[[GateEvent], None]


def default_workers() -> int:
    """Gates at once: one per processor, at least 4 (a stage's worth), since a gate mostly waits for its tools."""
    return max(4, os.cpu_count() or 1)


def select_gates(stages: Sequence[str] = (), names: Sequence[str] = ()) -> tuple[GateSpec, ...]:
    """The local gates of these stages or with these names; all of them where neither is given.

    A named gate brings along what it waits for in its own stage, since gates of one stage hand on artifacts
    (`coverage` reads what `unit` measured). Raises UsageError for a name that is not a local gate or a stage without one.
    """
    local = {spec.name: spec for spec in GATES if spec.local}
    if not stages and not names:
        return tuple(local.values())
    wanted: set[str] = set()
    for stage in stages:
        wanted |= {spec.name for spec in _of_stage(stage, local)}
    queue = [_named(name, local) for name in names]
    while queue:
        spec = queue.pop()
        wanted.add(spec.name)
        queue += [local[name] for name in spec.waits_for if name in local and local[name].stage is spec.stage]
    return tuple(spec for spec in local.values() if spec.name in wanted)


def _of_stage(stage: str, local: Mapping[str, GateSpec]) -> tuple[GateSpec, ...]:
    stages = list(dict.fromkeys(spec.stage.value for spec in local.values()))
    if stage not in stages:
        known = f"stages of forge check: {', '.join(stages)}"
        if stage in list(Stage):
            raise UsageError(f'stage "{stage}" needs a server; forge check cannot run it', hint=known)
        raise UsageError(f'there is no stage "{stage}"{did_you_mean(stage, stages)}', hint=known)
    return tuple(spec for spec in local.values() if spec.stage.value == stage)


def _named(name: str, local: Mapping[str, GateSpec]) -> GateSpec:
    if name in local:
        return local[name]
    known = f"gates of forge check: {', '.join(local)}"
    if any(spec.name == name for spec in GATES):
        raise UsageError(f'gate "{name}" needs a server; forge check cannot run it', hint=known)
    raise UsageError(f'there is no gate "{name}"{did_you_mean(name, local)}', hint=known)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCheck:
    """What a check needs: a tree and the means to examine it. `scratch` is an empty folder outside the tree."""

    checkout: Checkout
    specs: tuple[GateSpec, ...]
    gates: Mapping[str, Gate]
    environments: Environments
    run: Run
    clock: Clock
    scratch: Path
    workers: int
    cache: Path | None = None
    """Folder of this repository for what tools want to find again next time; None: nothing is kept."""
    memory: Memory | None = None
    """The record of earlier answers; None: every gate is asked anew."""
    services: ServiceStarter | None = None
    platforms: Mapping[str, Platform] = field(default_factory=dict)
    """Where gate `preview` starts what was built; empty: `forge check` has no such gate."""
    settings: Settings | None = None
    reviewer: Reviewer | None = None
    redaction: Redaction = NOTHING_KNOWN
    """What is blanked in the log and in every result."""
    log: Callable[[str, str], None] = lambda _gate, _line: None
    """Takes a gate's name and a line of what its tools print; called from several threads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a check found: `outcome` is PASSED, FAILED or ERRORED, and `reason` says why it is ERRORED."""

    checkout: Checkout
    results: Mapping[str, GateResult]
    outcome: Outcome
    reason: str
    risk: Risk
    duration_s: float


def check(work: LocalCheck, *, progress: Progress = lambda _event: None) -> Checked:
    """Run every gate as soon as what it waits for let it through, and say what follows; results are in the graph's order.

    `progress` is called from the calling thread only. On Ctrl-C (KeyboardInterrupt) or any other exception every tool's
    process group is killed and every thread is over before the exception leaves. Raises Interrupted if a tool was.
    """
    begun = work.clock.monotonic()
    results = _run_gates(work, progress)
    if work.memory is not None:
        work.memory.keep()
    change, policy = work.checkout.change, work.checkout.policy
    light = is_light(change.paths, policy.light)
    outcome, reason = overall_outcome(results.values(), kind_declared=policy.project.kind is not None, light=light)
    return Checked(
        checkout=work.checkout,
        results=results,
        outcome=outcome,
        reason=reason,
        risk=work.redaction.value(classify(change.paths, policy.risk)),
        duration_s=work.clock.monotonic() - begun,
    )


def _run_gates(work: LocalCheck, progress: Progress) -> dict[str, GateResult]:
    results: dict[str, GateResult] = {}
    running: dict[Future[GateResult], GateSpec] = {}
    pool = ThreadPoolExecutor(max_workers=work.workers, thread_name_prefix="gate")
    try:
        while True:
            outcomes = {name: result.outcome for name, result in results.items()}
            started = frozenset(results) | {spec.name for spec in running.values()}
            for spec in ready(work.specs, outcomes, started):
                progress(GateEvent(spec=spec))
                running[pool.submit(_examined, work, spec, dict(results))] = spec
            if not running:
                break
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                spec = running.pop(future)
                results[spec.name] = _with_history(work, future.result())
                progress(GateEvent(spec=spec, result=results[spec.name]))
        _not_run(work, results, progress)
    except BaseException:
        work.run.stop()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return {spec.name: results[spec.name] for spec in work.specs}


def _examined(work: LocalCheck, spec: GateSpec, results: Mapping[str, GateResult]) -> GateResult:
    try:
        context = gate_context(
            gate=spec.name,
            job=Job.CHANGE,
            checkout=work.checkout,
            scratch=work.scratch / spec.name,
            run=work.run,
            environments=work.environments,
            clock=work.clock,
            log=work.redaction.lines(lambda line: work.log(spec.name, line)),
            results=results,
            platform=work.platforms.get(work.checkout.policy.deploy.platform),
            cache=work.cache,
            services=work.services,
            settings=work.settings,
            reviewer=work.reviewer,
            redaction=work.redaction,
        )
    except OSError as error:
        reason = f"no scratch folder could be made: {error}\n  -> free disk space, or set TMPDIR to a place with some"
        return gate_result(spec.name, Outcome.ERRORED, reason=reason)
    if work.memory is None:
        return examine_gate(context, work.gates)
    return work.memory.answer(spec.name, lambda: examine_gate(context, work.gates))


def _with_history(work: LocalCheck, result: GateResult) -> GateResult:
    change = work.checkout.change
    return remembered_locally(work.cache, result, repository=change.repository, head=change.head_sha, at=work.clock.now())


def _not_run(work: LocalCheck, results: dict[str, GateResult], progress: Progress) -> None:
    outcomes = {name: result.outcome for name, result in results.items()}
    stopped = blocked(work.specs, outcomes)
    for spec in work.specs:
        if spec.name in results:
            continue
        by = stopped.get(spec.name)
        word = outcomes[by].value if by in outcomes else "did not run"
        reason = f"{by} {word}" if by else "what it waits for never ended"
        results[spec.name] = gate_result(spec.name, Outcome.NOT_RUN, reason=reason)
        progress(GateEvent(spec=spec, result=results[spec.name]))
