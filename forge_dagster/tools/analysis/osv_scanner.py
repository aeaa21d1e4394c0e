"""osv-scanner: what osv.dev, or a copy of its data on this machine, knows of the packages in the repository's locks.

Used where it is installed. It ends with 1 for vulnerabilities, 0 for none, 127 for a database that it cannot load (over a
report that looks clean) and 128 where it finds no package. Its configuration can ignore vulnerabilities, so where a change
touches that, what it says does not count.
"""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forge_dagster.domain.advisories import OSV_HOSTS, fixed_version, parse_advisory
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.flaws import Flaw, danger_of, flaw_finding, ordered_names
from forge_dagster.domain.outcomes import Outcome, Severity
from forge_dagster.domain.policy_gates import ScaSection
from forge_dagster.domain.project import Language, Project
from forge_dagster.domain.sbom import Ecosystem, component
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.analysis.project_locks import project_locks
from forge_dagster.tools.reading import Unreadable, careful, complaint, json_object, place, report

DATABASE_VARIABLE = "OSV_SCALIBR_LOCAL_DB_CACHE_DIRECTORY"
_CONFIGURATION = "osv-scanner.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class OsvScanner:
    """The adapter. `database_folder`: what a mirror has in it that it can read with no network, named to it in
    `database_variable`.
    """

    name: str = "osv_scanner"
    gate: str = "sca"
    language: Language | None = None
    default: bool = False
    program: str = "osv-scanner"
    package: str = ""
    database_folder: str = "osv-scalibr"
    database_variable: str = DATABASE_VARIABLE

    def chosen(self, project: Project) -> str | None:
        """By its configuration."""
        return f"there is an {_CONFIGURATION}" if _CONFIGURATION in project.files else None

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """One run over the projects' locks; none where there is none."""
        locks = tuple(project_locks(request.project))
        if not locks:
            return ()
        offline = DATABASE_VARIABLE in request.variables
        argv = [str(request.executable), "scan", "source", "--format", "json", "--all-packages", "--no-resolve"]
        argv += [*(["--offline"] if offline else []), *(f"--lockfile={path}" for path in locks)]
        return (Command(argv=tuple(argv), cwd=request.root, timeout_s=request.timeout_s, network=not offline, hosts=OSV_HOSTS),)

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """The vulnerabilities; ERRORED where it was not able to tell."""
        if not outputs:
            raise Unreadable("osv-scanner was not run")
        output = outputs[0]
        if any(posixpath.basename(path) == _CONFIGURATION for path in request.change.paths):
            raise Unreadable(f"the change touches {_CONFIGURATION}, which may tell osv-scanner what to ignore")
        if output.result.exit_code not in (0, 1) or b"Error during extraction" in output.result.stderr:
            raise Unreadable(f"osv-scanner ended with {output.result.exit_code}: {complaint(output)}")
        results = json_object(output.result.stdout, "what osv-scanner printed")["results"]
        entries = [(result["source"]["path"], entry) for result in results for entry in result["packages"]]
        findings = tuple(finding for path, entry in entries for finding in _findings(request, str(path), entry))
        if output.result.exit_code != (1 if findings else 0):
            raise Unreadable(f"osv-scanner ended with {output.result.exit_code} and reports {len(findings)} vulnerabilities")
        failed = any(finding.severity is Severity.ERROR for finding in findings)
        outcome = Outcome.FAILED if failed else Outcome.PASSED
        return report(outcome, output, examined=len(entries), findings=findings)


def _findings(request: ToolRequest, path: str, entry: Mapping[str, Any]) -> Iterator[Finding]:
    section = request.policy.section("sca", ScaSection)
    package = entry["package"]
    one = component(Ecosystem(package["ecosystem"]), package["name"], package["version"], file=place(request, path))
    known = {advisory.id: advisory for advisory in map(parse_advisory, entry.get("vulnerabilities") or ())}
    grouped = [group["ids"] for group in entry.get("groups") or ()]
    if {name for names in grouped for name in names} != set(known):
        raise Unreadable("osv-scanner's groups are not of its vulnerabilities")
    for names in grouped:
        advisories = [known[name] for name in names]
        rated = [danger for advisory in advisories if (danger := danger_of(advisory)) is not None]
        flaw = Flaw(
            component=one,
            names=ordered_names(name for advisory in advisories for name in (advisory.id, *advisory.aliases)),
            summary=next((advisory.summary for advisory in advisories if advisory.summary), ""),
            danger=max(rated, default=None),
            fix=next((fix for advisory in advisories if (fix := fixed_version(advisory, one)) is not None), None),
        )
        yield flaw_finding("osv_scanner", flaw, section)


ADAPTER = OsvScanner()
