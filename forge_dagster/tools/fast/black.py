"""black: `--check` decides, from its cache; `--diff` of the files it names says where they differ.

Exit codes (black.readthedocs.io, "The basics"): 0 nothing would change, 1 some files would, 123 an internal error, which a file
that does not parse is too: stderr tells them apart.
"""

import re
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.places import inside
from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.diffs import first_differences
from forge_dagster.tools.evidence import hook_of, python_sign
from forge_dagster.tools.fast.formatting import unformatted
from forge_dagster.tools.fast.ruff import formats_by_ruff, python_directory
from forge_dagster.tools.hooks import hook_files
from forge_dagster.tools.reading import Unreadable, careful, complaint, place, report, text
from forge_dagster.tools.scripts import kept
from forge_dagster.tools.tasks import called, python_calls

_COUNT = re.compile(r"(\d+) files? (would be reformatted|would be left unchanged|would fail to reformat)")
_WOULD = re.compile(r"would reformat (.+)")
_SYNTAX = re.compile(
    r"error: (?:cannot parse: (?P<file>.+?):(?P<line>\d+):(?P<column>\d+)|cannot format (?P<old>.+?): (?P<why>.*))"
)
_OLD_PLACE = re.compile(r"Cannot parse(?: for target version \S+)?: (?P<line>\d+):(?P<column>\d+): (?P<message>.*)")
_HOOKS = ("black", "black-jupyter")
_WITH_VALUE = frozenset(
    (
        "--line-length", "-l", "--target-version", "-t", "--include", "--exclude", "--extend-exclude", "--force-exclude",
        "--config", "--enable-unstable-feature",
    )
)  # fmt: skip
_ALONE = frozenset(
    (
        "--skip-string-normalization", "-S", "--skip-magic-trailing-comma", "-C", "--preview", "--unstable", "--pyi", "--ipynb",
        "--skip-source-first-line", "-x",
    )
)  # fmt: skip
_DROPPED = frozenset(("--workers", "-W", "--code", "-c", "--stdin-filename", "--line-ranges", "--required-version"))
_SHOWN_FILES = 20
"""Files whose first difference is looked up."""


class Black(BaseModel):
    """The adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "black"
    gate: str = "format"
    language: Language | None = Language.PYTHON
    default: bool = False
    program: str = "black"
    package: str = "black"
    needs_environment: bool = False

    def chosen(self, project: Project) -> str | None:
        """By a task, [tool.black], its hook, or as a declared dependency where nothing shows that ruff formats."""
        sign = called(project, "black") or python_sign(project, package="", tool_table="black", hooks=_HOOKS)
        if sign is not None or formats_by_ruff(project):
            return sign
        return python_sign(project, package="black")

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """The check; none where there is no Python file."""
        if not request.project.files_ending(".py", ".pyi", ".ipynb"):
            return ()
        options, targets = _own(request)
        return (self._command(request, "--check", *options, "--", *targets),)

    def follow_up(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> Sequence[Command]:
        """The diff of the files that the check named."""
        if not outputs or outputs[0].result.exit_code not in (1, 123):
            return ()
        files = [name for name in _named(outputs[0]) if inside(request.root, name) is not None]
        options, _ = _own(request)
        return (self._command(request, "--diff", "--quiet", *options, "--", *files[:_SHOWN_FILES]),) if files else ()

    def _command(self, request: ToolRequest, *arguments: str) -> Command:
        major = request.version.partition(".")[0]
        plain = () if major.isdigit() and int(major) < 20 else ("--no-color",)  # which the releases of 2019 do not know
        cache = {} if request.cache is None else {"BLACK_CACHE_DIR": str(request.cache)}
        return Command(
            argv=(str(request.executable), *plain, *arguments),
            cwd=request.root / python_directory(request),
            environment={"NO_COLOR": "1", **cache},
            timeout_s=request.timeout_s,
        )

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """A finding per file that would change or does not parse; the names and the count must agree."""
        check = outputs[0]
        code = check.result.exit_code
        said = text(check.result.stderr)
        counts = {what: int(number) for number, what in _COUNT.findall(said)}
        named = _named(check)
        broken, internal = self._broken(request, said)
        differences = first_differences("".join(text(output.result.stdout) for output in outputs[1:]))
        where = {place(request, found.path, directory=python_directory(request)): found for found in differences}
        files = [place(request, name, directory=python_directory(request)) for name in named]
        findings = broken + [unformatted(self.name, file, where.get(file), "black") for file in files]
        if code not in (0, 1, 123) or internal or len(named) != counts.get("would be reformatted", 0):
            raise Unreadable(f"black ended with {code}: {internal or complaint(check)}")
        if (code == 1 and named) or (code == 123 and broken):
            return report(Outcome.FAILED, check, examined=sum(counts.values()), findings=tuple(findings))
        if code == 0 and not findings and "would fail to reformat" not in counts:
            return report(Outcome.PASSED, check, examined=sum(counts.values()))
        raise Unreadable(f"black ended with {code}: {complaint(check)}")

    def _broken(self, request: ToolRequest, said: str) -> tuple[list[Finding], str]:
        """(findings of files that do not parse, first error of black itself)."""
        findings, internal = [], ""
        for match in _SYNTAX.finditer(said):
            old = _OLD_PLACE.match(match["why"]) if match["why"] is not None else None
            if match["file"] is None and old is None:
                internal = internal or match[0]
                continue
            spot = match if old is None else old
            findings.append(
                Finding(
                    tool=self.name,
                    rule="invalid-syntax",
                    message="black cannot parse this" if old is None else f"black cannot parse this: {old['message']}",
                    category=Category.FORMAT,
                    file=place(request, match["file"] or match["old"], directory=python_directory(request)),
                    line=max(int(spot["line"]), 1),
                    column=max(int(spot["column"]), 1),
                    suggested_fix="correct the syntax",
                )
            )
        return findings, internal


def _own(request: ToolRequest) -> tuple[list[str], list[str]]:
    """(options, targets) of the repository's own calls: of its hook, which sees the whole tree, else of its tasks."""
    hook = hook_of(request.project, *_HOOKS)
    if hook is not None:
        files = hook_files(request.project, hook, (".py", ".pyi"), directory=python_directory(request))
        return kept(hook.args, with_value=_WITH_VALUE, alone=_ALONE, dropped=_DROPPED)[0], list(files or ["."])
    calls = python_calls(request.project, "black")
    both = [kept(call.arguments, with_value=_WITH_VALUE, alone=_ALONE, dropped=_DROPPED) for call in calls]
    aims = [target for _, targets in both for target in targets or ["."]]
    return (both[0][0] if both else []), list(dict.fromkeys(aims)) or ["."]


def _named(check: ToolOutput) -> list[str]:
    return [match[1] for line in text(check.result.stderr).splitlines() if (match := _WOULD.fullmatch(line))]


ADAPTER = Black()
