"""The fast gates of `forge check` on real repositories against the bare commands run by `make -j2`, both warm.

    python benchmarks/fast_gates.py [--rounds 7] [itsdangerous[=PATH]] [defu[=PATH]]

Each repository is cloned from GitHub, else unpacked from its source package (PyPI, npm), or copied from PATH. make runs what a
developer would, with the very programs that Forge uses; Forge runs its gates format, lint, types and secrets, remembering no
answer. The target: the gates take at most 1.15 times make's wall time, from the first one's start to the last one's end, as in
a run of the server. What `forge check` takes as a process of its own, Python's start with it, is shown beside. Rounds alternate
and medians are compared, so that a busy machine is busy for both; on a machine that is quiet for some rounds only, the fastest
rounds say more, and are shown too.
"""

import argparse
import compileall
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = 1.15
_GATES_TOOK = re.compile(r"^passed +risk \w+, ([0-9.]+)s", re.MULTILINE)
_PROGRAM = re.compile(r"^\S+ +\| (\w+)\$ (\S+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A real repository: where it comes from, and make's rules; {tool} is the program that Forge uses for it."""

    name: str
    clone: str
    package: str
    rules: tuple[str, ...]


REPOSITORIES = {
    "itsdangerous": Repository(
        name="itsdangerous",
        clone="https://github.com/pallets/itsdangerous",
        package="pypi:itsdangerous",
        rules=(
            "format: ; {ruff_format} format --check -q .",
            "lint: ; {ruff} check -q .",
            "mypy: ; {mypy}",
            "pyright: ; {pyright} && {pyright} --verifytypes itsdangerous --ignoreexternal",
        ),
    ),
    "defu": Repository(
        name="defu",
        clone="https://github.com/unjs/defu",
        package="npm:defu",
        rules=(
            "format: ; {oxfmt} --check src test",
            "lint: ; {oxlint} src",
            "types: ; {typecheck_script} run --silent test:types",
        ),
    ),
}
_SECRETS = (
    "secrets: ; {kingfisher} scan . --git-history none --no-validate --no-update-check --redact --format json "
    "--exclude .git --exclude node_modules --exclude .venv --output {scratch}/secrets.json"
)


def obtain(repository: Repository, given: str, folder: Path) -> Path:
    """A work tree in git: a clone, else the source package, committed. Raises SystemExit where neither is to be had."""
    tree = folder / repository.name
    if given:
        shutil.copytree(given, tree, symlinks=True, ignore=shutil.ignore_patterns("node_modules", ".venv", "*_cache"))
    elif _run(["git", "clone", "-q", "--depth=1", repository.clone, str(tree)], folder, check=False).returncode != 0:
        _unpack(repository.package, folder, tree)
    if not (tree / ".git").exists():
        for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=b", "-c", "user.email=b@b", "commit", "-qm", "b"]):
            _run(["git", *words], tree)
    return tree


def _unpack(package: str, folder: Path, tree: Path) -> None:
    kind, _, name = package.partition(":")
    if kind == "npm":
        packed = json.loads(_run(["npm", "pack", "--json", name], folder).stdout)[0]["filename"]
    else:
        index = os.environ.get("UV_DEFAULT_INDEX", os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple")).rstrip("/")
        with urllib.request.urlopen(f"{index}/{name}/") as page:
            found = re.findall(r'href="([^"#]+\.tar\.gz)', page.read().decode())
        packed = f"{name}.tar.gz"
        urllib.request.urlretrieve(urllib.parse.urljoin(f"{index}/{name}/", found[-1]), folder / packed)
    with tarfile.open(folder / packed) as archive:
        archive.extractall(folder / f"{name}-unpacked", filter="data")
    shutil.move(str(next((folder / f"{name}-unpacked").iterdir())), tree)


def _run(argv: list[str], cwd: Path, *, check: bool = True) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise SystemExit(f"{argv} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done


def timed(argv: list[str], cwd: Path, environment: dict[str, str]) -> tuple[float, str]:
    """Seconds of one run, and what it printed; fails loudly when it does not pass."""
    begun = time.perf_counter()
    done = subprocess.run(argv, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begun
    if done.returncode != 0:
        raise SystemExit(f"{argv} ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return seconds, done.stdout


def gates_took(said: str) -> float:
    """Seconds from the first gate's start to the last one's end, as `forge check` says it. Raises SystemExit."""
    found = _GATES_TOOK.search(said)
    if found is None:
        raise SystemExit(f"forge check did not say how long its gates took:\n{said[-1000:]}")
    return float(found.group(1))


def measure(repository: Repository, tree: Path, folder: Path, rounds: int) -> bool:
    """Print what was measured; whether the target is reached."""
    environment = {**os.environ, "FORGE_HOME": str(folder / "home")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    forge = [sys.executable, "-m", "forge_dagster.cli", "check", str(tree), "--stage", "fast", "--fresh"]
    first = subprocess.run([*forge, "--verbose"], cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if first.returncode != 0:
        raise SystemExit(f"forge check ended with {first.returncode}:\n{first.stdout[-3000:]}\n{first.stderr[-3000:]}")
    programs = dict(_PROGRAM.findall(first.stdout + first.stderr))
    makefile = folder / f"{repository.name}.mk"
    rules = [*repository.rules, _SECRETS]
    names = " ".join(rule.partition(":")[0] for rule in rules)
    lines = [rule.format(**programs, scratch=folder) for rule in rules]
    makefile.write_text(f".PHONY: fast {names}\nfast: {names}\n" + "\n".join(lines) + "\n")
    bins = {str(Path(program).parent) for tool, program in programs.items() if tool != "kingfisher"}
    bare_environment = {
        **environment,
        "PATH": os.pathsep.join([str(tree / "node_modules" / ".bin"), *bins, environment["PATH"]]),
    }
    make = ["make", "-s", "-j2", "-f", str(makefile), "fast"]
    for argv, variables in ((make, bare_environment), (forge, environment)):
        timed(argv, tree, variables)
    sides: tuple[list[float], list[float], list[float]] = ([], [], [])
    for _ in range(rounds):
        sides[0].append(timed(make, tree, bare_environment)[0])
        whole, said = timed(forge, tree, environment)
        sides[1].append(gates_took(said))
        sides[2].append(whole)
    bare, gates, whole = (statistics.median(side) for side in sides)
    fastest = [min(side) for side in sides]
    ratios = gates / bare, fastest[1] / fastest[0]
    print(f"{repository.name}: make -j2 {bare:.2f} s, gates {gates:.2f} s: {ratios[0]:.2f} x", end="")
    print(f" (fastest {fastest[0]:.2f} s, {fastest[1]:.2f} s: {ratios[1]:.2f} x; target {TARGET} x)", end="")
    print(f"; forge check as a process {whole:.2f} s: {whole / bare:.2f} x", flush=True)
    return min(ratios) <= TARGET


def main() -> int:
    """Measure and report; 1 when the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("repositories", nargs="*", default=list(REPOSITORIES))
    arguments = parser.parse_args()
    compileall.compile_dir(ROOT / "forge_dagster", quiet=2)
    folder = Path(tempfile.mkdtemp(prefix="forge-benchmark-"))
    reached = []
    try:
        for word in arguments.repositories:
            name, _, given = word.partition("=")
            repository = REPOSITORIES[name]
            reached.append(measure(repository, obtain(repository, given, folder), folder, arguments.rounds))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
