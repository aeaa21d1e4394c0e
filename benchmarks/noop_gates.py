"""What the machinery itself costs: 25 gates that do nothing, in six levels, by Forge's executor in a started run worker.

    python benchmarks/noop_gates.py [--runs 9] [--processes]

Stock SQLite storage in a temporary DAGSTER_HOME. The target is a median under 3.5 s. `--processes` also runs the stock
multiprocess executor once, for comparison (a minute or so).
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.execution.api import execute_run_iterator

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from forge_dagster.orchestration.executor import gate_executor

LEVELS = (4, 5, 5, 5, 5, 1)
TARGET_S = 3.5


def _gates() -> Iterator[dg.AssetsDefinition]:
    before: list[str] = []
    for level, count in enumerate(LEVELS):
        names = [f"gate_{level}_{number}" for number in range(count)]
        for name in names:
            yield _gate(name, before)
        before = names


def _gate(name: str, before: list[str]) -> dg.AssetsDefinition:
    @dg.asset(name=name, deps=before, check_specs=[dg.AssetCheckSpec("passed", asset=name, blocking=True)])
    def gate() -> dg.MaterializeResult:  # type: ignore[type-arg]
        return dg.MaterializeResult(check_results=[dg.AssetCheckResult(check_name="passed", passed=True)])

    return gate


def job() -> dg.JobDefinition:
    """The job, found by reconstruction in a run worker."""
    executor = gate_executor(parallel=lambda: 4)
    return dg.Definitions(assets=list(_gates()), jobs=[dg.define_asset_job("noop")], executor=executor).resolve_job_def("noop")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--processes", action="store_true")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="forge-bench-") as home,
        dg.DagsterInstance.from_config(_configured(home)) as instance,
    ):
        threads = [_measure(instance, "threads") for _ in range(options.runs + 1)][1:]
        _report("threads", threads)
        if options.processes:
            _report("multiprocess", [_measure(instance, "multiprocess")])
    sys.exit(0 if statistics.median(wall for wall, _ in threads) < TARGET_S else 1)


def _configured(home: str) -> str:
    (Path(home) / "dagster.yaml").write_text(
        "telemetry: {enabled: false}\npython_logs: {python_log_level: INFO}\n"
    )  # as in dagster.yaml
    os.environ["DAGSTER_HOME"] = home
    return home


def _measure(instance: dg.DagsterInstance, executor: str) -> tuple[float, float]:
    """Wall and CPU seconds of one run."""
    config: dict[str, Any] = {"execution": {"config": {executor: {}}}}
    run = instance.create_run_for_job(job(), run_config=config)  # the daemon's part: it makes and queues the run
    wall, cpu = time.perf_counter(), time.process_time()
    events = execute_run_iterator(dg.reconstructable(job), run, instance)  # the worker's part
    assert any(event.event_type_value == "PIPELINE_SUCCESS" for event in list(events))
    return time.perf_counter() - wall, time.process_time() - cpu


def _report(name: str, figures: list[tuple[float, float]]) -> None:
    walls, cpus = zip(*figures, strict=True)
    print(
        f"{name:12} {sum(LEVELS)} gates, n={len(walls)}: median {statistics.median(walls):.2f} s "
        f"(min {min(walls):.2f}, max {max(walls):.2f}), CPU {statistics.median(cpus):.2f} s, load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
