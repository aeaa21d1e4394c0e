"""uv builds a Python project: a wheel, or, where forge.toml says how to start it, the folder of packages it needs to run.

uv ends with 2 for a broken project and for an unreachable index alike, so its words decide whose fault it is, and the wheel or
the list of installed packages is the evidence that it did something.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from forge_dagster.domain.deliverables import VENDOR, is_python_package
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.foreign import load_json
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.project import Language, Project, PythonProject
from forge_dagster.domain.reach import REFUSED
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest

REQUIREMENTS = "requirements.txt"
_OFFLINE = re.compile(
    r"error sending request|dns error|client error \(Connect\)|timed out|Connection refused|HTTP status server error"
    rf"|{REFUSED}"
)
_SAID = re.compile(r"^\s*(?:error:|cause:|╰─▶|├─▶|[×x] |\w*Error\b)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonBuild:
    """The adapter."""

    name: str = "python_build"
    gate: str = "build"
    language: Language | None = None
    default: bool = True
    program: str = "uv"
    package: str = "uv"

    def chosen(self, project: Project) -> str | None:
        """Where the repository says how it is built."""
        return "the repository says how it is built into a wheel" if is_python_package(project) else None

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """A wheel build, or the installation of the packages that the process needs; nothing for other repositories."""
        python = request.project.python
        if python is None:
            return ()
        if not _deploys(request):
            if not is_python_package(request.project):
                return ()
            return (_uv(request, python, "build", "--wheel", "--no-create-gitignore", "--out-dir", str(request.report)),)
        target = ("--target", str(request.root / VENDOR))
        interpreter = _interpreter(request)
        install = ("pip", "install", *interpreter, *target)
        listing = _uv(request, python, "pip", "list", *interpreter, *target, "--format", "json", network=False)
        if python.lock_file == "uv.lock":
            exported = str(request.report / REQUIREMENTS)
            export = ("export", "--quiet", "--frozen", "--no-dev", "--no-emit-project", "--output-file", exported)
            return (_uv(request, python, *export), _uv(request, python, *install, "--require-hashes", "-r", exported), listing)
        source = _requirements(python)
        return (_uv(request, python, *install, *source), listing) if source else ()

    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """PASSED for a wheel that can be opened, or for a readable list of installed packages."""
        if not outputs:
            return ToolReport(outcome=Outcome.ERRORED, reason="uv was not run")
        for output in outputs:
            if output.result.exit_code != 0:
                return _failure(request, output)
        return _installed(outputs[-1]) if _deploys(request) else _wheel(outputs[-1])


def _deploys(request: ToolRequest) -> bool:
    return bool(request.policy.deploy.command) or request.policy.project.kind in ("service", "worker")


def _interpreter(request: ToolRequest) -> tuple[str, ...]:
    python = request.environment.python if request.environment is not None else None
    return ("--python", str(python)) if python is not None else ()


def _uv(request: ToolRequest, python: PythonProject, *arguments: str, network: bool = True) -> Command:
    options = _interpreter(request) if arguments[0] == "build" else ()
    # no cache that is kept: a build runs code of the change, and could leave something there for the next one
    variables = {"UV_PYTHON_DOWNLOADS": "never", "UV_LINK_MODE": "copy", "UV_NO_PROGRESS": "1"}
    return Command(
        argv=(str(request.executable), *arguments, *options),
        cwd=request.root / python.directory,
        environment=variables,
        timeout_s=request.timeout_s,
        network=network,
    )


def _requirements(python: PythonProject) -> tuple[str, ...]:
    """What is installed beside a process that has no uv.lock: pyproject.toml's dependencies, or requirements.txt."""
    project = python.pyproject.get("project")
    if isinstance(project, dict) and (project.get("dependencies") or "dependencies" in (project.get("dynamic") or ())):
        return ("-r", "pyproject.toml")
    if REQUIREMENTS in python.requirement_files:
        return ("-r", REQUIREMENTS)
    tool = python.pyproject.get("tool")
    if python.pyproject.get("build-system") and isinstance(tool, dict) and "poetry" in tool:
        return (".",)
    return ()


def _wheel(output: ToolOutput) -> ToolReport:
    import zipfile  # not at the top: `forge check` loads every tool and builds nothing

    wheels = [name for name in output.reports if name.endswith(".whl")]
    if len(wheels) != 1:
        return _unclear(output, f"uv ended with 0 and left {len(wheels)} wheels")
    try:
        with zipfile.ZipFile(io.BytesIO(output.reports[wheels[0]])) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        return _unclear(output, f"the wheel {wheels[0]} cannot be opened")
    code = [name for name in names if ".dist-info/" not in name]
    if not any(name.endswith(".dist-info/METADATA") for name in names):
        return _unclear(output, f"the wheel {wheels[0]} has no metadata")
    if not code:
        finding = _finding("the wheel holds no file of the project", "tell the build backend which packages to ship")
        return ToolReport(outcome=Outcome.FAILED, reason=finding.message, findings=(finding,), exit_code=0)
    reason = f"{wheels[0]} holds {len(code)} files"
    return ToolReport(outcome=Outcome.PASSED, reason=reason, examined=len(code), exit_code=0, artifacts={"wheel": wheels[0]})


def _installed(output: ToolOutput) -> ToolReport:
    try:
        packages = load_json(output.result.stdout)
    except (ValueError, RecursionError):
        packages = None
    if not isinstance(packages, list) or not all(isinstance(item, dict) and "name" in item for item in packages):
        return _unclear(output, "the list of installed packages cannot be read")
    if not packages:
        return ToolReport(outcome=Outcome.SKIPPED, reason="the process needs no package", exit_code=0)
    reason = f"{len(packages)} packages installed"
    return ToolReport(outcome=Outcome.PASSED, reason=reason, examined=len(packages), exit_code=0)


def _failure(request: ToolRequest, output: ToolOutput) -> ToolReport:
    code = output.result.exit_code
    said = output.result.stderr.decode("utf-8", "replace")
    if _OFFLINE.search(said):
        last = said.strip().splitlines()[-1].strip()
        return ToolReport(outcome=Outcome.ERRORED, reason=f"no package index within reach: {last}", exit_code=code)
    start = _SAID.search(said)
    if code not in (1, 2) or start is None:
        return _unclear(output, f"uv ended with {code}")
    lines = [line.strip() for line in said[start.start() :].splitlines() if line.strip()]
    finding = _finding(" ".join(lines)[:1500], "build it by hand: uv build --wheel")
    directory = request.project.python.directory if request.project.python is not None else ""
    name = "pyproject.toml" if request.project.python is not None and request.project.python.pyproject else "setup.py"
    where = re.search(r"TOML parse error at line (\d{1,8})", said)
    finding = finding.model_copy(
        update={"file": str(Path(directory) / name), "line": max(int(where[1]), 1) if where is not None else None}
    )
    return ToolReport(outcome=Outcome.FAILED, reason=lines[0], findings=(finding,), exit_code=code)


def _finding(message: str, fix: str) -> Finding:
    return Finding(tool="python_build", rule="build-failed", category=Category.BUILD, message=message, suggested_fix=fix)


def _unclear(output: ToolOutput, what: str) -> ToolReport:
    said = [line.strip() for line in output.result.stderr.decode("utf-8", "replace").splitlines() if line.strip()][-2:]
    reason = f"{what}: {' | '.join(said)}" if said else what
    return ToolReport(outcome=Outcome.ERRORED, reason=reason[:600], exit_code=output.result.exit_code)


ADAPTER = PythonBuild()
