"""npm audit: what the registry knows of the packages in package-lock.json.

It ends with 1 for vulnerabilities and for a registry that does not answer alike: an object with `error` or `statusCode` is the
latter. The registry is the one of the operator's environment or npm configuration; a change that touches .npmrc could
name another, so with it nothing that is said counts.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.flaws import Flaw, danger_of_word, flaw_finding
from forge_dagster.domain.outcomes import Outcome, Severity
from forge_dagster.domain.plain_text import one_line
from forge_dagster.domain.policy_gates import ScaSection
from forge_dagster.domain.project import Language, Project
from forge_dagster.domain.sbom import Component, Ecosystem
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.reading import Unreadable, careful, counted, json_object, report

_ALL = ("--include=prod", "--include=dev", "--include=optional", "--include=peer")
"""Whatever .npmrc omits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NpmAudit:
    """The adapter."""

    name: str = "npm_audit"
    gate: str = "sca"
    language: Language | None = Language.TYPESCRIPT
    default: bool = True
    program: str = "npm"
    package: str = ""
    needs_environment: bool = False

    def chosen(self, project: Project) -> str | None:
        """By a script that runs it."""
        scripts = project.node.scripts if project.node is not None else {}
        named = next((name for name, text in scripts.items() if "npm audit" in str(text)), None)
        return None if named is None else f'package.json\'s script "{named}" runs npm audit'

    def covers(self, project: Project, part: Project) -> bool:  # noqa: ARG002 - asked of every tool
        """A member of a workspace is in its lock; any other part has a lock of its own."""
        return part.node is None or part.node.workspace is not None

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """One run on the lock, installing nothing; none without dependencies. It says itself that there is no lock."""
        node = request.project.node
        if node is None or not (node.dependencies or node.lock_file):
            return ()
        argv = (str(request.executable), "audit", "--json", "--package-lock-only", "--audit-level=info", *_ALL)
        folder = request.root / (node.directory if node.workspace is None else node.workspace)
        environment = {"NO_COLOR": "1", "npm_config_update_notifier": "false"}
        if request.cache is not None:
            environment["npm_config_cache"] = str(request.cache)
        return (Command(argv=argv, cwd=folder, environment=environment, timeout_s=request.timeout_s, network=True),)

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """The vulnerabilities, in the registry's own words."""
        if not outputs:
            raise Unreadable("npm audit was not run")
        output = outputs[0]
        if any(posixpath.basename(path) == ".npmrc" for path in request.change.paths):
            raise Unreadable("the change touches .npmrc, which may say whom npm asks, so its answer does not count")
        data = json_object(output.result.stdout, "what npm audit printed")
        _refuse_errors(data)
        entries, dependencies = data["vulnerabilities"], counted(data["metadata"]["dependencies"]["total"])
        total = counted(data["metadata"]["vulnerabilities"]["total"])
        if data.get("auditReportVersion") != 2 or not isinstance(entries, dict) or total != len(entries):
            raise Unreadable(f"npm audit counts {total} vulnerabilities, and its report is another")
        if output.result.exit_code != (1 if entries else 0):
            raise Unreadable(f"npm audit ended with {output.result.exit_code} and reports {total} vulnerabilities")
        findings = tuple(_findings(request, entries))
        if entries and not findings:
            raise Unreadable("npm audit reports vulnerable packages and names no advisory")
        failed = any(finding.severity is Severity.ERROR for finding in findings)
        outcome = Outcome.FAILED if failed else Outcome.PASSED
        return report(outcome, output, examined=dependencies, findings=findings)


def _refuse_errors(data: Mapping[str, Any]) -> None:
    """Raises Unreadable for the answer of a registry that cannot tell."""
    error = data.get("error")
    if error is None and "statusCode" not in data and "vulnerabilities" in data:
        return
    said = [data.get("statusCode"), data.get("message")]
    said += [error.get("code"), error.get("summary")] if isinstance(error, Mapping) else [error]
    words = " ".join(str(one) for one in said if one)
    raise Unreadable(f"npm audit got no answer: {one_line(words, 300) or 'it does not say why'}")


def _findings(request: ToolRequest, entries: Mapping[str, Any]) -> Iterator[Finding]:
    section = request.policy.section("sca", ScaSection)
    node = request.project.node
    assert node is not None
    lock = node.lock_file or "package-lock.json"
    file = posixpath.join(node.directory if node.workspace is None else node.workspace, lock)
    seen: set[tuple[str, str]] = set()
    for entry in entries.values():
        for via in entry["via"]:
            if isinstance(via, str):
                continue
            name = _advisory(via)
            if (str(via["name"]), name) in seen:
                continue
            seen.add((str(via["name"]), name))
            one = Component(
                ecosystem=Ecosystem.NPM,
                name=str(via["name"]),
                version=f"({one_line(str(via['range']), 100)})",
                direct=bool(entry.get("isDirect")),
            )
            flaw = Flaw(
                component=one,
                names=(name,),
                summary=one_line(str(via["title"]), 300),
                danger=danger_of_word(str(via["severity"])),
                known_fix=False,
            )
            found = flaw_finding("npm_audit", flaw, section, file=file)
            yield found.model_copy(update={"suggested_fix": _fix(entry.get("fixAvailable"), one.name)})


def _advisory(via: Mapping[str, Any]) -> str:
    match = re.search(r"GHSA(?:-[0-9a-z]{4}){3}", str(via.get("url", "")))
    return match[0] if match is not None else f"npm-{one_line(str(via['source']), 40)}"


def _fix(available: object, name: str) -> str:
    if isinstance(available, Mapping):
        return f"update {one_line(str(available['name']), 100)} to {one_line(str(available['version']), 100)}"
    if available is True:
        return f"run `npm audit fix`, which updates {one_line(name, 100)}"
    return f"no version of {one_line(name, 100)} mends it yet: replace it, or what requires it"


ADAPTER = NpmAudit()
