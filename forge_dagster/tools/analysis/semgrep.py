"""semgrep, with the rules that ship with Forge, the repository's own, and the registry packs that the policy names.

Exit codes (semgrep.dev/docs/cli-reference, "Exit codes"), with `--error`: 0 nothing found, 1 findings, 2 an error (such as a
registry that does not answer), 7 a rule that cannot be read. A file that it left out or could not read shows nowhere but in
the report's `paths.scanned` and `errors`, so both are compared with what was asked for.
Every file is named, which leaves .semgrepignore and .gitignore without effect, and `--disable-nosem` leaves `nosemgrep`
comments without: what they would have excused is told by the SARIF that is written beside the JSON (`suppressions`).
Of single-file components it is given the scripts, which a program of Forge's takes out of them first.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

import forge_dagster
from forge_dagster.domain.component_scripts import COMPONENTS
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome, Severity
from forge_dagster.domain.places import inside
from forge_dagster.domain.policy_gates import SastSection
from forge_dagster.domain.project import Language, Project
from forge_dagster.domain.sources import is_test
from forge_dagster.errors import ConfigurationError
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.analysis.scanned import added, targets, weighed
from forge_dagster.tools.evidence import hook_sign
from forge_dagster.tools.reading import Unreadable, careful, complaint, json_object, place, position, report

RULES = Path(forge_dagster.__file__).parent / "rules"
"""One folder per language."""
ENDINGS = (".py", ".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx")
_TAKING_OUT = Path(__file__).parent / "programs" / "component_scripts.py"
_SCRIPT_ENDING = ".ts"
_OTHER_SCRIPT = "a script in another language than JavaScript or TypeScript, or within another script"
_OWN_FILES = (".semgrep.yml", ".semgrep.yaml")
_OWN_FOLDER = ".semgrep/"
_PACK = re.compile(r"[pr]/[A-Za-z0-9._/-]+")
_RULE_HOSTS = ("semgrep.dev",)
"""Where a pack that the repository names is fetched."""
_AT_ONCE = 1_000
"""Files named in one command; an argument list has a limit."""
_RULE_TIMEOUT_S = 30
"""Seconds for one rule on one file; with semgrep's own 5, a large file on a busy machine goes unseen."""
_LARGEST_FILE = 5_000_000
"""Bytes; semgrep's own limit is 1 MB."""
_READ = (*ENDINGS, *COMPONENTS)
_SEVERITIES = {"ERROR": Severity.ERROR, "CRITICAL": Severity.ERROR, "HIGH": Severity.ERROR, "WARNING": Severity.WARNING,
               "MEDIUM": Severity.WARNING, "INFO": Severity.NOTE, "LOW": Severity.NOTE}  # fmt: skip
_NOT_SEEN = "not-examined"
_Spot = tuple[str, int, int, str]


class Semgrep(BaseModel):
    """The adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "semgrep"
    gate: str = "sast"
    language: Language | None = None
    default: bool = True
    program: str = "semgrep"
    package: str = "semgrep"
    needs_environment: bool = False
    reads_components: bool = True

    def chosen(self, project: Project) -> str | None:
        """By rules of its own, or its hook."""
        own = own_rules(project)
        return f"there is a {own[0]}" if own else hook_sign(project, ("semgrep", "semgrep-ci"))

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """A scan per thousand files; none where nothing that it reads changed. Raises ConfigurationError for unusable rules."""
        files = targets(request, _READ)
        rules, network = _configurations(request)
        batches = [files[start : start + _AT_ONCE] for start in range(0, len(files), _AT_ONCE)]
        scans = [self._command(request, number, rules, batch, network=network) for number, batch in enumerate(batches)]
        return [*_taking_out(request, files), *scans]

    def _command(
        self, request: ToolRequest, number: int, rules: tuple[str, ...], files: tuple[str, ...], *, network: bool
    ) -> Command:
        configured = [option for rule in rules for option in ("--config", rule)]
        argv = (
            str(request.executable), "scan", *configured, "--no-rewrite-rule-ids", "--metrics=off", "--disable-version-check",
            "--error", "--disable-nosem", "--no-git-ignore", "--quiet", f"--timeout={_RULE_TIMEOUT_S}",
            f"--max-target-bytes={_LARGEST_FILE}", "--json", f"--output={request.report / f'{number}.json'}",
            f"--sarif-output={request.report / f'{number}.sarif'}", "--", *(_target(request, file) for file in files),
        )  # fmt: skip
        quiet = {"SEMGREP_SEND_METRICS": "off", "SEMGREP_ENABLE_VERSION_CHECK": "0", "NO_COLOR": "1"}
        if request.cache is not None:
            quiet |= {
                "SEMGREP_SETTINGS_FILE": str(request.cache / "settings.yml"),
                "SEMGREP_LOG_FILE": str(request.cache / "semgrep.log"),
                "SEMGREP_VERSION_CACHE_PATH": str(request.cache / "version"),
            }
        return Command(
            argv=argv, cwd=request.root, environment=quiet, timeout_s=request.timeout_s, network=network, hosts=_RULE_HOSTS
        )

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """A finding per match. A changed file that was not examined is ERRORED; others, and parts of files, are warnings."""
        files = targets(request, _READ)
        taken = len(_taking_out(request, files))
        partly = tuple(self._note(path, _OTHER_SCRIPT) for path in _left_unread(outputs[:taken]))
        outputs = outputs[taken:]
        findings: list[Finding] = []
        scanned: set[str] = set()
        errors: list[dict[str, Any]] = []
        for number, output in enumerate(outputs):
            code = output.result.exit_code
            if code not in (0, 1):
                raise Unreadable(f"semgrep ended with {code}: {_problem(output, number)}")
            data = json_object(output.reports.get(f"{number}.json", b""), "semgrep's report")
            matches = data["results"]
            excused = _excused(output.reports.get(f"{number}.sarif", b""), len(matches))
            if bool(matches) != (code == 1):
                raise Unreadable(f"semgrep ended with {code} and reported {len(matches)} findings")
            findings += [self._finding(request, match, excused) for match in matches]
            scanned |= {path for name in data["paths"]["scanned"] if (path := _of_tree(request, str(name))) is not None}
            errors += data["errors"]
        unseen = self._unseen(request, files, scanned, errors)
        found = tuple(findings) + tuple(unseen.values())
        examined = len(scanned.intersection(files) - unseen.keys())
        failing = any(finding.severity is Severity.ERROR for finding in found)
        missed = [path for path in unseen if request.change.base_sha is not None and not is_test(path)]
        if missed and not failing:
            raise Unreadable(f"semgrep could not examine {missed[0]}, which the change touches: {unseen[missed[0]].message}")
        partly += tuple(self._partly(request, error) for error in errors if _is_partial(error))
        outcome = Outcome.FAILED if failing else Outcome.PASSED
        worst = max(outputs, key=lambda output: output.result.exit_code or 0)
        return report(outcome, worst, examined=examined, findings=found + partly)

    def _finding(self, request: ToolRequest, match: dict[str, Any], excused: Mapping[_Spot, bool]) -> Finding:
        start, end, extra = match["start"], match["end"], match["extra"]
        spot = (str(match["path"]), start["line"], start["col"], str(match["check_id"]))
        file = _placed(request, str(match["path"]))
        weakness = str((extra.get("metadata") or {}).get("cwe") or "")
        found = Finding(
            tool=self.name,
            rule=str(match["check_id"]),
            message=f"{extra['message']}{f' ({weakness})' if weakness.startswith('CWE-') else ''}",
            category=Category.SECURITY,
            file=file,
            line=position(start["line"]),
            column=position(start["col"]),
            severity=_SEVERITIES.get(str(extra["severity"]).upper(), Severity.ERROR),
        )
        by_change = added(request.change, file, start["line"] - 1, end["line"])
        return weighed(found, excused_by="nosemgrep" if excused[spot] else "", by_change=by_change)

    def _unseen(
        self, request: ToolRequest, files: tuple[str, ...], scanned: set[str], errors: Sequence[dict[str, Any]]
    ) -> dict[str, Finding]:
        """Files that it did not look at, or not with every rule, and why."""
        why = {path: "semgrep left it out (too large, or not text)" for path in files if path not in scanned}
        for error in errors:
            path = _of_tree(request, str(error.get("path") or ""))
            if path in files and not _is_partial(error):
                why[path] = _first_line(error)
            elif path is None and str(error.get("level")) == "error":
                raise Unreadable(f"semgrep: {_first_line(error)}")
        return {path: self._note(path, reason) for path, reason in why.items()}

    def _note(self, path: str, reason: str, *, line: int | None = None) -> Finding:
        fix = "look at it yourself; semgrep says nothing about it"
        return Finding(
            tool=self.name, rule=_NOT_SEEN, message=f"not examined: {reason}", category=Category.SECURITY, file=path, line=line,
            severity=Severity.WARNING, suggested_fix=fix,
        )  # fmt: skip

    def _partly(self, request: ToolRequest, error: dict[str, Any]) -> Finding:
        span: Mapping[str, Any] = next(iter(error.get("spans") or ()), {})
        line = position((span.get("start") or {}).get("line"))
        return self._note(
            _placed(request, str(error["path"])), f"a part that semgrep cannot parse ({_first_line(error)})", line=line
        )


def own_rules(project: Project) -> tuple[str, ...]:
    """The repository's own rule files, by semgrep's conventional names."""
    return tuple(
        path
        for path in project.files
        if path in _OWN_FILES or (path.startswith(_OWN_FOLDER) and path.endswith((".yml", ".yaml")) and ".test." not in path)
    )


def _configurations(request: ToolRequest) -> tuple[tuple[str, ...], bool]:
    """What to give to `--config`, and whether some of it is fetched from the registry."""
    languages = {Language.PYTHON: (".py",), Language.TYPESCRIPT: (*ENDINGS[1:], *COMPONENTS)}
    files = targets(request, _READ)
    ours = tuple(
        str(RULES / ("python" if language is Language.PYTHON else "javascript"))
        for language, endings in languages.items()
        if any(path.endswith(endings) for path in files)
    )
    named = request.policy.section("sast", SastSection).rules
    packs = tuple(rule for rule in named if _PACK.fullmatch(rule))
    local = tuple(_local_rule(request, rule) for rule in named if rule not in packs)
    found = tuple(f"./{path}" for path in own_rules(request.project))
    return tuple(dict.fromkeys((*ours, *found, *local, *packs))), bool(packs)


def _scripts(request: ToolRequest) -> Path:
    """Where the scripts of components are put: beside the report's folder, which is read as a whole."""
    return request.report.parent / "components"


def _taking_out(request: ToolRequest, files: Sequence[str]) -> tuple[Command, ...]:
    """What takes the scripts out of the components among the files, by the Python that semgrep itself runs on."""
    components = [file for file in files if file.endswith(COMPONENTS)]
    python, folder = str(request.executable.parent / "python"), str(_scripts(request))
    return tuple(
        Command(
            argv=(python, "-I", "-S", str(_TAKING_OUT), folder, *components[start : start + _AT_ONCE]),
            cwd=request.root,
            timeout_s=request.timeout_s,
        )
        for start in range(0, len(components), _AT_ONCE)
    )


def _left_unread(first: Sequence[ToolOutput]) -> tuple[str, ...]:
    """The components of which the program said that a script is missing. Raises Unreadable where it did not do its work."""
    paths: list[str] = []
    for output in first:
        if output.result.exit_code != 0:
            raise Unreadable(f"the scripts of single-file components could not be taken out: {complaint(output)}")
        paths += [str(json.loads(line)) for line in output.result.stdout.splitlines()]
    return tuple(paths)


def _target(request: ToolRequest, file: str) -> str:
    return f"{_scripts(request) / file}{_SCRIPT_ENDING}" if file.endswith(COMPONENTS) else f"./{file}"


def _of_tree(request: ToolRequest, name: str) -> str | None:
    """The file of the tree that semgrep speaks of; None: of none."""
    taken_out = inside(_scripts(request), name) if name.startswith("/") else None
    return inside(request.root, name) if taken_out is None else taken_out.removesuffix(_SCRIPT_ENDING)


def _placed(request: ToolRequest, name: str) -> str:
    return _of_tree(request, name) or place(request, name)


def _local_rule(request: ToolRequest, rule: str) -> str:
    path = inside(request.root, rule)
    known = path is not None and any(file == path or file.startswith(f"{path}/") for file in request.project.files)
    if not known:
        raise ConfigurationError(
            f'[gates.sast] rules: "{rule}" is neither a file or folder of this repository nor a registry pack',
            hint='give a path from the repository\'s root, or a pack such as "p/python"',
        )
    return f"./{path}"


def _excused(content: bytes, count: int) -> dict[_Spot, bool]:
    """Place and rule of each result in the SARIF -> whether a comment in the code would have excused it."""
    (run,) = json_object(content, "semgrep's SARIF")["runs"]
    if len(run["results"]) != count:
        raise Unreadable(f"semgrep reported {count} findings, and {len(run['results'])} in its SARIF")
    found: dict[_Spot, bool] = {}
    for result in run["results"]:
        where = result["locations"][0]["physicalLocation"]
        region = where["region"]
        spot = (where["artifactLocation"]["uri"], region["startLine"], region["startColumn"], result["ruleId"])
        found[spot] = any(entry.get("kind") == "inSource" for entry in result.get("suppressions") or ())
    return found


def _is_partial(error: Mapping[str, Any]) -> bool:
    kind = error.get("type")
    return (kind[0] if isinstance(kind, list) and kind else kind) == "PartialParsing"


def _first_line(error: Mapping[str, Any]) -> str:
    said = str(error.get("message") or error.get("short_msg") or error.get("type") or "an error without a name")
    return said.strip().splitlines()[0][:300] if said.strip() else "an error without a name"


def _problem(output: ToolOutput, number: int) -> str:
    """Its own words: the report's errors, else what it printed."""
    try:
        errors = json_object(output.reports.get(f"{number}.json", b""), "semgrep's report")["errors"]
        return "; ".join(_first_line(error) for error in errors[:3]) or complaint(output)
    except (Unreadable, LookupError, TypeError, AttributeError):
        return complaint(output)


ADAPTER = Semgrep()
