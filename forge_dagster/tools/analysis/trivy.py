"""trivy: what its database knows of the packages in the repository's locks.

Used where it is installed. It is asked for packages with its own code for flaws (`--exit-code`), so that 1, which it ends with
for anything that goes wrong, such as no database, cannot be taken for them. It walks the whole tree; what it says of locks in
fixtures is left out, and a lock of the repository that it says nothing of is ERRORED. Its configuration can ignore
vulnerabilities, so where a change touches that, what it says does not count.
Options and report: trivy.dev/docs, "trivy filesystem" and "Reporting".
"""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.flaws import Flaw, danger_of_word, flaw_finding, ordered_names
from forge_dagster.domain.outcomes import Outcome, Severity
from forge_dagster.domain.package_versions import order_of
from forge_dagster.domain.plain_text import one_line
from forge_dagster.domain.policy_gates import ScaSection
from forge_dagster.domain.project import Language, Project
from forge_dagster.domain.sbom import Component, Ecosystem, component
from forge_dagster.domain.sbom_locks import NODE_LOCKS
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.analysis.project_locks import project_locks
from forge_dagster.tools.reading import Unreadable, careful, complaint, json_object, place, report

DATABASE_VARIABLE = "FORGE_TRIVY_MIRROR"
"""Variable of the request that names the mirror in which trivy's own cache lies."""
_CACHE = "trivy"
_DATABASE_HOSTS = ("mirror.gcr.io", "ghcr.io", "pkg-containers.githubusercontent.com")
"""Where it fetches its database (trivy.dev/docs, "Network connectivity")."""
_CONFIGURATIONS = ("trivy.yaml", ".trivyignore", ".trivyignore.yaml")
_NO_DATABASE = "--skip-db-update cannot be specified on the first run"
_FLAWS_FOUND = 5
"""Exit code that it is told to end with where it finds any."""
_NOT_READ = frozenset({"pdm.lock", "npm-shrinkwrap.json"})
"""Locks of which it knows nothing (trivy.dev/docs, "Language-specific Packages")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trivy:
    """The adapter. `database_folder`: what a mirror has in it that it can read offline: a cache with `db/trivy.db`.

    trivy makes that `db` for its own user only; in the sandbox it is somebody else, so a mirror's has to be readable by all.
    """

    name: str = "trivy"
    gate: str = "sca"
    language: Language | None = None
    default: bool = False
    program: str = "trivy"
    package: str = ""
    database_folder: str = _CACHE
    database_variable: str = DATABASE_VARIABLE

    def chosen(self, project: Project) -> str | None:
        """By its configuration."""
        found = next((path for path in _CONFIGURATIONS if path in project.files), None)
        return None if found is None else f"there is a {found}"

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """One run over the tree; none where no project has a lock that it reads."""
        if not _asked(request):
            return ()
        mirror = request.variables.get(DATABASE_VARIABLE)
        offline = mirror is not None
        argv = [str(request.executable), "filesystem", "--scanners", "vuln", "--pkg-types", "library", "--include-dev-deps"]
        argv += ["--list-all-pkgs", "--format", "json", "--exit-code", str(_FLAWS_FOUND), "--cache-backend", "memory"]
        argv += ["--no-progress", "--skip-version-check", "--disable-telemetry"]
        argv += ["--offline-scan", "--skip-db-update", "--cache-dir", f"{mirror}/{_CACHE}"] if offline else []
        return (
            Command(
                argv=(*argv, "."), cwd=request.root, timeout_s=request.timeout_s, network=not offline, hosts=_DATABASE_HOSTS
            ),
        )

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """The vulnerabilities; ERRORED where it was not able to tell of every lock."""
        if not outputs:
            raise Unreadable("trivy was not run")
        output = outputs[0]
        touched = next((path for path in request.change.paths if posixpath.basename(path) in _CONFIGURATIONS), None)
        if touched is not None:
            raise Unreadable(f"the change touches {touched}, which may tell trivy what to ignore")
        if output.result.exit_code not in (0, _FLAWS_FOUND):
            problem = f"trivy ended with {output.result.exit_code}: {complaint(output)}"
            more = f" (a mirror's {_CACHE}/db has to be readable by all)" if _NO_DATABASE in problem else ""
            raise Unreadable(f"{problem}{more}")
        data = json_object(output.result.stdout, "what trivy printed")
        if data["SchemaVersion"] != 2:
            raise Unreadable(f"trivy's report is of version {str(data['SchemaVersion'])[:20]}, and only 2 is known")
        told = data.get("Results") or ()  # there is none where it has read no lock
        results = {place(request, str(result["Target"])): result for result in told if result["Class"] == "lang-pkgs"}
        any_flaw = any(result.get("Vulnerabilities") for result in told)
        if output.result.exit_code != (_FLAWS_FOUND if any_flaw else 0):
            raise Unreadable(f"trivy ended with {output.result.exit_code}, and its report says otherwise")
        silent = [path for path in _asked(request) if path not in results]
        if silent:
            raise Unreadable(f"trivy says nothing of {silent[0]}: it pins nothing, is left out, or cannot be read")
        mine = {path: results[path] for path in _asked(request)}
        findings = tuple(finding for path, result in mine.items() for finding in _findings(request, path, result))
        failed = any(finding.severity is Severity.ERROR for finding in findings)
        examined = sum(len(result["Packages"]) for result in mine.values())
        outcome = Outcome.FAILED if failed else Outcome.PASSED
        return report(outcome, output, examined=examined, findings=findings)


def _asked(request: ToolRequest) -> tuple[str, ...]:
    return tuple(path for path in project_locks(request.project) if posixpath.basename(path) not in _NOT_READ)


def _findings(request: ToolRequest, path: str, result: Mapping[str, Any]) -> Iterator[Finding]:
    section = request.policy.section("sca", ScaSection)
    ecosystem = Ecosystem.NPM if posixpath.basename(path) in NODE_LOCKS else Ecosystem.PYPI
    for entry in result.get("Vulnerabilities") or ():
        one = component(ecosystem, entry["PkgName"], entry["InstalledVersion"], file=path)
        flaw = Flaw(
            component=one,
            names=ordered_names([str(entry["VulnerabilityID"]), *(str(name) for name in entry.get("VendorIDs") or ())]),
            summary=one_line(str(entry.get("Title") or ""), 300),
            danger=danger_of_word(str(entry.get("Severity") or "")),
            fix=_fix(one, str(entry.get("FixedVersion") or "")),
        )
        yield flaw_finding("trivy", flaw, section)


def _fix(one: Component, versions: str) -> str | None:
    """The least of the versions above this one, which are written as "2.31.1, 3.0.2"."""
    order = order_of(one.ecosystem)
    found = []
    for version in versions.split(","):
        try:
            if order(version.strip()) > order(one.version):
                found.append(version.strip())
        except ValueError:
            continue
    return min(found, key=order, default=None)


ADAPTER = Trivy()
