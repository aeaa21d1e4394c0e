"""tsc `--noEmit`, by the repository's tsconfig.json, `--strict` where it has none.

Exit codes (TypeScript's ExitStatus): 0 no errors, 1 and 2 errors; which of the two a type error is differs between releases,
and bad configuration has either, so the lines decide. `--listFiles` and `--diagnostics` say what was looked at, and that the
list is whole: "Files: 66" counts its lines.
"""

import re
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.places import inside
from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.evidence import node_sign
from forge_dagster.tools.fast.javascript import TYPED, node_directory, other_node_tool
from forge_dagster.tools.reading import Unreadable, careful, complaint, place, report, text
from forge_dagster.tools.scripts import invocations

_PLACED = re.compile(r"(?P<file>\S.*?)\((?P<line>\d+),(?P<column>\d+)\): error (?P<code>TS\d+): (?P<message>.*)")
_GLOBAL = re.compile(r"error (?P<code>TS\d+): (?P<message>.*)")
_OURS = re.compile(r"'(noEmit|emitDeclarationOnly|incremental|tsBuildInfoFile|listFiles|diagnostics|skipLibCheck)'")
"""Options that Forge gives: an error that names one of them beside the repository's own is not the change's fault."""
_FILES = re.compile(r"Files: +(\d+)")


class Tsc(BaseModel):
    """The adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "tsc"
    gate: str = "types"
    language: Language | None = Language.TYPESCRIPT
    default: bool = True
    program: str = "tsc"
    package: str = "typescript"

    def chosen(self, project: Project) -> str | None:
        """By tsconfig.json, a script, or as a declared dependency of a repository that has TypeScript."""
        if not project.files_ending(*TYPED) and (
            project.node is None or "tsconfig.json" not in project.node.configuration_files
        ):
            return None
        return node_sign(project, package="typescript", program="tsc", files=("tsconfig.json",))

    def rival(self, project: Project) -> str | None:
        """A type checker the repository uses that Forge cannot run."""
        return other_node_tool(project, ("flow", "vue-tsc", "tsgo", "deno"))

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """One command; none where there is neither a TypeScript file nor a tsconfig.json."""
        node = request.project.node
        configured = node is not None and "tsconfig.json" in node.configuration_files
        sources = request.project.files_ending(*TYPED)
        if not sources and not configured:
            return ()
        argv = [
            str(request.executable),
            "--noEmit",
            "--emitDeclarationOnly",
            "false",
            "--pretty",
            "false",
            "--listFiles",
            "--diagnostics",
        ]
        argv += _project(request)
        if request.cache is not None and configured:
            argv += ["--incremental", "--tsBuildInfoFile", str(request.cache / "tsc.tsbuildinfo")]
        if not configured:
            directory = node_directory(request)
            names = [path[len(directory) + 1 :] if directory else path for path in sources if path.startswith(directory)]
            argv += ["--strict", "--skipLibCheck", *(f"./{name}" for name in names)]
        cwd = request.root / node_directory(request)
        return (Command(argv=tuple(argv), cwd=cwd, environment={"NO_COLOR": "1"}, timeout_s=request.timeout_s),)

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """A finding per error that has a place; errors without one are bad configuration: ERRORED."""
        (output,) = outputs
        code = output.result.exit_code
        lines = text(output.result.stdout).splitlines()
        findings, configuration = self._findings(request, lines)
        known = code in (0, 1, 2) and bool(findings) == (code != 0)
        if not known or (configuration and not findings):
            raise Unreadable(f"tsc ended with {code}: {' '.join(configuration[:3]) or complaint(output)}")
        outcome = Outcome.FAILED if findings else Outcome.PASSED
        return report(outcome, output, examined=_examined(request, lines), findings=tuple(findings))

    def _findings(self, request: ToolRequest, lines: Sequence[str]) -> tuple[list[Finding], list[str]]:
        """(errors with a place, those without); indented lines go on with the message before."""
        findings: list[Finding] = []
        configuration: list[str] = []
        open_message = False
        for line in lines:
            match = _PLACED.fullmatch(line)
            if match is not None and match["file"].endswith(".json") and _OURS.search(match["message"]):
                configuration.append(f"{match['code']}: {match['message']}")
                match = None
            elif match is not None:
                findings.append(self._finding(request, match))
            elif line.startswith("  ") and open_message:
                last = findings[-1]
                findings[-1] = last.model_copy(update={"message": f"{last.message}\n{line.strip()}"})
                continue
            elif (other := _GLOBAL.fullmatch(line)) is not None:
                configuration.append(f"{other['code']}: {other['message']}")
            open_message = match is not None
        return findings, configuration

    def _finding(self, request: ToolRequest, match: "re.Match[str]") -> Finding:
        return Finding(
            tool=self.name,
            rule=match["code"],
            message=match["message"],
            category=Category.TYPE,
            file=place(request, match["file"], directory=node_directory(request)),
            line=max(int(match["line"]), 1),
            column=max(int(match["column"]), 1),
        )


def _project(request: ToolRequest) -> list[str]:
    """`--project`, where the repository's own script that only checks names one."""
    node = request.project.node
    calls = invocations(node.scripts, "tsc") if node is not None else ()
    own = next((call for call in calls if call.has("--noEmit")), None)
    named = own.value("--project", "-p") if own is not None else None
    return ["--project", named] if named else []


def _examined(request: ToolRequest, lines: Sequence[str]) -> int:
    """The repository's own files that were looked at. Raises Unreadable when the list is not whole."""
    end, count = next(((at, int(match[1])) for at, line in enumerate(lines) if (match := _FILES.fullmatch(line))), (0, 1))
    said = (_PLACED, _GLOBAL)
    listed = [line for line in lines[:end] if not line.startswith(" ") and not any(form.fullmatch(line) for form in said)]
    if len(listed) < count:
        raise Unreadable("tsc did not say what it looked at: " + " ".join(lines[:2])[:300])
    own = (inside(request.root, line, directory=node_directory(request)) for line in listed)
    return sum(name is not None and "node_modules/" not in name for name in own)


ADAPTER = Tsc()
