"""`forge check` on a small real repository against the same tools run by `make -j2`, both warm.

    python benchmarks/check_against_make.py [--rounds 9]

The repository is `examples/shop` in a git repository of its own. The target: at most 1.2 times make's wall time plus 0.5 s.
Both sides are run in turn, so that a busy machine is busy for both.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET_FACTOR, TARGET_START_S = 1.2, 0.5

MAKEFILE = """\
check: coverage
fast: format lint types secrets
format: ; {bin}/ruff format --check -q .
lint: ; {bin}/ruff check -q .
types: ; {bin}/mypy
secrets: ; {kingfisher} scan . --no-validate --no-update-check --redact --format json --output {scratch}/secrets.json
coverage: fast ; {bin}/pytest -q --cov --cov-branch --cov-report=json:{scratch}/cov.json --junitxml={scratch}/junit.xml
"""


def timed(argv: list[str], cwd: Path, environment: dict[str, str]) -> float:
    """Seconds of one run; fails loudly when it does not pass."""
    begun = time.perf_counter()
    done = subprocess.run(argv, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begun
    if done.returncode != 0:
        raise SystemExit(f"{argv} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return seconds


def repository(folder: Path, environment: dict[str, str]) -> Path:
    """The example, committed."""
    shop = folder / "shop"
    shutil.copytree(ROOT / "examples" / "shop", shop, ignore=shutil.ignore_patterns("*_cache", "__pycache__", ".venv"))
    for arguments in (["init", "-q"], ["add", "-A"], ["-c", "user.name=b", "-c", "user.email=b@b", "commit", "-qm", "b"]):
        subprocess.run(["git", *arguments], cwd=shop, env=environment, check=True)
    return shop


def own_environment(folder: Path, shop: Path) -> Path:
    """A virtual environment with the repository's own pins, for make's side; its folder of programs."""
    uv = str(Path(sys.executable).parent / "uv")
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run(
        [uv, "pip", "install", "-q", "--compile-bytecode", "--python", python, "-r", shop / "requirements-dev.txt"], check=True
    )
    return python.parent


def main() -> int:
    """Measure and report; 1 when the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    folder = Path(tempfile.mkdtemp(prefix="forge-benchmark-"))
    try:
        environment = {**os.environ, "FORGE_HOME": str(folder / "home")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        shop = repository(folder, environment)
        programs = own_environment(folder, shop)
        kingfisher = Path(sys.executable).parent / "kingfisher"
        (folder / "Makefile").write_text(MAKEFILE.format(bin=programs, kingfisher=kingfisher, scratch=folder))
        make = ["make", "-s", "-j2", "-f", str(folder / "Makefile"), "check"]
        forge = [sys.executable, "-m", "forge_dagster.cli", "check", str(shop), "--fresh"]
        forge += ["--stage", "fast", "--gate", "coverage"]
        for argv in (make, forge):
            timed(argv, shop, environment)
        pairs = [(timed(make, shop, environment), timed(forge, shop, environment)) for _ in range(rounds)]
        bare, checked = (statistics.median(side) for side in zip(*pairs, strict=True))
        version = [sys.executable, "-m", "forge_dagster.cli", "--version"]
        start = statistics.median(timed(version, shop, environment) for _ in range(rounds))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    limit = TARGET_FACTOR * bare + TARGET_START_S
    print(f"make -j2     {bare:.2f} s")
    print(f"forge check  {checked:.2f} s  (limit {limit:.2f} s = {TARGET_FACTOR} x make + {TARGET_START_S} s)")
    print(f"start-up     {start:.2f} s  (forge --version)")
    return 0 if checked <= limit else 1


if __name__ == "__main__":
    sys.exit(main())
