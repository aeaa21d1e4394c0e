"""npm runs the repository's own build script, and says afterwards which files there are to ship.

The script's exit code is whatever its programs say; that something was built is told by `npm pack --dry-run --json`, the list
of files of the package.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.foreign import load_json
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.places import inside
from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_PLACED = re.compile(
    r"^(?P<file>[^\s():][^():\n]*\.[cm]?[jt]sx?)\((?P<line>\d{1,8}),\d+\): error (?P<rule>\w+): (?P<text>.+)$", re.M
)
_SAID = re.compile(r"error|failed|cannot|not found|unexpected", re.IGNORECASE)
_NOT_FOUND = 127
"""A shell's exit code for a program that is not there (POSIX, sh)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NpmBuild:
    """The adapter."""

    name: str = "npm_build"
    gate: str = "build"
    language: Language | None = Language.TYPESCRIPT
    default: bool = False
    program: str = "npm"
    package: str = ""

    def chosen(self, project: Project) -> str | None:
        """By a script called "build"."""
        return "package.json has a build script" if project.node is not None and "build" in project.node.scripts else None

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """The build, and the list of what there is to ship."""
        node = request.project.node
        if node is None or "build" not in node.scripts:
            return ()
        variables = {
            **(request.environment.variables if request.environment is not None else {}),
            "CI": "1",
            "npm_config_update_notifier": "false",
        }
        program, cwd = str(request.executable), request.root / node.directory
        lines = ((program, "run", "build"), (program, "pack", "--dry-run", "--json", "--ignore-scripts"))
        return tuple(Command(argv=argv, cwd=cwd, environment=variables, timeout_s=request.timeout_s) for argv in lines)

    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """PASSED for a script that ended with 0 and a package that holds files."""
        if len(outputs) < 2:
            return ToolReport(outcome=Outcome.ERRORED, reason="npm was not run")
        built, packed = outputs[0].result, outputs[1].result
        if built.exit_code != 0 or _PLACED.search(_printed(outputs[0])):
            return _failure(request, outputs[0])
        files = _files(packed.stdout)
        if packed.exit_code != 0 or files is None:
            reason = f"npm pack ended with {packed.exit_code} and no readable list of files"
            return ToolReport(outcome=Outcome.ERRORED, reason=reason, exit_code=packed.exit_code)
        reason = f"the build script ended well; {len(files)} files to ship"
        return ToolReport(outcome=Outcome.PASSED, reason=reason, examined=len(files), exit_code=0)


def _printed(output: ToolOutput) -> str:
    return _ESCAPES.sub("", (output.result.stdout + b"\n" + output.result.stderr).decode("utf-8", "replace"))


def _files(listed: bytes) -> list[Any] | None:
    """The files in npm's list of one package; npm 11 gives a list, npm 12 an object by package name."""
    try:
        packages = load_json(listed)
    except (ValueError, RecursionError):
        return None
    if isinstance(packages, dict):
        packages = list(packages.values())
    if not isinstance(packages, list) or len(packages) != 1 or not isinstance(packages[0], dict):
        return None
    files = packages[0].get("files")
    return files if isinstance(files, list) and files else None


def _failure(request: ToolRequest, output: ToolOutput) -> ToolReport:
    code = output.result.exit_code
    printed = _printed(output)
    lines = [line.strip() for line in printed.splitlines() if line.strip() and not line.startswith(("> ", "npm warn"))]
    if code == _NOT_FOUND:
        reason = f"the build script needs a program that is not there: {lines[-1] if lines else 'unknown'}"
        return ToolReport(outcome=Outcome.ERRORED, reason=f"{reason}; declare it in devDependencies", exit_code=code)
    if not any(_SAID.search(line) for line in lines):
        return ToolReport(outcome=Outcome.ERRORED, reason=f"the build script ended with {code} and no word", exit_code=code)
    directory = request.project.node.directory if request.project.node is not None else ""
    findings = [
        Finding(
            tool="npm_build",
            rule=match["rule"],
            category=Category.BUILD,
            file=inside(request.root, match["file"], directory=directory),
            line=int(match["line"]) or None,
            message=match["text"].strip(),
            suggested_fix="see it by: npm run build",
        )
        for match in _PLACED.finditer(printed)
    ]
    first = next(line for line in lines if _SAID.search(line))
    if not findings:
        findings = [
            Finding(
                tool="npm_build",
                rule="build-failed",
                category=Category.BUILD,
                message="\n".join(lines[-15:])[-1500:],
                suggested_fix="see it by: npm run build",
            )
        ]
    reason = f"the build script ended with {code}: {first[:300]}"
    return ToolReport(outcome=Outcome.FAILED, reason=reason, findings=tuple(findings), exit_code=code)


ADAPTER = NpmBuild()
