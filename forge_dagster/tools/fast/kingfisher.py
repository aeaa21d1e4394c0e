"""kingfisher, as JSON, over every commit of the change. Never asks the credential's own service whether it is live.

Exit codes (its README, "Exit Codes"): 0 nothing found, 200 findings (205: live ones), 1 an error, 2 bad usage; but 0 too for a
commit it could not find, which only the report's audit part says ("partial"), so the audit must say "completed".
`--no-ignore`: a comment in the change cannot excuse the change.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.evidence import hook_sign
from forge_dagster.tools.fast.credentials import leak, scope
from forge_dagster.tools.reading import Unreadable, careful, complaint, counted, json_object, place, position, report

COMMITS = "commits.json"
TREE = "tree.json"
_NOT_SOURCES = ("node_modules", ".venv", "venv", ".tox", ".nox", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache")
_ARGUMENTS_LIMIT = 50
"""Files given by name, each of which is a scan of its own; of more than that the whole tree is scanned."""


class Kingfisher(BaseModel):
    """The adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "kingfisher"
    gate: str = "secrets"
    language: Language | None = None
    default: bool = True
    program: str = "kingfisher"
    package: str = "kingfisher-bin"
    needs_environment: bool = False
    shared_cache: bool = True

    def chosen(self, project: Project) -> str | None:
        """By its hook."""
        return hook_sign(project, ("kingfisher", "kingfisher-docker", "kingfisher-auto"))

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """The commits, the work tree, or both; none for a repository without any file or commit to look at."""
        where = scope(request)
        commands = []
        if where.commits is not None:
            base, head = where.commits
            commands.append(self._command(request, COMMITS, ".", "--since-commit", base, "--branch", head))
        if where.files:
            names = [f"./{name}" for name in where.files]
            if where.files == request.project.files or len(names) > _ARGUMENTS_LIMIT:
                names = ["."]
            commands.append(self._command(request, TREE, *names, "--git-history", "none", *_excluded(request.project)))
        return commands

    def _command(self, request: ToolRequest, name: str, *arguments: str) -> Command:
        argv = (
            str(request.executable), "scan", *arguments, "--no-validate", "--no-update-check", "--redact", "--no-dedup",
            "--no-ignore", "--format", "json", "--output", str(request.report / name),
        )  # fmt: skip
        cache = {} if request.cache is None else {"KF_RULE_CACHE_DIR": str(request.cache)}
        return Command(argv=argv, cwd=request.root, environment={"NO_COLOR": "1", **cache}, timeout_s=request.timeout_s)

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """A finding per place; every scan must have come to its end on what it was asked for."""
        names = [command.argv[-1].rpartition("/")[2] for command in self.commands(request)]
        files = frozenset(scope(request).files)
        findings: list[Finding] = []
        examined = 0
        for output, name in zip(outputs, names, strict=True):
            code = output.result.exit_code
            if code not in (0, 200, 205):
                raise Unreadable(f"kingfisher ended with {code}: {complaint(output)}")
            data = json_object(output.reports.get(name, b""), f"kingfisher's report {name}")
            found = [self._finding(request, entry) for entry in data["findings"]]
            if bool(found) != (code != 0):
                raise Unreadable(f"kingfisher ended with {code} and reported {len(found)} findings")
            findings += found if name == COMMITS else [finding for finding in found if finding.file in files]
            examined += _examined(data, request if name == COMMITS else None, complaint(output))
        outcome = Outcome.FAILED if findings else Outcome.PASSED
        worst = max(outputs, key=lambda output: output.result.exit_code or 0)
        return report(outcome, worst, examined=examined, findings=tuple(findings))

    def _finding(self, request: ToolRequest, entry: dict[str, Any]) -> Finding:
        rule, found = entry["rule"], entry["finding"]
        commit = ((found.get("git_metadata") or {}).get("commit") or {}).get("id") or ""
        return leak(
            self.name,
            rule=str(rule["id"]),
            description=str(rule.get("description") or rule.get("title") or rule["id"]),
            file=place(request, str(found["path"])),
            line=position(found.get("line")),
            column=found["column_start"] + 1 if isinstance(found.get("column_start"), int) else None,
            commit=str(commit),
        )


def _excluded(project: Project) -> tuple[str, ...]:
    """Options that leave out git's own files and installed packages and caches, unless the repository tracks them."""
    tracked = {part for path in project.files for part in path.split("/")[:-1]}
    return tuple(word for name in (".git", *_NOT_SOURCES) if name not in tracked for word in ("--exclude", name))


def _examined(data: dict[str, Any], ranged: ToolRequest | None, said: str) -> int:
    """Things looked at: file contents, and at least the range itself where it holds a commit (which may only delete)."""
    repositories = data["audit"]["repositories"]
    for repository in repositories:
        if repository["scan"]["status"] != "completed":
            raise Unreadable(f"kingfisher did not finish ({repository['scan'].get('error')}): {said}")
    blobs = sum(counted(repository["stats"]["blobs_scanned"]) for repository in repositories)
    if ranged is None:
        return blobs
    asked, git = scope(ranged).commits, repositories[0]["git"]
    if asked is None or git["base_sha"] != asked[0] or asked[1] not in ("HEAD", git["tip_sha"]):
        raise Unreadable("kingfisher scanned other commits than it was asked for")
    return max(blobs, int(git["tip_sha"] != git["base_sha"]))


ADAPTER = Kingfisher()
