"""The nightly proof that the gates of a repository can fail (usecases/prove_gates.py), as a gate of the nightly run."""

from collections.abc import Callable

from forge_dagster import registry
from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.planted.proofs import Proved, proof_result
from forge_dagster.domain.results import GateResult, gate_result
from forge_dagster.errors import ForgeError, Interrupted, Superseded
from forge_dagster.ports import Services
from forge_dagster.usecases.check import LocalCheck
from forge_dagster.usecases.evidence import keep_result
from forge_dagster.usecases.examine import DISABLED
from forge_dagster.usecases.prove_gates import Proving, prove_gates

GATE = "proof"
Log = Callable[[str], None]


def prove_nightly(services: Services, attempt_id: int, *, run_id: str, log: Log) -> tuple[GateResult, tuple[Proved, ...]]:
    """Prove the gates of the attempt's repository, store the result, and return it with what came of each fault.

    The copies lie beside the attempt's checkout, and so in its trust domain. A gate that lets its fault through makes the
    result ERRORED. Raises Superseded and Interrupted; whatever else goes wrong is an ERRORED result.
    """
    attempt = services.ledger.claim(attempt_id, run_id)
    begun = services.clock.monotonic()
    proofs: tuple[Proved, ...] = ()
    try:
        result, proofs = _proven(services, attempt, run_id, log)
    except (Superseded, Interrupted):
        raise
    except ForgeError as error:
        result = gate_result(GATE, Outcome.ERRORED, reason=str(error))
    except Exception as error:  # noqa: BLE001 - every fault of the machinery becomes an answer
        result = gate_result(GATE, Outcome.ERRORED, reason=f"a fault in Forge: {type(error).__name__}: {error}")
    result = services.redaction().value(result).model_copy(update={"duration_s": services.clock.monotonic() - begun})
    keep_result(services, attempt, result, log=log)
    return result, proofs


def _proven(services: Services, attempt: Attempt, run_id: str, log: Log) -> tuple[GateResult, tuple[Proved, ...]]:
    checkout = services.workspace.checkout(attempt, services.host_of(attempt.repository), log=log)
    if not checkout.policy.gate(GATE).enabled:
        return gate_result(GATE, Outcome.SKIPPED, reason=DISABLED), ()
    settings, scratch = services.settings, services.workspace.scratch(attempt, GATE)
    work = LocalCheck(
        checkout=checkout,
        specs=(),
        gates=services.gates,
        environments=services.workspace.environments,
        run=services.run_for(run_id),
        clock=services.clock,
        scratch=scratch,
        workers=settings.max_parallel_gates,
        cache=settings.home / "cache" / attempt.repository / GATE,
        services=None if services.services_for is None else services.services_for(run_id),
        platforms=services.platforms if services.platforms_for is None else services.platforms_for(run_id, scratch),
        settings=settings,
        redaction=services.redaction(),
        log=lambda gate, line: log(f"{gate}: {line}"),
    )
    proofs = prove_gates(Proving(work=work, tools=registry.tools(), parent=checkout.root.parent))
    return proof_result(proofs), proofs
