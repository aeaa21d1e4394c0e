"""The gates as assets, generated from the graph of gates: one asset per gate, its materialization is the gate's result.

There are no inputs and no IO manager: a gate needs of its predecessors only that they passed, which Dagster's `deps` and the
blocking checks give, and the use cases read earlier results from the ledger. A second copy of the same values through an IO
manager would be one more thing that can differ; large artifacts are named by location in the result.
"""

from collections.abc import Callable, Iterator

import dagster as dg

from forge_dagster import registry
from forge_dagster.domain.attestations import Kind
from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.decisions import Verdict
from forge_dagster.domain.graph import GATES, GateSpec
from forge_dagster.domain.results import GateResult
from forge_dagster.errors import ForgeError, HostError, Interrupted
from forge_dagster.orchestration import interruption, step_logs
from forge_dagster.orchestration.discretion import told
from forge_dagster.orchestration.metadata import (
    Metadata,
    attempt_metadata,
    attestation_metadata,
    gate_metadata,
    plain,
    proofs_metadata,
    run_tags,
    verdict_metadata,
)
from forge_dagster.orchestration.partitions import COMMITS
from forge_dagster.orchestration.resolution import attempt_of, failure
from forge_dagster.orchestration.resources import Forge
from forge_dagster.orchestration.threads import ALWAYS_RUN
from forge_dagster.ports import Services
from forge_dagster.usecases.decide import decide
from forge_dagster.usecases.examine import examine
from forge_dagster.usecases.prove_nightly import prove_nightly
from forge_dagster.usecases.roll_out import check_health, roll_out
from forge_dagster.usecases.tell_early import told_early

CHECK = "passed"
PRIORITY_TAG = "dagster/priority"
"""Dagster's own tag (docs.dagster.io, "Prioritizing op execution")."""
POOLS = {"canary": "deploy"}
"""Pools limit how many rollouts run at a time on the instance; one per environment is the ledger's lock, since a pool's name
cannot depend on the run."""

Events = Iterator[dg.MaterializeResult]  # type: ignore[type-arg]


def _op_tags(spec: GateSpec) -> dict[str, str]:
    """Cheap gates before dear ones where not all can run at once: Dagster starts the ready step of highest priority first."""
    return {PRIORITY_TAG: str(-spec.cost), **({ALWAYS_RUN: "true"} if spec.always_run else {})}


def gate_asset(spec: GateSpec) -> dg.AssetsDefinition:
    """The asset of one gate. Its step fails when the gate did not let the change through."""

    @dg.asset(
        name=spec.name,
        group_name=spec.stage.group,
        description=spec.description,
        deps=[dg.AssetKey(name) for name in spec.waits_for],
        partitions_def=COMMITS,
        check_specs=[
            dg.AssetCheckSpec(CHECK, asset=spec.name, blocking=True, description=f"{spec.name} lets the change through")
        ],
        kinds=_kinds(spec),
        tags={"forge/stage": spec.stage.value},
        op_tags=_op_tags(spec),
        pool=POOLS.get(spec.name),
    )
    def gate(context: dg.AssetExecutionContext, forge: Forge) -> Events:
        result, metadata = _judged(context, forge, spec)
        through = result.outcome.lets_through
        summary = plain(result.summary)
        check = dg.AssetCheckResult(check_name=CHECK, passed=through, description=summary)
        yield dg.MaterializeResult(metadata=metadata, check_results=[check])
        if not through:
            raise dg.Failure(description=summary, metadata=metadata, allow_retries=False)

    return gate


def _judged(context: dg.AssetExecutionContext, forge: Forge, spec: GateSpec) -> tuple[GateResult, Metadata]:
    redaction = forge.redaction()
    log = redaction.lines(step_logs.writer())
    try:
        return _answered(context, forge, spec, log)
    except dg.DagsterExecutionInterruptedError:
        raise
    except Exception as error:
        clean = told(error, redaction)
        if clean is error:
            raise
    raise clean  # outside of the handler, so that the first one is not its context


def _answered(
    context: dg.AssetExecutionContext, forge: Forge, spec: GateSpec, log: Callable[[str], None]
) -> tuple[GateResult, Metadata]:
    run_id = context.run.run_id
    try:
        services = forge.ready()
        attempt = attempt_of(context, services, spec)
        with interruption.stopping_with(run_id, services.run_for(run_id).stop):
            result, more = _ACTIONS.get(spec.name, _examine)(context, services, attempt, spec, log)
    except Interrupted as error:
        raise dg.DagsterExecutionInterruptedError(error.message) from error
    except ForgeError as error:
        log(str(error))
        raise failure(error) from error
    log(result.summary)
    page, result = _repository_page(services, attempt), forge.redaction().value(result)
    return result, {**gate_metadata(result), **more, **attempt_metadata(attempt, repository_url=page)}


Action = Callable[[dg.AssetExecutionContext, Services, Attempt, GateSpec, Callable[[str], None]], tuple[GateResult, Metadata]]


def _examine(
    context: dg.AssetExecutionContext, services: Services, attempt: Attempt, spec: GateSpec, log: Callable[[str], None]
) -> tuple[GateResult, Metadata]:
    result = examine(services, attempt.id, spec.name, run_id=context.run.run_id, log=log)
    told_early(services, attempt, result)
    return result, {}


def _decide(
    context: dg.AssetExecutionContext, services: Services, attempt: Attempt, _spec: GateSpec, log: Callable[[str], None]
) -> tuple[GateResult, Metadata]:
    verdict: Verdict
    verdict, result = decide(services, attempt.id, run_id=context.run.run_id, log=log)
    context.instance.add_run_tags(context.run.run_id, dict(run_tags(verdict)))
    for reason in verdict.reasons:
        log(f"- {reason}")
    signed = services.ledger.statements(Kind.VERDICT, repository=attempt.repository, attempt_id=attempt.id, limit=1)
    return result, {**verdict_metadata(verdict), **attestation_metadata(signed[0].digest if signed else None)}


def _roll_out(
    context: dg.AssetExecutionContext, services: Services, attempt: Attempt, _spec: GateSpec, log: Callable[[str], None]
) -> tuple[GateResult, Metadata]:
    return roll_out(services, attempt.id, run_id=context.run.run_id, log=log), {}


def _check_health(
    context: dg.AssetExecutionContext, services: Services, attempt: Attempt, _spec: GateSpec, log: Callable[[str], None]
) -> tuple[GateResult, Metadata]:
    return check_health(services, attempt.id, run_id=context.run.run_id, log=log), {}


def _prove(
    context: dg.AssetExecutionContext, services: Services, attempt: Attempt, _spec: GateSpec, log: Callable[[str], None]
) -> tuple[GateResult, Metadata]:
    result, proofs = prove_nightly(services, attempt.id, run_id=context.run.run_id, log=log)
    return result, proofs_metadata(proofs)


_ACTIONS: dict[str, Action] = {"verdict": _decide, "canary": _roll_out, "health": _check_health, "proof": _prove}
"""Gates that act instead of examining."""


def _kinds(spec: GateSpec) -> set[str] | None:
    """The programs a gate may use, for the lineage's icons; Dagster allows three."""
    programs = sorted({tool.program for tool in registry.tools().values() if tool.gate == spec.name})
    return set(programs[:3]) or None


def _repository_page(services: Services, attempt: Attempt) -> str:
    """Where people look at the repository; empty where its host has no pages (the embedded one)."""
    local = ("http://127.0.0.1", "http://localhost")
    try:
        address = services.host_of(attempt.repository).git_url(attempt.repository).removesuffix(".git")
    except (ForgeError, HostError):
        return ""
    return "" if address.startswith(local) or not address.startswith("http") else address


GATE_ASSETS = tuple(gate_asset(spec) for spec in GATES)
"""One asset per gate, in the order of the graph."""
