"""`forge check` on a tree that was judged before, every gate answered from the record, as a process from start to end.

    python benchmarks/memo.py [--rounds 15] [--path REPOSITORY]

Without a path the repository is `examples/shop` in a git repository of its own. The target: under 0.5 s.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from check_against_make import ROOT, repository

sys.path.insert(0, str(ROOT))

from tests.support.advisories import mirror

TARGET_S = 0.5


def main() -> int:
    """Measure and report; 1 when the target is missed or a gate was asked anew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--path", type=Path)
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="forge-benchmark-"))
    try:
        home = folder / "home"
        mirror(home)
        environment = {**os.environ, "FORGE_HOME": str(home)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        where = chosen.path or repository(folder, environment)
        argv = [sys.executable, "-m", "forge_dagster.cli", "check", str(where)]
        first = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        code, report = _report(argv, environment)
        asked = [gate["gate"] for gate in report["gates"] if gate["outcome"] in ("passed", "failed") and not gate["cached"]]
        times = [_timed(argv, environment, code) for _ in range(chosen.rounds)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    answered = sum(gate["cached"] for gate in report["gates"])
    middle = statistics.median(times)
    print(first.stdout.splitlines()[-1])
    print(f"re-check     {middle:.3f} s  median of {len(times)}, {min(times):.3f} to {max(times):.3f} (limit {TARGET_S} s)")
    print(f"from record  {answered} gates; asked anew: {', '.join(asked) or 'none'}")
    return 0 if middle < TARGET_S and not asked else 1


def _timed(argv: list[str], environment: dict[str, str], code: int) -> float:
    begun = time.perf_counter()
    done = subprocess.run(argv, env=environment, capture_output=True, check=False)
    seconds = time.perf_counter() - begun
    if done.returncode != code:
        raise SystemExit(f"{argv} ended with {done.returncode}, not {code}: {done.stderr.decode()}")
    return seconds


def _report(argv: list[str], environment: dict[str, str]) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    done = subprocess.run([*argv, "--format", "json"], env=environment, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)


if __name__ == "__main__":
    sys.exit(main())
