"""From a stored webhook to the first gate: the sensor, the queue, the worker's start, as they are in production.

    python benchmarks/event_to_gate.py [--events 9]

A Dagster daemon with `dagster.yaml` of this repository over a temporary home with scripted gates, on SQLite; events come at
random moments. The target is a median under 5 s.
"""

import argparse
import itertools
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.fakes.forge_home import announce, forge_home, open_pull_request  # noqa: E402 - not installed

TARGET_S = 5.0
LONGEST_S = 120.0
MODULE = "tests.fakes.forge_home"
PHASES = {
    "sensor": dg.DagsterEventType.RUN_ENQUEUED,
    "queue": dg.DagsterEventType.RUN_STARTING,
    "worker": dg.DagsterEventType.RUN_START,
    "executor": dg.DagsterEventType.STEP_START,
}
"""What takes the time, and the event that ends it."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="forge-bench-") as folder:
        home = Path(folder) / "dagster"
        home.mkdir()
        shutil.copy(ROOT / "dagster.yaml", home)
        with (
            forge_home(Path(folder) / "forge") as services,
            dg.DagsterInstance.from_config(str(home)) as instance,
            _daemon(home),
        ):
            phases = []
            for number in range(1, options.events + 2):
                pull = open_pull_request(number=number, sha=f"{number:040x}")
                begun = time.time()
                announce(services, pull, delivery=str(number))
                phases.append(_phases(instance, number, begun))
                time.sleep(random.uniform(0.0, 5.0))  # the moments at which people push
    phases = phases[1:]  # the daemon and its code server were starting
    for name, column in zip((*PHASES, "event to first gate"), zip(*phases, strict=True), strict=True):
        print(f"{name:20} median {statistics.median(column):6.2f} s (min {min(column):.2f}, max {max(column):.2f})")
    print(f"n={len(phases)}, load {os.getloadavg()[0]:.1f}")
    sys.exit(0 if statistics.median(row[-1] for row in phases) < TARGET_S else 1)


@contextmanager
def _daemon(home: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "dagster._daemon", "run", "-m", MODULE, "-a", "defs"]
    quiet = subprocess.DEVNULL
    daemon = subprocess.Popen(command, env={**os.environ, "DAGSTER_HOME": str(home)}, cwd=ROOT, stdout=quiet, stderr=quiet)
    try:
        yield
    finally:
        daemon.terminate()
        daemon.wait(60)


def _phases(instance: dg.DagsterInstance, number: int, begun: float) -> list[float]:
    """Seconds of each phase of the pull request's run, and of all; waits until the run is over."""
    until = time.monotonic() + LONGEST_S
    filters = dg.RunsFilter(tags={"forge/pr": str(number)}, statuses=[dg.DagsterRunStatus.SUCCESS])
    while time.monotonic() < until:
        for run in instance.get_runs(filters):
            logs = instance.all_logs(run.run_id)
            moments = [begun, *(min(e.timestamp for e in logs if _is(e, kind)) for kind in PHASES.values())]
            return [*(after - before for before, after in itertools.pairwise(moments)), moments[-1] - begun]
        time.sleep(0.1)
    raise SystemExit(f"no run of pull request {number} succeeded within {LONGEST_S:.0f} s")


def _is(entry: dg.EventLogEntry, kind: dg.DagsterEventType) -> bool:
    return entry.dagster_event is not None and entry.dagster_event.event_type is kind


if __name__ == "__main__":
    main()
