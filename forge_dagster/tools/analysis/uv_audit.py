"""uv audit: what osv.dev knows of the packages that uv.lock pins, for all platforms, extras and groups.

`--frozen` reads the lock as it is and asks no package index; `--no-config` leaves [tool.uv] and uv.toml without effect, where a
change could have an advisory ignored. It ends with 0 for no vulnerability, 1 for some, and 2 where it was not able to tell (the
service does not answer). A project that its authors archived or that the index quarantined leaves it at 0.
The command and its JSON are a preview of uv's (docs.astral.sh/uv, "uv audit"): a report of another shape is ERRORED.
"""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forge_dagster.domain.advisories import OSV_HOSTS
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.flaws import Flaw, flaw_finding, ordered_names
from forge_dagster.domain.outcomes import Category, Outcome, Severity
from forge_dagster.domain.package_versions import pypi_key
from forge_dagster.domain.plain_text import one_line
from forge_dagster.domain.policy_gates import ScaSection
from forge_dagster.domain.project import Language, Project, PythonProject
from forge_dagster.domain.sbom import Ecosystem, component
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.reading import Unreadable, careful, complaint, counted, json_object, report

SERVICE_VARIABLE = "FORGE_OSV_SERVICE"
"""Variable of the request that names another OSV service than osv.dev; uv itself has only an option for it."""
_LOCK = "uv.lock"
_PREVIEWS = "audit-command,json-output"


@dataclass(frozen=True, slots=True, kw_only=True)
class UvAudit:
    """The adapter."""

    name: str = "uv_audit"
    gate: str = "sca"
    language: Language | None = Language.PYTHON
    default: bool = False
    program: str = "uv"
    package: str = "uv"
    needs_environment: bool = False

    def chosen(self, project: Project) -> str | None:
        """By its lock; a repository that depends on uv itself may have one that is too old to audit."""
        python = project.python
        if python is None or python.lock_file != _LOCK or self.package in python.dependencies:
            return None
        return f"there is a {_LOCK}"

    def covers(self, project: Project, part: Project) -> bool:  # noqa: ARG002 - asked of every tool
        """The lock of a workspace is that of its members too; any other part has one of its own."""
        return part.python is None or part.python.workspace is not None

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """One run over the lock; none where there is none."""
        python = request.project.python
        if python is None or _lock(python) not in request.project.files:
            return ()
        argv = [str(request.executable), "audit", "--frozen", "--no-config", "--output-format", "json"]
        argv += ["--preview-features", _PREVIEWS, "--no-progress", "--color", "never", "--no-python-downloads"]
        service = request.variables.get(SERVICE_VARIABLE)
        argv += ["--service-url", service] if service else []
        cache = {"UV_CACHE_DIR": str(request.cache)} if request.cache is not None else {}
        folder = request.root / posixpath.dirname(_lock(python))
        return (
            Command(
                argv=tuple(argv), cwd=folder, environment=cache, timeout_s=request.timeout_s, network=True, hosts=OSV_HOSTS
            ),
        )

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """The vulnerabilities; ERRORED where it was not able to tell, or looked at nothing."""
        if not outputs:
            raise Unreadable("uv audit was not run")
        output = outputs[0]
        if output.result.exit_code not in (0, 1) or not output.result.stdout.strip():
            raise Unreadable(f"uv audit ended with {output.result.exit_code}: {complaint(output)}")
        data = json_object(output.result.stdout, "what uv audit printed")
        entries, statuses = data["vulnerabilities"], data["adverse_statuses"]
        if not isinstance(entries, list) or not isinstance(statuses, list):
            raise Unreadable("uv audit's vulnerabilities are no list")
        counts = {name: counted(data["summary"][name]) for name in ("audited_packages", "vulnerabilities", "adverse_statuses")}
        if (counts["vulnerabilities"], counts["adverse_statuses"]) != (len(entries), len(statuses)):
            raise Unreadable(f"uv audit counts {counts['vulnerabilities']} vulnerabilities and lists {len(entries)}")
        if output.result.exit_code != (1 if entries else 0):
            raise Unreadable(f"uv audit ended with {output.result.exit_code} and reports {len(entries)} vulnerabilities")
        if not counts["audited_packages"]:
            raise Unreadable(f"uv audit found no package in {_LOCK} that the service could know")
        python = request.project.python
        file = _lock(python) if python is not None else _LOCK
        findings = (*_vulnerabilities(request, file, entries), *(_status(file, entry) for entry in statuses))
        failed = any(finding.severity is Severity.ERROR for finding in findings)
        outcome = Outcome.FAILED if failed else Outcome.PASSED
        return report(outcome, output, examined=counts["audited_packages"], findings=findings)


def _lock(python: PythonProject) -> str:
    return posixpath.join(python.directory if python.workspace is None else python.workspace, _LOCK)


def _vulnerabilities(request: ToolRequest, file: str, entries: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    section = request.policy.section("sca", ScaSection)
    for entry in entries:
        one = component(Ecosystem.PYPI, entry["dependency"]["name"], entry["dependency"]["version"], file=file)
        fixes = [fix for fix in entry.get("fix_versions") or () if isinstance(fix, str)]
        flaw = Flaw(
            component=one,
            names=ordered_names([str(entry["id"]), *(str(alias) for alias in entry.get("aliases") or ())]),
            summary=one_line(str(entry.get("summary") or ""), 300),
            fix=min((fix for fix in fixes if pypi_key(fix) > pypi_key(one.version)), key=pypi_key, default=None),
        )
        yield flaw_finding("uv_audit", flaw, section)


def _status(file: str, entry: Mapping[str, Any]) -> Finding:
    """What the index says of a project as a whole (packaging.python.org, "Project Status Markers"): worth a look, no flaw."""
    name, status = one_line(str(entry["name"]), 100), one_line(str(entry["status"]), 40)
    reason = one_line(str(entry.get("reason") or ""), 300)
    return Finding(
        tool="uv_audit",
        rule=f"project-{status}",
        message=f"{name} is {status}{f': {reason}' if reason else ''}",
        category=Category.DEPENDENCY,
        file=file,
        severity=Severity.WARNING,
        suggested_fix=f"look for what has taken the place of {name}",
        snippet=f"{name}@project-{status}",
    )


ADAPTER = UvAudit()
