"""oxfmt `--check`, on the targets of the repository's own script where it has one.

Exit codes (seen from 0.24 to 0.79): 0 all formatted, 1 some not, 2 a file that does not parse, bad configuration, or no file
at all; what it prints tells them apart. It names the files that differ, counts them and all it looked at, and says "All matched
files use the correct format".
"""

import re
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.evidence import node_sign
from forge_dagster.tools.fast.formatting import unformatted
from forge_dagster.tools.fast.javascript import configured_by_code, node_directory
from forge_dagster.tools.reading import Unreadable, careful, complaint, place, report, text
from forge_dagster.tools.scripts import invocations, kept

_CONFIGURATION = (
    ".oxfmtrc.json",
    ".oxfmtrc.jsonc",
    "oxfmt.config.ts",
    "oxfmt.config.js",
    "oxfmt.config.mjs",
    "oxfmt.config.mts",
)
_NAMED = re.compile(r"(?P<file>\S.*) \(\d+ms\)")
_ISSUES = re.compile(r"Format issues found in above (\d+) files?\b.*")
_FINISHED = re.compile(r"Finished in \S+ on (\d+) files? using \d+ threads?\.")
_ALL_WELL = "All matched files use the correct format."
_BROKEN = re.compile(
    r"^\s*[x×✕] (?P<message>.*)\n(?:\s*[│|].*\n)*\s*[,╭][-─]+\[(?P<file>.+?):(?P<line>\d+):(?P<column>\d+)\]", re.MULTILINE
)
_WITH_VALUE = frozenset(("--config", "-c", "--ignore-path"))
_ALONE = frozenset(("--with-node-modules", "--no-error-on-unmatched-pattern", "--disable-nested-config"))
_DROPPED = frozenset(("--threads", "--stdin-filepath", "--migrate"))


class Oxfmt(BaseModel):
    """The adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "oxfmt"
    gate: str = "format"
    language: Language | None = Language.TYPESCRIPT
    default: bool = False
    program: str = "oxfmt"
    package: str = "oxfmt"
    needs_environment: bool = False

    def chosen(self, project: Project) -> str | None:
        """By a script, its configuration, its hook, or as a declared dependency."""
        return node_sign(project, package="oxfmt", program="oxfmt", files=_CONFIGURATION, hooks=("oxfmt",))

    def loads_packages(self, project: Project) -> bool:
        """Where its configuration is code."""
        return configured_by_code(project, "oxfmt.config")

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """One command; none in an empty repository."""
        if not request.project.files:
            return ()
        node = request.project.node
        calls = invocations(node.scripts, "oxfmt") if node is not None else ()
        own = min(calls, key=lambda call: not call.has("--check", "--list-different"), default=None)
        arguments = own.arguments if own is not None else ()
        options, targets = kept(arguments, with_value=_WITH_VALUE, alone=_ALONE, dropped=_DROPPED)
        argv = (str(request.executable), "--check", *options, *(targets or ["."]))
        cwd = request.root / node_directory(request)
        return (Command(argv=argv, cwd=cwd, environment={"NO_COLOR": "1"}, timeout_s=request.timeout_s),)

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """A finding per file that differs or does not parse; the names and the counts must agree."""
        (output,) = outputs
        code = output.result.exit_code
        lines = [line.strip() for line in text(output.result.stdout).splitlines()]
        where = node_directory(request)
        named = [place(request, match["file"], directory=where) for line in lines if (match := _NAMED.fullmatch(line))]
        issues = next((int(match[1]) for line in lines if (match := _ISSUES.fullmatch(line))), 0)
        looked = next((int(match[1]) for line in lines if (match := _FINISHED.fullmatch(line))), None)
        findings = [unformatted(self.name, file, None, "oxfmt") for file in named]
        broken = {self._broken(request, match): None for match in _BROKEN.finditer(text(output.result.stderr))}
        if code == 2 and broken:
            return report(Outcome.FAILED, output, examined=len(named) + len(broken), findings=(*broken, *findings))
        if code == 1 and findings and looked and issues == len(named):
            return report(Outcome.FAILED, output, examined=looked, findings=tuple(findings))
        if code == 0 and looked is not None and _ALL_WELL in lines and not findings:
            return report(Outcome.PASSED, output, examined=looked)
        raise Unreadable(f"oxfmt ended with {code}: {complaint(output)}")

    def _broken(self, request: ToolRequest, match: "re.Match[str]") -> Finding:
        return Finding(
            tool=self.name,
            rule="invalid-syntax",
            message=match["message"] or "does not parse",
            category=Category.FORMAT,
            file=place(request, match["file"], directory=node_directory(request)),
            line=max(int(match["line"]), 1),
            column=max(int(match["column"]), 1),
            suggested_fix="correct the syntax",
        )


ADAPTER = Oxfmt()
