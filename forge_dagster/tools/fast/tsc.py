"""tsc `--noEmit`, by the repository's tsconfig.json and as its own scripts call it; `--strict` where it has no tsconfig.json.

Exit codes (TypeScript's ExitStatus): 0 no errors, 1 and 2 errors; which of the two a type error is differs between releases,
and bad configuration has either, so the lines decide. A tsconfig.json that only refers to others (`"files": []`) makes tsc end
with 0 over no file at all: the projects it refers to are then built in memory, as `tsc --build` would (tsc_build.cjs beside
this file; TypeScript 7 has no such interface, so there `tsc --build` itself runs and writes where tsconfig.json says).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.evidence import node_sign
from forge_dagster.tools.fast.compiler import Compiled, compiled
from forge_dagster.tools.fast.javascript import DECLARATIONS, TYPED, node_directory, other_node_tool
from forge_dagster.tools.fast.type_scripts import check_scripts, delegates, holds_packages, tsc_calls
from forge_dagster.tools.reading import Unreadable, careful, complaint, report, text
from forge_dagster.tools.scripts import Invocation

_BUILD = ("--build", "-b")
_PROJECT = ("--project", "-p")
_WITH_VALUE = frozenset(
    (
        "--target", "-t", "--module", "-m", "--moduleResolution", "--lib", "--types", "--typeRoots", "--jsx", "--jsxFactory",
        "--jsxFragmentFactory", "--jsxImportSource", "--rootDir", "--rootDirs", "--baseUrl", "--moduleDetection",
        "--customConditions", "--moduleSuffixes", "--maxNodeModuleJsDepth", "--ignoreDeprecations", "--project", "-p",
    )
)  # fmt: skip
_OURS = frozenset(
    (
        "--noEmit", "--emitDeclarationOnly", "--declaration", "-d", "--declarationMap", "--sourceMap", "--inlineSourceMap",
        "--inlineSources", "--incremental", "-i", "--composite", "--pretty", "--listFiles", "--listFilesOnly",
        "--listEmittedFiles", "--diagnostics", "--extendedDiagnostics", "--explainFiles", "--traceResolution",
        "--preserveWatchOutput", "--noEmitOnError", "--force", "-f", "--verbose", "--dry", "--clean", "--stopBuildOnErrors",
        "--assumeChangesOnlyAffectDirectDependencies", *_BUILD,
    )
)  # fmt: skip
_OURS_WITH_VALUE = frozenset(("--outDir", "--outFile", "--declarationDir", "--tsBuildInfoFile", "--generateTrace", "--mapRoot"))
"""What to write and what to show is Forge's to say."""
_NOT_BUILT = frozenset(("TS6305", "TS6310"))
"""Errors of a project that refers to others which have not been built."""
_SOLUTION = Path(__file__).with_name("tsc_build.cjs")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One run of the compiler: of a project, or in build mode of all that it refers to."""

    build: bool
    projects: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


class Tsc(BaseModel):
    """The adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "tsc"
    gate: str = "types"
    language: Language | None = Language.TYPESCRIPT
    default: bool = True
    program: str = "tsc"
    package: str = "typescript"

    def chosen(self, project: Project) -> str | None:
        """By a script, or as a declared dependency of a repository that has TypeScript or a tsconfig.json.

        Not where the repository's script for checking types runs another program, or leaves it to the packages of a workspace.
        A tsconfig.json alone may be the editor's, and that of a workspace's root there for its packages to extend.
        """
        node = project.node
        if not project.files_ending(*TYPED) and (node is None or "tsconfig.json" not in node.configuration_files):
            return None
        if any(not script.only_tsc for script in check_scripts(project)) or delegates(project) is not None:
            return None
        if not tsc_calls(project) and node is not None and ("typescript" not in node.dependencies or holds_packages(project)):
            return None
        return node_sign(project, package="typescript", program="tsc", files=("tsconfig.json",))

    def rival(self, project: Project) -> str | None:
        """A type checker the repository uses that Forge cannot run."""
        left = delegates(project)
        return f'its packages: package.json\'s script "{left}"' if left else other_node_tool(project, ("flow", "deno", "tsd"))

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """A command per call of tsc in the repository's scripts; none where there is neither TypeScript nor a tsconfig.json."""
        if not request.project.files_ending(*TYPED) and not _configured(request):
            return ()
        return tuple(self._command(request, call, number) for number, call in enumerate(_calls(request)))

    def follow_up(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> Sequence[Command]:
        """The referred projects of those that held no file of their own, or that need them built."""
        return [self._command(request, _whole(call), 0) for _, call in self._unfinished(request, outputs)]

    def _unfinished(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> list[tuple[int, _Call]]:
        found = []
        for number, (call, output) in enumerate(zip(_calls(request), outputs, strict=False)):
            said = compiled(request, text(output.result.stdout).splitlines(), tool=self.name)
            empty = output.result.exit_code == 0 and said.own == frozenset()
            if not call.build and _configured(request) and (empty or any(f.rule in _NOT_BUILT for f in said.findings)):
                found.append((number, call))
        return found

    def _command(self, request: ToolRequest, call: _Call, number: int) -> Command:
        cwd = request.root / node_directory(request)
        shown = ("--pretty", "false", "--listFiles", "--diagnostics")
        program = str(request.executable)
        if call.build and _has_builder(request):
            argv: tuple[str, ...] = ("node", str(_SOLUTION), program, *call.projects)
        elif call.build:
            argv = (program, "--build", "--force", *shown, *call.projects)
        else:
            argv = (program, "--noEmit", "--emitDeclarationOnly", "false", *shown, *call.options)
            if request.cache is not None and _configured(request):
                argv += ("--incremental", "--tsBuildInfoFile", str(request.cache / f"{number}.tsbuildinfo"))
        return Command(argv=argv, cwd=cwd, environment={"NO_COLOR": "1"}, timeout_s=request.timeout_s)

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """A finding per error that has a place; errors without one are bad configuration: ERRORED."""
        calls = _calls(request)
        ends = list(outputs[: len(calls)])
        if len(ends) < len(calls):
            raise Unreadable("tsc did not run as often as it was asked to")
        for (number, _), output in zip(self._unfinished(request, outputs), outputs[len(calls) :], strict=False):
            ends[number] = output
        findings: dict[Finding, None] = {}
        own: set[str] = set()
        for output in ends:
            said = self._end(request, output)
            findings |= dict.fromkeys(said.findings)
            own |= said.own or frozenset()
        worst = max(ends, key=lambda output: output.result.exit_code or 0)
        outcome = Outcome.FAILED if findings else Outcome.PASSED
        return report(outcome, worst, examined=len(own), findings=tuple(findings))

    def _end(self, request: ToolRequest, output: ToolOutput) -> Compiled:
        code = output.result.exit_code
        lines = text(output.result.stdout).splitlines()
        said = compiled(request, lines, tool=self.name)
        known = code in (0, 1, 2) and bool(said.findings) == (code != 0)
        if not known or (said.configuration and not said.findings):
            raise Unreadable(f"tsc ended with {code}: {' '.join(said.configuration[:3]) or complaint(output)}")
        if said.own is None:
            raise Unreadable("tsc did not say what it looked at: " + " ".join(lines[:2])[:300])
        return said


def _configured(request: ToolRequest) -> bool:
    return request.project.node is not None and "tsconfig.json" in request.project.node.configuration_files


def _has_builder(request: ToolRequest) -> bool:
    major = request.version.partition(".")[0]
    return not major.isdecimal() or int(major) < 7


def _calls(request: ToolRequest) -> tuple[_Call, ...]:
    """The repository's own calls, without what they write; one of its tsconfig.json, or of its sources, where it has none."""
    calls = [_call(own) for own in tsc_calls(request.project)]
    calls = [call for call in calls if _configured(request) or call.projects or call.options]
    if calls:
        return tuple(dict.fromkeys(calls))
    if _configured(request):
        return (_Call(build=False),)
    directory = node_directory(request)
    sources = request.project.files_ending(*TYPED)
    names = [path[len(directory) + 1 :] if directory else path for path in sources if path.startswith(directory)]
    declared = all(name.endswith(DECLARATIONS) for name in names)
    skipped = "--skipDefaultLibCheck" if declared else "--skipLibCheck"  # which skips every file of declarations
    elements = ("--jsx", "preserve") if any(name.endswith(".tsx") for name in names) else ()
    return (_Call(build=False, options=("--strict", skipped, *elements, *(f"./{name}" for name in names))),)


def _call(own: Invocation) -> _Call:
    """What Forge makes of a call in a script."""
    build = own.has(*_BUILD)
    options: list[str] = []
    targets: list[str] = []
    words = list(own.arguments)
    while words:
        word = words.pop(0)
        if word in _OURS or word in _OURS_WITH_VALUE or word in _WITH_VALUE:
            valued = word not in _OURS or (bool(words) and words[0] in ("true", "false"))
            value = [words.pop(0)] if valued and words else []
            options += [word, *value] if word in _WITH_VALUE else []
        elif word.startswith("-"):
            options.append(word)
        else:
            targets.append(word)
    if build:
        return _Call(build=True, projects=tuple(targets))
    return _Call(build=False, options=(*options, *targets))


def _whole(call: _Call) -> _Call:
    """The same project in build mode."""
    named = Invocation(script="", arguments=call.options).value(*_PROJECT)
    return _Call(build=True, projects=(named,) if named else ())


ADAPTER = Tsc()
