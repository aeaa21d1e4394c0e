"""gitleaks, where it is installed: over every commit of the change, besides kingfisher.

Exit codes: 0 nothing found, 1 an error, 126 an unknown option, and `--exit-code` for leaks, which is 1 too unless it is set.
It ends with 0, after "0 commits scanned", where git could not find the commits, so the log must be free of errors and git
itself is asked how many commits there are. `gitleaks:allow` comments, and ignore files or configuration that the change itself
brings, cannot excuse the change.
"""

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.evidence import hook_sign
from forge_dagster.tools.fast.credentials import from_folder, leak, outside, scope
from forge_dagster.tools.reading import Unreadable, careful, complaint, json_list, place, position, report, text

LEAKS = 77
COMMITS = "commits.json"
TREE = "tree.json"
_TROUBLE = re.compile(r"^\S+ (?:ERR|FTL) (?P<what>.*)|(?P<partial>.*partial scan.*)", re.MULTILINE)
_BYTES = re.compile(r"scanned ~(\d+) bytes")
_CONFIGURATION = ".gitleaks.toml"
_IGNORED = ".gitleaksignore"


class Gitleaks(BaseModel):
    """The adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "gitleaks"
    gate: str = "secrets"
    language: Language | None = None
    default: bool = False
    program: str = "gitleaks"
    package: str = ""
    """No package index carries it: it is used where it is on PATH."""
    needs_environment: bool = False

    def chosen(self, project: Project) -> str | None:
        """By its hook or its configuration."""
        hook = hook_sign(project, ("gitleaks", "gitleaks-docker", "gitleaks-system"))
        return hook or (f"there is a {_CONFIGURATION}" if _CONFIGURATION in project.files else None)

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """The commits and their number, the work tree, or all of it."""
        where = scope(request)
        commands = []
        if where.commits is not None:
            span = f"{where.commits[0]}..{where.commits[1]}"
            # What a merge commit itself adds shows only against the merge that git would make (git 2.35).
            commands.append(self._command(request, COMMITS, "git", ".", "--log-opts", f"--remerge-diff {span}"))
            argv = ("git", "rev-list", "--count", span)
            commands.append(Command(argv=argv, cwd=request.root, timeout_s=request.timeout_s))
        if where.files:
            commands.append(self._command(request, TREE, "dir", "."))
        return commands

    def _command(self, request: ToolRequest, name: str, *arguments: str) -> Command:
        argv = [
            str(request.executable), *arguments, "--no-banner", "--no-color", "--redact", "--ignore-gitleaks-allow",
            "--exit-code", str(LEAKS), "--report-format", "json", "--report-path", str(request.report / name),
        ]  # fmt: skip
        environment = {}
        if _IGNORED in request.change.paths:
            argv += ["--gitleaks-ignore-path", str(request.report)]
        if _CONFIGURATION in request.change.paths:
            environment["GITLEAKS_CONFIG_TOML"] = "[extend]\nuseDefault = true\n"
        return Command(argv=tuple(argv), cwd=request.root, environment=environment, timeout_s=request.timeout_s, merges=True)

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """A finding per place in a file of the change; an error in the log is an error of the scan."""
        where = scope(request)
        findings: list[Finding] = []
        examined = 0
        left = list(outputs)
        if where.commits is not None:
            scan, count = left.pop(0), left.pop(0)
            findings += self._findings(request, scan, COMMITS)
            if count.result.exit_code != 0 or not count.result.stdout.strip().isdigit():
                raise Unreadable(f"git cannot count the commits of the change: {complaint(count)}")
            examined += int(count.result.stdout)
        if where.files:
            scan = left.pop(0)
            files = frozenset(where.files)
            findings += [finding for finding in self._findings(request, scan, TREE) if finding.file in files]
            sizes = _BYTES.findall(text(scan.result.stderr))
            examined += len(files) if sizes and int(sizes[-1]) > 0 else 0
        outcome = Outcome.FAILED if findings else Outcome.PASSED
        worst = max(outputs, key=lambda output: output.result.exit_code or 0)
        return report(outcome, worst, examined=examined, findings=tuple(findings))

    def _findings(self, request: ToolRequest, output: ToolOutput, name: str) -> list[Finding]:
        code = output.result.exit_code
        if code not in (0, LEAKS):
            raise Unreadable(f"gitleaks ended with {code}: {complaint(output)}")
        log = text(output.result.stderr)
        trouble = _TROUBLE.search(log)
        if trouble is not None:
            raise Unreadable(f"gitleaks did not finish: {(trouble['what'] or trouble['partial'])[:300]}")
        if not _BYTES.search(log):
            raise Unreadable(f"gitleaks did not say that it came to its end: {complaint(output)}")
        entries = json_list(output.reports.get(name, b""), f"gitleaks' report {name}")
        if bool(entries) != (code == LEAKS):
            raise Unreadable(f"gitleaks ended with {code} and reported {len(entries)} leaks")
        return [self._finding(request, entry, of_commits=name == COMMITS) for entry in entries]

    def _finding(self, request: ToolRequest, entry: dict[str, Any], *, of_commits: bool) -> Finding:
        path = from_folder(request, str(entry["File"])) if of_commits else str(entry["File"])
        return leak(
            self.name,
            rule=str(entry["RuleID"]),
            description=str(entry.get("Description") or entry["RuleID"]).rstrip(".") + outside(path),
            file=place(request, path),
            line=position(entry.get("StartLine")),
            column=position(entry.get("StartColumn")),
            commit=str(entry.get("Commit") or ""),
        )


ADAPTER = Gitleaks()
