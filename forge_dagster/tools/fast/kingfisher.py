"""kingfisher, as JSON, over every commit of the change. Never asks the credential's own service whether it is live.

Exit codes (its README, "Exit Codes"): 0 nothing found, 200 findings (205: live ones), 1 an error, 2 bad usage; but 0 too for a
commit it could not find, which only the report's audit part says ("partial"), so the audit must say "completed".
`--no-ignore`: a comment in the change cannot excuse the change.

It looks at whole files of the commits, so a secret that the base has already is found again wherever its file is touched: git
is asked for each whether its line comes from the base (`blame --incremental`, which prints no content), and such a one is told
once and left to the comparison with the base.
"""

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.places import inside
from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.evidence import hook_sign
from forge_dagster.tools.fast.credentials import from_folder, leak, outside, scope
from forge_dagster.tools.reading import Unreadable, careful, complaint, counted, json_object, place, position, report, text

COMMITS = "commits.json"
TREE = "tree.json"
_NOT_SOURCES = ("node_modules", ".venv", "venv", ".tox", ".nox", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache")
_BLAMED = 50
"""Findings whose line is looked up; any more count as the change's."""
_GROUP = re.compile(r"^([0-9a-f]{40,64}) (\d+) \d+ \d+$", re.MULTILINE)
"""Heads the lines of one commit in `git blame --incremental` (git-scm.com, git-blame, "The Incremental Format")."""
_SEVERAL_LINES = re.compile(r"private|pem|pgp|ssh|certificate|multiline", re.IGNORECASE)
_KEY_LINES = 60
"""Lines that a key may have, of which only the first is told: it is new where any of them is."""
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
            # of a folder it would not see that it lies in a repository
            top = "/".join(".." for part in request.change.folder.split("/") if part) or "."
            commands.append(self._command(request, COMMITS, top, "--since-commit", base, "--branch", head))
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

    def follow_up(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> Sequence[Command]:
        """Of each secret, in the commits and in the work tree, where its line comes from."""
        asked = scope(request).commits
        if asked is None:
            return ()
        commands = []
        for entry in _placed(request, outputs)[:_BLAMED]:
            line, file = entry["finding"]["line"], str(entry["finding"]["path"])
            end = f"+{_KEY_LINES}" if _SEVERAL_LINES.search(str(entry["rule"])) else str(line)
            span = f"{asked[0]}..{_commit(entry)}" if _commit(entry) else f"^{asked[0]}"
            argv = ("git", "blame", "--incremental", "-L", f"{line},{end}", span, "--", inside(request.root, file) or file)
            commands.append(Command(argv=argv, cwd=request.root, timeout_s=request.timeout_s))
        return commands

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """A finding per place; every scan must have come to its end on what it was asked for."""
        names = [command.argv[-1].rpartition("/")[2] for command in self.commands(request)]
        origins = [_origin(output) for output in outputs[len(names) :]]
        outputs = outputs[: len(names)]
        files = frozenset(scope(request).files)
        findings: dict[object, Finding] = {}
        examined = 0
        for output, name in zip(outputs, names, strict=True):
            code = output.result.exit_code
            if code not in (0, 200, 205):
                raise Unreadable(f"kingfisher ended with {code}: {complaint(output)}")
            data = json_object(output.reports.get(name, b""), f"kingfisher's report {name}")
            entries = _entries(request, name, data)
            if bool(entries) != (code != 0):
                raise Unreadable(f"kingfisher ended with {code} and reported {len(entries)} findings")
            for entry in entries:
                origin = origins.pop(0) if origins else ""
                found = self._finding(request, entry, in_base=bool(origin))
                if name == COMMITS or found.file in files:
                    findings.setdefault((found.rule, found.file, origin) if origin else found, found)
            examined += _examined(data, request if name == COMMITS else None, complaint(output))
        outcome = Outcome.FAILED if findings else Outcome.PASSED
        worst = max(outputs, key=lambda output: output.result.exit_code or 0)
        return report(outcome, worst, examined=examined, findings=tuple(findings.values()))

    def _finding(self, request: ToolRequest, entry: dict[str, Any], *, in_base: bool) -> Finding:
        rule, found = entry["rule"], entry["finding"]
        _said, _path = str(rule.get("description") or rule.get("title") or rule["id"]), str(found["path"])
        return leak(
            self.name,
            rule=str(rule["id"]),
            description=str(rule.get("description") or rule.get("title") or rule["id"]).rstrip(".")
            + outside(str(found["path"])),
            file=place(request, str(found["path"])),
            line=position(found.get("line")),
            column=found["column_start"] + 1 if isinstance(found.get("column_start"), int) else None,
            commit="" if in_base else _commit(entry),
        )


def _commit(entry: dict[str, Any]) -> str:
    return str(((entry["finding"].get("git_metadata") or {}).get("commit") or {}).get("id") or "")


def _entries(request: ToolRequest, name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """The findings of a report. Paths in commits are relative to the repository's top, whatever folder is looked at."""
    entries: list[dict[str, Any]] = data["findings"]
    if name != COMMITS or not request.change.folder:
        return entries
    told = ((entry, entry["finding"]) for entry in entries)
    return [{**entry, "finding": {**found, "path": from_folder(request, str(found["path"]))}} for entry, found in told]


def _placed(request: ToolRequest, outputs: Sequence[ToolOutput]) -> list[dict[str, Any]]:
    """The findings of all reports, in order; none where one cannot be read or has no place."""
    try:
        written = outputs[-1].reports
        contents = {name: json_object(written[name], "kingfisher's report") for name in (COMMITS, TREE) if name in written}
        entries = [entry for name, data in contents.items() for entry in _entries(request, name, data)]
        shas = [_commit(entry) for entry in entries]
        complete = all(position(entry["finding"]["line"]) is not None for entry in entries)
        plain = all(re.fullmatch(r"(?:[0-9a-f]{40}|[0-9a-f]{64})?", sha) for sha in shas)
    except (Unreadable, TypeError, LookupError, AttributeError):
        return []
    return entries if complete and plain else []


def _origin(blame: ToolOutput) -> str:
    """Commit and line of the base that all of the lines come from; "" where one does not, or git could not tell."""
    said = text(blame.result.stdout)
    heads = list(_GROUP.finditer(said))
    ends = [head.start() for head in heads[1:]] + [len(said)]
    parts = [said[head.end() : end] for head, end in zip(heads, ends, strict=True)]
    groups = [(head[1], head[2]) for head in heads]
    of_base = {commit for (commit, _), part in zip(groups, parts, strict=True) if re.search(r"(?m)^boundary$", part)}
    if blame.result.exit_code != 0 or not groups or any(commit not in of_base for commit, _ in groups):
        return ""
    commit, line = min(groups, key=lambda group: int(group[1]))
    return f"{commit} {line}"


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
