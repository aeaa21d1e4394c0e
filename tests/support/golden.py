"""Recorded real output of tools, in `tests/golden/<tool>/<case>/`: written by `tests/golden/record.py`, read by the suite.

`case.json` holds the Project and Change the tool was asked about, the argument lists it gave, their exit codes, and what is
expected of its judgement. Beside it lie `<n>.stdout`, `<n>.stderr` and `<n>.reports/...` of each command. Paths of the machine
that recorded are replaced: the repository is /w/repo, the report folder /w/output, the cache /w/cache,
Forge's package /w/forge; programs lie in /w/bin; a seed's application is at http://w.test.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import forge_dagster
from forge_dagster.domain.changes import Change
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.policy import Policy
from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Environment, ProcessResult, Tool, ToolOutput, ToolRequest

GOLDEN = Path(__file__).parents[1] / "golden"
REPO, REPORT, CACHE, BIN, FORGE = "/w/repo", "/w/output", "/w/cache", "/w/bin", "/w/forge"
COMPONENTS = "/w/components"
"""What is beside the report's folder: the scripts of single-file components."""
APPLICATION = "w.test"
FORGE_FOLDER = Path(forge_dagster.__file__).parent


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """One command's recorded end."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: bytes = b""
    stderr: bytes = b""
    reports: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def output(self) -> ToolOutput:
        result = ProcessResult(ended="exited", exit_code=self.exit_code, stdout=self.stdout, stderr=self.stderr)
        return ToolOutput(result=result, reports=self.reports)

    def moved(self, places: Mapping[str, Path]) -> "Recorded":
        """The same as if it had been recorded in real folders: `places` maps /w/repo and the like to them."""

        def there(content: bytes) -> bytes:
            for placeholder, path in {FORGE: FORGE_FOLDER, **places}.items():
                content = content.replace(placeholder.encode(), str(path).encode())
            return content

        return replace(
            self,
            argv=tuple(there(arg.encode()).decode() for arg in self.argv),
            stdout=there(self.stdout),
            stderr=there(self.stderr),
            reports={name: there(content) for name, content in self.reports.items()},
        )


@dataclass(frozen=True, kw_only=True)
class Case:
    """A recorded case. `findings` are (file, line, rule); `volatile_argv`: the argument lists differ from run to run."""

    tool: str
    name: str
    project: Project
    change: Change
    version: str
    commands: tuple[Recorded, ...]
    outcome: Outcome
    findings: tuple[tuple[str | None, int | None, str], ...]
    examined: int
    volatile_argv: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    requested: Mapping[str, str] = field(default_factory=dict)
    """Variables that the gate adds, such as where the application is."""
    installed: Mapping[str, str] = field(default_factory=dict)
    """What else was in a Python repository's environment, where a tool looks for plugins: name -> version."""

    @property
    def outputs(self) -> tuple[ToolOutput, ...]:
        return tuple(command.output for command in self.commands)

    def request(self, tool: Tool, places: Mapping[str, Path] | None = None) -> ToolRequest:
        """What the tool is asked in this case, in the recorded folders or in real ones."""
        where = {name: Path(name) for name in (REPO, REPORT, CACHE, BIN)} | dict(places or {})
        return ToolRequest(
            root=where[REPO],
            project=self.project,
            change=self.change,
            policy=Policy(),
            environment=environment(tool, where[BIN], self.version, self.variables, self.installed),
            executable=where[BIN] / tool.program,
            version=self.version,
            report=where[REPORT],
            cache=where[CACHE],
            variables=self.requested,
        )


def environment(
    tool: Tool, folder: Path, version: str, variables: Mapping[str, str], installed: Mapping[str, str] | None = None
) -> Environment:
    """The environment a case was recorded in: one folder of programs."""
    return Environment(
        language=tool.language or Language.PYTHON,
        bin_directories=(folder,),
        python=folder / "python",
        versions={**(installed or {}), tool.package: version},
        variables=variables,
    )


def case_names(tool: str) -> tuple[str, ...]:
    """The cases recorded for a tool, sorted."""
    return tuple(sorted(path.parent.name for path in (GOLDEN / tool).glob("*/case.json")))


def load(tool: str, name: str) -> Case:
    """Read a case. Raises FileNotFoundError when it was not recorded."""
    folder = GOLDEN / tool / name
    data: dict[str, Any] = json.loads((folder / "case.json").read_text())
    commands = []
    files: dict[str, bytes] = {}
    for number, command in enumerate(data["commands"]):
        reports = folder / f"{number}.reports"
        files |= {p.relative_to(reports).as_posix(): p.read_bytes() for p in sorted(reports.rglob("*")) if p.is_file()}
        commands.append(
            Recorded(
                argv=tuple(command["argv"]),
                exit_code=command["exit_code"],
                stdout=_bytes(folder / f"{number}.stdout"),
                stderr=_bytes(folder / f"{number}.stderr"),
                reports=dict(files),
            )
        )
    expected = data["expected"]
    return Case(
        tool=tool,
        name=name,
        project=Project.model_validate(data["project"]),
        change=Change.model_validate(data["change"]),
        version=data.get("version", ""),
        commands=tuple(commands),
        outcome=Outcome(expected["outcome"]),
        findings=tuple((f.get("file"), f.get("line"), f["rule"]) for f in expected["findings"]),
        examined=expected["examined"],
        volatile_argv=data.get("volatile_argv", False),
        variables=data.get("variables", {}),
        installed=data.get("installed", {}),
        requested=data.get("requested", {}),
    )


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
