"""Everything Dagster is told about Forge, in one value."""

import dagster as dg

from forge_dagster.errors import ForgeError
from forge_dagster.orchestration.assets import GATE_ASSETS
from forge_dagster.orchestration.executor import gate_executor
from forge_dagster.orchestration.jobs import JOBS
from forge_dagster.orchestration.resources import Forge
from forge_dagster.orchestration.schedules import RETENTION, nightly, retention
from forge_dagster.orchestration.sensors import RUN_STATUS, git_events, outbox, reconciliation
from forge_dagster.orchestration.watchdog import watchdog

FALLBACK_PARALLEL = 4
"""Gates at a time where the settings cannot be read; each gate then says itself what is wrong with them."""


def definitions(forge: Forge) -> dg.Definitions:
    """Assets, jobs, sensors and schedules over the home of `forge`. Raises ConfigurationError for a wrong FORGE_EXECUTOR."""

    def parallel() -> int:
        try:
            return forge.services().settings.max_parallel_gates
        except ForgeError:
            return FALLBACK_PARALLEL

    return dg.Definitions(
        assets=GATE_ASSETS,
        jobs=[*JOBS, retention],
        sensors=[git_events, reconciliation, watchdog, outbox, *RUN_STATUS],
        schedules=[nightly, RETENTION],
        resources={"forge": forge},
        executor=gate_executor(parallel=parallel),
    )
