"""From a stored webhook to the first gate: the sensor, the queue, the worker's start, as they are in production.

    python benchmarks/event_to_gate.py [--events 9]

A Dagster daemon with `dagster.yaml` of this repository over a temporary home with scripted gates, on SQLite; events come at
random moments. The target is a median under 5 s.
"""

import argparse
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

from tests.fakes.forge_home import announce, forge_home, open_pull_request

TARGET_S = 5.0
LONGEST_S = 120.0
MODULE = "tests.fakes.forge_home"


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
            waits = []
            for number in range(1, options.events + 2):
                pull = open_pull_request(number=number, sha=f"{number:040x}")
                begun = time.time()
                announce(services, pull, delivery=str(number))
                waits.append(_first_gate(instance, number) - begun)
                time.sleep(random.uniform(0.0, 5.0))  # the moments at which people push
    waits = waits[1:]  # the daemon and its code server were starting
    median = statistics.median(waits)
    print(f"event to first gate, n={len(waits)}: median {median:.2f} s (min {min(waits):.2f}, max {max(waits):.2f}), "
          f"load {os.getloadavg()[0]:.1f}")  # fmt: skip
    sys.exit(0 if median < TARGET_S else 1)


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


def _first_gate(instance: dg.DagsterInstance, number: int) -> float:
    """When the first step of the pull request's run started, seconds since the epoch; waits until the run is over."""
    until = time.monotonic() + LONGEST_S
    while time.monotonic() < until:
        for run in instance.get_runs(dg.RunsFilter(tags={"forge/pr": str(number)}, statuses=[dg.DagsterRunStatus.SUCCESS])):
            started = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_START)
            return min(entry.timestamp for entry in started)
        time.sleep(0.1)
    raise SystemExit(f"no run of pull request {number} succeeded within {LONGEST_S:.0f} s")


if __name__ == "__main__":
    main()
