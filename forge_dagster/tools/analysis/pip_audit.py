"""pip-audit: what PyPI (or the OSV service that $PIP_AUDIT_OSV_URL names) knows of the packages that are installed.

It is given the versions of the repository's environment on stdin, so that it installs and resolves nothing. It ends with 0, "no
known vulnerabilities", while it skipped a package that its service does not know: each `skip_reason` is ERRORED.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.flaws import Flaw, flaw_finding, ordered_names
from forge_dagster.domain.outcomes import Outcome, Severity
from forge_dagster.domain.package_versions import pypi_key
from forge_dagster.domain.plain_text import one_line
from forge_dagster.domain.policy_gates import ScaSection
from forge_dagster.domain.project import Language, Project
from forge_dagster.domain.sbom import Ecosystem, component, package_name
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.evidence import python_sign, table
from forge_dagster.tools.reading import Unreadable, careful, complaint, json_object, report

_SKIPPED_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class PipAudit:
    """The adapter."""

    name: str = "pip_audit"
    gate: str = "sca"
    language: Language | None = Language.PYTHON
    default: bool = True
    program: str = "pip-audit"
    package: str = "pip-audit"

    def chosen(self, project: Project) -> str | None:
        """By a hook or a dependency."""
        return python_sign(project, package=self.package, hooks=("pip-audit",))

    def covers(self, project: Project, part: Project) -> bool:  # noqa: ARG002 - asked of every tool
        """A member of a workspace shares its environment; any other part has one of its own."""
        return part.python is None or part.python.workspace is not None

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """One run over what is installed; none where nothing is."""
        asked = _installed(request)
        if not asked:
            return ()
        argv = [str(request.executable), "--format", "json", "--progress-spinner", "off", "--desc", "off", "--aliases", "on"]
        if request.cache is not None:
            argv += ["--cache-dir", str(request.cache)]
        argv += ["--disable-pip", "--no-deps", "-r", "/dev/stdin"]
        lines = "".join(f"{name}=={version}\n" for name, version in sorted(asked.items()))
        return (Command(argv=tuple(argv), cwd=request.report, stdin=lines.encode(), timeout_s=request.timeout_s, network=True),)

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """The vulnerabilities; ERRORED where it was not able to tell of every package."""
        if not outputs:
            raise Unreadable("pip-audit was not run")
        output = outputs[0]
        if output.result.exit_code not in (0, 1) or not output.result.stdout.strip():
            raise Unreadable(f"pip-audit ended with {output.result.exit_code}: {complaint(output)}")
        entries = json_object(output.result.stdout, "what pip-audit printed")["dependencies"]
        if not isinstance(entries, list):
            raise Unreadable("pip-audit's dependencies are no list")
        skipped = [entry for entry in entries if "skip_reason" in entry]
        if skipped:
            told = "; ".join(one_line(str(entry["skip_reason"]), 120) for entry in skipped[:_SKIPPED_NAMED])
            raise Unreadable(f"pip-audit skipped {len(skipped)} of {len(entries)} packages: {told}")
        findings = tuple(finding for entry in entries for finding in _findings(request, entry))
        if output.result.exit_code != (1 if findings else 0):
            raise Unreadable(f"pip-audit ended with {output.result.exit_code} and reports {len(findings)} vulnerabilities")
        failed = any(finding.severity is Severity.ERROR for finding in findings)
        outcome = Outcome.FAILED if failed else Outcome.PASSED
        return report(outcome, output, examined=len(entries), findings=findings)


def _installed(request: ToolRequest) -> dict[str, str]:
    """Name -> version of what is installed, without the repository's own package."""
    if request.environment is None or request.project.python is None:
        return {}
    pyproject = request.project.python.pyproject
    tables = (table(pyproject, "project"), table(pyproject, "tool", "poetry"))
    own = {package_name(Ecosystem.PYPI, str(found.get("name"))) for found in tables if found is not None}
    versions = request.environment.versions
    return {name: version for name, version in versions.items() if version and package_name(Ecosystem.PYPI, name) not in own}


def _findings(request: ToolRequest, entry: Mapping[str, Any]) -> Iterator[Finding]:
    section = request.policy.section("sca", ScaSection)
    python = request.project.python
    assert python is not None
    one = component(Ecosystem.PYPI, entry["name"], entry["version"])
    for known in entry["vulns"]:
        above = [
            fix for fix in known.get("fix_versions") or () if isinstance(fix, str) and pypi_key(fix) > pypi_key(one.version)
        ]
        flaw = Flaw(
            component=one,
            names=ordered_names([str(known["id"]), *(str(alias) for alias in known.get("aliases") or ())]),
            fix=min(above, key=pypi_key, default=None),
        )
        yield flaw_finding("pip_audit", flaw, section)


ADAPTER = PipAudit()
