"""What a repository is built into, and what an artifact says of itself."""

from collections.abc import Iterable
from dataclasses import dataclass

from forge_dagster.domain.policy import Policy
from forge_dagster.domain.project import Project
from forge_dagster.domain.releases import Kind, Manifest

BUILT_FOLDERS = ("dist", "build", "out", "public", "_site")
"""Where bundlers leave a static site, by their usual names."""

VENDOR = "vendor"
"""Folder of the artifact with the Python packages that it needs to run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliverable:
    """The kind of artifact, and, for a static site, the folder that is served."""

    kind: Kind
    directory: str = ""


def unsupported(policy: Policy) -> str | None:
    """Why nothing can be built for the kind that the policy names; None where something can."""
    kind = policy.project.kind
    return f'[project] kind = "{kind}" cannot be built yet' if kind in ("container", "infrastructure") else None


def deliverable(project: Project, policy: Policy, built: Iterable[str]) -> Deliverable | None:
    """What to make of the files `built` (paths after the build): by policy, else by what is there. None: nothing to build.

    A start command makes a service; an index.html that was built, or lies at the root, makes a static site; a package
    declaration makes a library.
    """
    files = frozenset(built)
    declared = policy.project.kind
    if declared == "worker":
        return Deliverable(kind="worker")
    if declared == "service" or (declared is None and policy.deploy.command):
        return Deliverable(kind="service")
    folder = _site(project, files)
    if declared == "static" or (folder is not None and not is_python_package(project)):
        return Deliverable(kind="static", directory=folder or "")
    return Deliverable(kind="library") if is_python_package(project) or project.node is not None else None


def is_python_package(project: Project) -> bool:
    """Whether the repository says how it is built into a wheel (PEP 517, or setuptools' setup.py)."""
    python = project.python
    return python is not None and ("build-system" in python.pyproject or "setup.py" in python.configuration_files)


def manifest(found: Deliverable, project: Project, policy: Policy, files: Iterable[str]) -> Manifest:
    """`forge-artifact.json` of an artifact that holds `files`."""
    environment: dict[str, str | tuple[str, ...]] = {}
    if project.python is not None and found.kind in ("service", "worker"):
        directory = project.python.directory.strip("/")
        source = f"{directory}/src" if directory else "src"
        candidates = (source, directory or ".", VENDOR)
        there = frozenset(files)
        environment["PYTHONPATH"] = tuple(
            folder for folder in candidates if folder == "." or any(path.startswith(f"{folder}/") for path in there)
        )
    command = policy.deploy.command if found.kind in ("service", "worker") else ()
    return Manifest(
        kind=found.kind, command=command, health=policy.deploy.health, environment=environment, directory=found.directory
    )


def _site(project: Project, files: frozenset[str]) -> str | None:
    """The folder with the site's index.html: what was built before what is tracked at the root."""
    directory = project.node.directory.strip("/") if project.node is not None else ""
    prefix = f"{directory}/" if directory else ""
    for folder in BUILT_FOLDERS:
        if f"{prefix}{folder}/index.html" in files:
            return f"{prefix}{folder}"
    return "" if "index.html" in files and (project.node is None or "build" not in project.node.scripts) else None
