"""Record what the tools really say of the seeds: `python tests/golden/record.py [TOOL]...` (all tools without a name).

Needs the registries once (npm, PyPI); programs that no registry carries (gitleaks) must be on PATH, and are left out where they
are not. A recording whose judgement differs from what the seed expects is written all the same, and said.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from forge_dagster import registry  # noqa: E402
from forge_dagster.domain.graph import Job  # noqa: E402
from forge_dagster.domain.openapi import API_DOCUMENT, API_URL  # noqa: E402
from forge_dagster.domain.outcomes import Severity  # noqa: E402
from forge_dagster.domain.policy import Policy  # noqa: E402
from forge_dagster.domain.policy_gates import ServiceSection  # noqa: E402
from forge_dagster.domain.project import Language  # noqa: E402
from forge_dagster.gates.examined import Examined  # noqa: E402
from forge_dagster.gates.reports import read_reports  # noqa: E402
from forge_dagster.gates.selection import Choice  # noqa: E402
from forge_dagster.gates.tool_runs import RequestExtra, run_tool  # noqa: E402
from forge_dagster.ports import Command, Environment, GateContext, ProcessResult, Run, Tool  # noqa: E402
from forge_dagster.workspace.environments import LocalEnvironments  # noqa: E402
from forge_dagster.workspace.processes import ProcessRun, SystemClock  # noqa: E402
from forge_dagster.workspace.services import LocalServices  # noqa: E402
from tests.support.golden import APPLICATION, BIN, CACHE, COMPONENTS, FORGE, FORGE_FOLDER, GOLDEN, REPO, REPORT  # noqa: E402
from tests.support.seeds import Seed, all_seeds, plant  # noqa: E402


@dataclass
class Recorder:
    """A Run that keeps what it ran, with the report files there were after each command."""

    inner: Run
    report: Path
    taken: list[tuple[Command, ProcessResult, dict[str, bytes]]] = field(default_factory=list)

    def run(self, command: Command, *, log: Callable[[str], None] | None = None) -> ProcessResult:
        result = self.inner.run(command, log=log)
        self.taken.append((command, result, read_reports(self.report).files))
        return result

    def wait(self, seconds: float) -> None:
        self.inner.wait(seconds)

    def stop(self) -> None:
        self.inner.stop()


def record(seed: Seed, tool: Tool, *, home: Path, folder: Path) -> str:
    """Plant the seed, run the tool, write the case; a line to show."""
    root, scratch, cache = folder / "repo", folder / "scratch", folder / "cache"
    project, change = plant(seed, root)
    run = ProcessRun(home=None, run_id="record")
    recorder = Recorder(inner=run, report=scratch / tool.name / "report")
    environments = Remembering(LocalEnvironments(home, run))
    context = GateContext(
        gate=tool.gate,
        job=Job.CHANGE,
        change=change,
        project=project,
        policy=Policy(),
        root=root,
        scratch=scratch,
        run=recorder,
        environments=environments,
        clock=SystemClock(),
        log=lambda _line: None,
        cache=cache,
    )
    with _application(seed, root, home, run) as given:
        examined = run_tool(context, Choice(tool=tool, because="recording"), RequestExtra(variables=given))
    if not recorder.taken:
        return f"{seed.id}: NOT RECORDED: {examined.run.reason}"
    address = given[seed.told_in or API_URL].removeprefix("http://") if given else APPLICATION
    places = {address: APPLICATION} | _places(root, recorder.report, cache / tool.name, environments.given, tool)
    _write(
        seed,
        examined,
        recorder,
        places,
        project=json.loads(project.model_dump_json()),
        change=json.loads(change.model_dump_json()),
        more={
            "requested": {name: value.replace(address, APPLICATION) for name, value in given.items()},
            "installed": _installed(environments.given),
            "volatile_argv": seed.volatile_argv,
        },
    )
    return f"{seed.id}: {examined.run.outcome} {_difference(seed, examined)}"


@contextmanager
def _application(seed: Seed, root: Path, home: Path, run: ProcessRun) -> Iterator[Mapping[str, str]]:
    """The seed's application, if it has one, and the variables in which a gate says where it is."""
    if not seed.serve:
        yield {}
        return
    service = ServiceSection(command=seed.serve, variable=seed.told_in or API_URL)
    services = LocalServices(home=home, run=run)
    with services.started(
        {"application": service}, root=root, folder=home / "services", variables={}, run=run, log=lambda _line: None
    ) as given:
        yield {**given, **seed.variables} if seed.told_in else {**given, API_DOCUMENT: seed.document}


class Remembering:
    """Environments that remembers what it gave."""

    def __init__(self, inner: LocalEnvironments) -> None:
        self._inner = inner
        self.given: list[Environment] = []

    def of(self, *arguments: Any, **named: Any) -> Environment:
        self.given.append(self._inner.of(*arguments, **named))
        return self.given[-1]

    def toolbox(self, *arguments: Any, **named: Any) -> Environment:
        self.given.append(self._inner.toolbox(*arguments, **named))
        return self.given[-1]

    def pinned(self, *arguments: Any, **named: Any) -> Environment:
        self.given.append(self._inner.pinned(*arguments, **named))
        return self.given[-1]

    def digest(self, *arguments: Any, **named: Any) -> str | None:
        return self._inner.digest(*arguments, **named)


def _places(root: Path, report: Path, cache: Path, given: list[Environment], tool: Tool) -> dict[str, str]:
    places = {str(report): REPORT, str(cache): CACHE, str(root): REPO, str(FORGE_FOLDER): FORGE, sys.base_prefix: "/w/python"}
    places[str(report.parent / "components")] = COMPONENTS
    for environment in given:
        if environment.python is not None:
            places[str(environment.python)] = f"{BIN}/python"
        for directory in environment.bin_directories:
            places[str(directory)] = BIN
            places[str(directory.parent)] = "/w/environment"
            places[os.path.relpath(directory.parent, root)] = "../environment"
            places[str(directory.parent / ".forge-cache" / tool.name)] = CACHE
    found = shutil.which(tool.program)
    if not tool.package and found is not None:
        places[str(Path(found).parent)] = BIN
    return dict(sorted(places.items(), key=lambda item: -len(item[0])))


def _installed(given: list[Environment]) -> dict[str, str]:
    """What is in the environment of a Python repository: adapters give the options of plugins that are there."""
    found = [environment for environment in given if environment.language is Language.PYTHON]
    return dict(sorted(found[0].versions.items())) if found else {}


def _write(
    seed: Seed,
    examined: Examined,
    recorder: Recorder,
    places: dict[str, str],
    *,
    project: Any,
    change: Any,
    more: Mapping[str, Any],
) -> None:
    folder = GOLDEN / seed.tool / seed.case
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)

    def clean(content: bytes) -> bytes:
        for path, placeholder in places.items():
            content = content.replace(path.encode(), placeholder.encode())
        return content

    commands = []
    written: dict[str, bytes] = {}
    for number, (command, result, reports) in enumerate(recorder.taken):
        commands.append({"argv": [clean(a.encode()).decode() for a in command.argv], "exit_code": result.exit_code})
        for name, content in (("stdout", result.stdout), ("stderr", result.stderr)):
            if content:
                (folder / f"{number}.{name}").write_bytes(clean(content))
        for name, content in reports.items():
            if content == written.get(name):
                continue  # left by an earlier command; `load` gives it to the later ones too
            written[name] = content
            target = folder / f"{number}.reports" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(clean(content))
    findings = [{"file": file, "line": line, "rule": rule} for file, line, rule in seed.findings]
    case = {
        "expected": {"outcome": seed.outcome, "examined": seed.examined, "findings": findings},
        "version": examined.run.version,
        "commands": commands,
        "project": project,
        "change": change,
        **{name: value for name, value in more.items() if value},
    }
    (folder / "case.json").write_text(json.dumps(case, indent=2, sort_keys=True) + "\n")


def _difference(seed: Seed, examined: Examined) -> str:
    errors = tuple((f.file, f.line, f.rule) for f in examined.report.findings if f.severity is Severity.ERROR)
    got = (examined.run.outcome, examined.run.examined, errors)
    expected = (seed.outcome, seed.examined, seed.findings)
    return "as expected" if got == expected else f"DIFFERS: {got} and not {expected}: {examined.run.reason}"


def main(names: list[str]) -> int:
    """Record the seeds of these tools, or of all of them."""
    home = Path(os.environ.get("FORGE_RECORDING_HOME") or tempfile.mkdtemp(prefix="forge-recording-")).resolve()
    lines = []
    for seed in all_seeds():
        if names and seed.tool not in names:
            continue
        with tempfile.TemporaryDirectory(prefix="forge-seed-") as folder:
            lines.append(record(seed, registry.tools()[seed.tool], home=home, folder=Path(folder).resolve()))
        sys.stdout.write(f"{lines[-1]}\n")
    return int(any("DIFFERS" in line or "NOT RECORDED" in line for line in lines))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
