"""import-linter: the repository's own contracts about who may import whom in Python.

Exit codes (import-linter's documentation, "Running the linter"): 0 all contracts kept, 1 some broken; 1 also for a
configuration that is missing or cannot be read. It prints for people only; the line "Contracts: 2 kept, 1 broken." is what must
agree. It reads source files without executing them, from the tree and not from what is installed.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.evidence import python_sign
from forge_dagster.tools.reading import Unreadable, careful, complaint, report, text

_COUNT = re.compile(r"^Contracts: (\d+) kept, (\d+) broken\.", re.MULTILINE)
_ANALYZED = re.compile(r"^Analyzed (\d+) files?", re.MULTILINE)
_BROKEN = "\nBroken contracts\n"
_CONTRACT = re.compile(r"^(?P<name>\S.*)\n-{3,}\n\n(?P<body>(?:.*\n)*?)(?=^\S.*\n-{3,}\n\n|\Z)", re.MULTILINE)
_IMPORT = re.compile(r"^(?P<mark>[-&])?\s+(?P<from>[\w.]+) -> (?P<to>[\w.]+)(?: \(l\.(?P<line>\d+)[^)]*\))?$")
_MOST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportLinter:
    """The adapter."""

    name: str = "import_linter"
    gate: str = "architecture"
    language: Language | None = Language.PYTHON
    default: bool = False
    program: str = "lint-imports"
    package: str = "import-linter"
    needs_environment: bool = False

    def chosen(self, project: Project) -> str | None:
        """By its configuration."""
        return python_sign(
            project,
            package="",
            tool_table="importlinter",
            files=(".importlinter",),
            sections=("importlinter",),
            hooks=("import-linter",),
        )

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """One run."""
        directory = _directory(request)
        folder = request.root / directory
        prefix = f"{directory}/src/" if directory else "src/"
        sources = [str(folder / "src")] if any(path.startswith(prefix) for path in request.project.files) else []
        environment = dict(request.environment.variables) if request.environment is not None else {}
        environment |= {"PYTHONPATH": os.pathsep.join([*sources, str(folder)]), "NO_COLOR": "1", "COLUMNS": "400"}
        argv = (str(request.executable), "--no-cache")
        return (Command(argv=argv, cwd=folder, environment=environment, timeout_s=request.timeout_s),)

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """A finding for each import that breaks a contract."""
        output = outputs[0]
        code, said = output.result.exit_code, text(output.result.stdout)
        count, analyzed = _COUNT.search(said), _ANALYZED.search(said)
        if code not in (0, 1) or count is None or analyzed is None:
            raise Unreadable(f"import_linter ended with {code}: {_last_words(output)}")
        kept, broken = int(count[1]), int(count[2])
        contracts = list(_CONTRACT.finditer(said.partition(_BROKEN)[2].partition("\n\n")[2])) if broken else []
        if (code == 1) != bool(broken) or len(contracts) != broken:
            raise Unreadable(f"import_linter ended with {code}, counts {broken} broken contracts and tells of {len(contracts)}")
        findings = tuple(finding for found in contracts for finding in _findings(request, found["name"].strip(), found["body"]))
        if kept + broken == 0:
            raise Unreadable("import_linter has no contract to judge by")
        outcome = Outcome.FAILED if broken else Outcome.PASSED
        return report(outcome, output, examined=int(analyzed[1]), findings=findings[:_MOST])


def _findings(request: ToolRequest, contract: str, body: str) -> Iterator[Finding]:
    """One for each chain of imports, at its first import; one for a contract that tells of none."""
    chains: list[list[re.Match[str]]] = []
    for line in body.splitlines():
        found = _IMPORT.match(line)
        if found is None:
            continue
        if found["mark"] == "-" or not chains:
            chains.append([])
        if found["mark"] != "&":
            chains[-1].append(found)
    for chain in chains:
        first = chain[0]
        way = " -> ".join([first["from"], *(step["to"] for step in chain)])
        yield Finding(
            tool="import_linter",
            rule=contract[:100],
            category=Category.ARCHITECTURE,
            file=_file(request, first["from"]),
            line=int(first["line"]) if first["line"] else None,
            message=f"{contract}: {way}",
            suggested_fix=f"remove the import of {first['to']} by {first['from']}, or one further on that way",
            snippet=way,
        )
    if not chains:
        yield Finding(
            tool="import_linter",
            rule=contract[:100],
            category=Category.ARCHITECTURE,
            message=f"{contract}: {' '.join(body.split())[:500]}",
            suggested_fix="see it by: lint-imports",
            snippet=" ".join(body.split()),
        )


def _file(request: ToolRequest, module: str) -> str | None:
    """The file of a module, among those of the project."""
    stem = module.replace(".", "/")
    names = (f"{stem}.py", f"{stem}/__init__.py")
    fitting = [path for path in request.project.files for name in names if path == name or path.endswith(f"/{name}")]
    return min(fitting, key=len, default=None)


def _directory(request: ToolRequest) -> str:
    return request.project.python.directory if request.project.python is not None else ""


def _last_words(output: ToolOutput) -> str:
    """What it says after its logo."""
    lines = [line.strip() for line in text(output.result.stdout).splitlines() if re.search(r"[A-Za-z]{3}", line)]
    return " ".join(lines[-3:])[:500] if lines else complaint(output)


ADAPTER = ImportLinter()
