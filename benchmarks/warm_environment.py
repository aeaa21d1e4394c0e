"""A warm environment: `Environments.of` and `Environments.digest` where everything is installed, for Python and JavaScript.

    python benchmarks/warm_environment.py [--rounds 20]

Python: a uv project with some twenty locked packages. JavaScript: a project with eslint and its packages, in the user's own
tree, in a checkout that has been installed, and in a new checkout of a lock that an earlier one had (a real copy, since what a
change runs must not write into the next). The target: each under 1 s; a digest is asked for each gate and takes milliseconds.
A Python environment knows where its project lies, so that a new checkout has one of its own: links to the files of one in
which no code ran, since what a change runs must not write into the next; "packaged" is a project that is installed in place.
"pinned" is one whose requirement files have hashes, "poetry" one with a poetry.lock.
For these the CPU time is shown too, Forge's and its child processes': the wall clock of a busy machine says little.
"""

import argparse
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from forge_dagster.domain.project import Language, Project
from forge_dagster.workspace.detect import detect, existing, walk
from forge_dagster.workspace.environments import LocalEnvironments
from forge_dagster.workspace.processes import ProcessRun
from forge_dagster.workspace.python_environments import uv_program

TARGET_S = 1.0
PYPROJECT = """\
[project]
name = "shop"
version = "1"
requires-python = ">=3.11"
dependencies = ["httpx", "pydantic", "jinja2"]
[dependency-groups]
dev = ["pytest", "pytest-cov", "mypy", "ruff"]
"""
BARE = "[tool.uv]\npackage = false\n"
PACKAGED = """\
[project.scripts]
shop = "shop:main"
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
"""
POETRY = """\
[build-system]
requires = ["poetry-core"]
build-backend = "poetry.core.masonry.api"
"""
PACKAGE = {"name": "web", "version": "1.0.0", "devDependencies": {"eslint": "9.39.1", "typescript": "5.9.3", "mocha": "11.7.4"}}


def project(root: Path) -> Project:
    return detect(root, existing(root, walk(root)))


def python_tree(folder: Path, home: Path, kind: str) -> Path:
    """A uv project with its lock; `kind` ends its pyproject.toml."""
    (folder / "src/shop").mkdir(parents=True)
    (folder / "src/shop/__init__.py").write_text("def main() -> None:\n    print('open')\n")
    (folder / "pyproject.toml").write_text(PYPROJECT + kind)
    (folder / "test_shop.py").write_text("def test() -> None:\n    assert True\n")
    environment = {**os.environ, "UV_CACHE_DIR": str(home / "cache/uv-local")}
    subprocess.run([uv_program(), "lock", "-q"], cwd=folder, check=True, env=environment)
    return folder


def without_uv(tree: Path, folder: Path) -> tuple[Path, Path]:
    """The same packages as the uv project `tree` has locked: by requirements with hashes, and as a package by poetry.lock."""
    exporting = (uv_program(), "export", "-q", "--frozen", "--all-groups", "--no-emit-project", "--no-annotate")
    hashed = subprocess.run(exporting, cwd=tree, check=True, capture_output=True, text=True).stdout
    pinned, poetry = folder / "pinned", folder / "poetry"
    for root in (pinned, poetry):
        shutil.copytree(tree, root, ignore=shutil.ignore_patterns("uv.lock", "pyproject.toml"))
    (pinned / "requirements.txt").write_text(hashed)
    (poetry / "pyproject.toml").write_text(PYPROJECT + POETRY)
    versions = re.findall(r"^([\w.-]+)==([\w.]+)", hashed, re.MULTILINE)
    locked = (f'[[package]]\nname = "{name}"\nversion = "{version}"\n' for name, version in versions)
    (poetry / "poetry.lock").write_text("\n".join(locked))
    return pinned, poetry


def node_tree(folder: Path, home: Path, lock: str | None = None) -> Path:
    """A JavaScript project with its lock."""
    folder.mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps(PACKAGE))
    if lock is not None:
        (folder / "package-lock.json").write_text(lock)
        return folder
    environment = {**os.environ, "npm_config_cache": str(home / "cache/npm-local")}
    subprocess.run(["npm", "install", "--package-lock-only", "--silent"], cwd=folder, check=True, env=environment)
    return folder


def seconds(action: Callable[[], object], rounds: int) -> list[float]:
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        action()
        taken.append(time.perf_counter() - begun)
    return taken


def show(name: str, taken: list[float]) -> bool:
    """Print one line; whether the slowest is within the target."""
    median, worst = statistics.median(taken), max(taken)
    print(f"{name:58} {median * 1000:8.1f} ms  (worst {worst * 1000:.1f} ms, {len(taken)} rounds)")
    return worst < TARGET_S


def installed(environments: LocalEnvironments, root: Path) -> object:
    return environments.of(Language.PYTHON, root=root, project=project(root), log=lambda _: None)


def cpu_s() -> float:
    """CPU seconds of this process and of the children it has waited for (getrusage(2))."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def python_again(environments: LocalEnvironments, owner: str, tree: Path, folder: Path, rounds: int) -> bool:
    """New checkouts of a lock that an earlier one had; whether the slowest is within the target."""
    taken, used = [], []
    for number in range(min(rounds, 5)):
        root = shutil.copytree(tree, folder / f"{owner} {number}")
        found = project(root)
        before = cpu_s()
        taken += seconds(lambda r=root, p=found: environments.of(Language.PYTHON, root=r, project=p, log=lambda _: None), 1)  # type: ignore[misc]
        used.append(cpu_s() - before)
    met = show(f"python in {owner}, same lock: of", taken)
    print(f"{'':58} {statistics.median(used) * 1000:8.1f} ms of CPU")
    return met


def measure(folder: Path, rounds: int) -> bool:
    """Install everything once, then measure; whether each target is met."""
    home = folder / "home"
    home.mkdir()
    run = ProcessRun(home=home, run_id="benchmark")
    mine, change = LocalEnvironments(home, run), LocalEnvironments(home, run, domain="change")
    trees = {Language.PYTHON: python_tree(folder / "python", home, BARE), Language.TYPESCRIPT: node_tree(folder / "node", home)}
    good = []
    for environments, owner in ((mine, "the user's tree"), (change, "a checkout")):
        for language, root in trees.items():
            found = project(root)

            def of(e: LocalEnvironments = environments, x: Language = language, r: Path = root, p: Project = found) -> object:
                return e.of(x, root=r, project=p, log=lambda _: None)

            def digest(
                e: LocalEnvironments = environments, x: Language = language, r: Path = root, p: Project = found
            ) -> object:
                return e.digest(x, root=r, project=p)

            print(f"{language.value} in {owner}, cold: {seconds(of, 1)[0]:.1f} s")
            good.append(show(f"{language.value} in {owner}: of", seconds(of, rounds)))
            good.append(show(f"{language.value} in {owner}: digest", seconds(digest, rounds)))
    for environments, owner in ((mine, "the user's new checkout"), (change, "a new checkout")):
        good.append(python_again(environments, owner, trees[Language.PYTHON], folder, rounds))
        packaged = python_tree(folder / f"packaged for {owner}", home, PACKAGED)
        print(f"packaged in {owner}, cold: {seconds(lambda e=environments, r=packaged: installed(e, r), 1)[0]:.1f} s")  # type: ignore[misc]
        good.append(python_again(environments, f"{owner}, packaged", packaged, folder, rounds))
    for kind, root in zip(("pinned", "poetry"), without_uv(trees[Language.PYTHON], folder), strict=True):
        print(f"{kind} in a new checkout, cold: {seconds(lambda r=root: installed(change, r), 1)[0]:.1f} s")  # type: ignore[misc]
        good.append(python_again(change, f"a new checkout, {kind}", root, folder, rounds))
    lock = (trees[Language.TYPESCRIPT] / "package-lock.json").read_text()
    taken = []
    for number in range(min(rounds, 5)):
        root = node_tree(folder / f"new-{number}", home, lock)
        found = project(root)
        taken += seconds(lambda r=root, p=found: change.of(Language.TYPESCRIPT, root=r, project=p, log=lambda _: None), 1)  # type: ignore[misc]
    good.append(show("typescript in a new checkout, same lock: of", taken))
    return all(good)


def main() -> int:
    """Measure and report; 1 when the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    folder = Path(tempfile.mkdtemp(prefix="forge-benchmark-"))
    try:
        met = measure(folder, rounds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"each under {TARGET_S:.0f} s: {'yes' if met else 'NO'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
