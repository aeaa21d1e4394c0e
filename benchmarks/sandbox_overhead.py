"""What the sandbox adds to a command: `true`, started outside and inside of it by turns, wall time and processor time.

    python benchmarks/sandbox_overhead.py [--rounds 41]

The target: a median of under 100 ms more per command. Processor time says what it costs however busy the machine is; wall time
includes waiting for a processor.
"""

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from forge_dagster.ports import Command, ProcessResult  # noqa: E402
from forge_dagster.workspace.processes import ProcessRun  # noqa: E402

TARGET_MS = 100.0


def main() -> int:
    """Measure and report; 1 when the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=41)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="forge-benchmark-") as folder:
        tree, cache = Path(folder) / "tree", Path(folder) / "cache"
        tree.mkdir()
        cache.mkdir()
        run = ProcessRun(home=Path(folder) / "home", run_id="benchmark")
        more = {"reads": (Path(sys.prefix),), "writes": (cache,)}
        ways: dict[str, Callable[[], ProcessResult]] = {
            "outside": lambda: run.run(Command(argv=("true",), cwd=tree, trusted=True)),
            "sandbox": lambda: run.run(Command(argv=("true",), cwd=tree, **more)),  # type: ignore[arg-type]
            "sandbox with one port": lambda: run.run(Command(argv=("true",), cwd=tree, reaches=(5432,), **more)),  # type: ignore[arg-type]
        }
        for way in ways.values():
            way()
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                taken[name].append(_measured(way))
    wall = {name: statistics.median(sample[0] for sample in samples) for name, samples in taken.items()}
    busy = {name: statistics.median(sample[1] for sample in samples) for name, samples in taken.items()}
    sys.stdout.write(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {rounds} rounds, medians in ms\n")
    for name in ways:
        sys.stdout.write(f"{name:22} wall {wall[name]:7.1f}   processor {busy[name]:6.1f}\n")
    added = wall["sandbox"] - wall["outside"]
    sys.stdout.write(f"the sandbox adds {added:.1f} ms per command (target: under {TARGET_MS:.0f})\n")
    return 0 if added < TARGET_MS else 1


def _measured(action: Callable[[], ProcessResult]) -> tuple[float, float]:
    """Wall and processor milliseconds, those of the processes that ended included."""
    begun, before = time.perf_counter(), _used()
    done = action()
    if done.exit_code != 0:
        raise RuntimeError(f"true ended with {done.exit_code}: {done.stderr!r}")
    return (time.perf_counter() - begun) * 1e3, (_used() - before) * 1e3


def _used() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    raise SystemExit(main())
