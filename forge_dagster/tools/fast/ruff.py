"""ruff check, as JSON.

Exit codes (docs.astral.sh/ruff/linter, "Exit codes"): 0 nothing found, 1 findings (syntax errors too), 2 bad configuration or
an abnormal end. What it looked at is asked for separately (`--show-files`), since the report of a clean tree is `[]` and so is
that of an empty one.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.evidence import hook_of, python_sign, table
from forge_dagster.tools.hooks import hook_files
from forge_dagster.tools.reading import Unreadable, careful, complaint, json_list, place, position, report, text
from forge_dagster.tools.scripts import kept
from forge_dagster.tools.tasks import called, python_calls

_ENDINGS = (".py", ".pyi", ".ipynb")
_VERBS = frozenset(("check", "format", "rule", "config", "linter", "clean", "server", "analyze", "version", "help"))
_OTHER_LINTERS = ("pylint", "pylama", "prospector", "pycodestyle", "pyflakes")
_WITH_VALUE = frozenset(
    (
        "--select", "--ignore", "--extend-select", "--extend-ignore", "--per-file-ignores", "--extend-per-file-ignores",
        "--config", "--target-version", "--line-length", "--exclude", "--extend-exclude",
    )
)  # fmt: skip
_ALONE = frozenset(("--preview", "--no-preview", "--isolated", "--no-respect-gitignore", "--ignore-noqa", "--force-exclude"))
_DROPPED = frozenset(("--output-format", "--output-file", "-o", "--cache-dir", "--fixable", "--unfixable", "--extension"))


def ruff_sign(project: Project) -> str | None:
    """Why the repository is seen to use ruff for anything at all."""
    hooks = ("ruff", "ruff-check", "ruff-format")
    sign = python_sign(project, package="ruff", tool_table="ruff", files=("ruff.toml", ".ruff.toml"), hooks=hooks)
    return sign or called(project, "ruff")


def formats_by_ruff(project: Project) -> bool:
    """Whether a task, the hook or [tool.ruff.format] shows that ruff is the formatter."""
    own = project.python is not None and table(project.python.pyproject, "tool", "ruff", "format") is not None
    return own or "ruff-format" in project.pre_commit_hooks or bool(ruff_calls(project, "format"))


def _lints(project: Project) -> bool:
    """Whether pyproject.toml says what ruff is to look for."""
    return project.python is not None and table(project.python.pyproject, "tool", "ruff", "lint") is not None


def ruff_call(request: ToolRequest, verb: str, hooks: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """(options, targets) of the repository's own `ruff VERB`: of its hook, which sees the whole tree, else of its tasks."""
    hook = hook_of(request.project, *hooks)
    if hook is not None:
        options = kept(hook.args, with_value=_WITH_VALUE, alone=_ALONE, dropped=_DROPPED)[0]
        files = hook_files(request.project, hook, _ENDINGS, directory=python_directory(request))
        return ([*options, "--force-exclude"], list(files)) if files is not None else (options, ["."])
    calls = ruff_calls(request.project, verb)
    both = [kept(call, with_value=_WITH_VALUE, alone=_ALONE, dropped=_DROPPED) for call in calls]
    targets = [target for _, aims in both for target in aims or ["."]]
    return (both[0][0] if both else []), list(dict.fromkeys(targets)) or ["."]


def ruff_calls(project: Project, verb: str) -> list[tuple[str, ...]]:
    """Arguments of `ruff VERB` in the repository's tasks; without a verb (before ruff 0.5) it is `check`."""
    found = []
    for call in python_calls(project, "ruff"):
        first = call.arguments[:1]
        if first == (verb,):
            found.append(call.arguments[1:])
        elif verb == "check" and first and first[0] not in _VERBS:
            found.append(call.arguments)
    return found


def python_directory(request: ToolRequest) -> str:
    """The Python project's folder, relative to the root."""
    return request.project.python.directory if request.project.python is not None else ""


def ruff_cache(request: ToolRequest) -> tuple[str, ...]:
    """Options that keep ruff's cache out of the tree."""
    return ("--no-cache",) if request.cache is None else ("--cache-dir", str(request.cache))


class Ruff(BaseModel):
    """The adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "ruff"
    gate: str = "lint"
    language: Language | None = Language.PYTHON
    default: bool = True
    program: str = "ruff"
    package: str = "ruff"
    needs_environment: bool = False

    def chosen(self, project: Project) -> str | None:
        """By its configuration, its hook, or as a declared dependency; a formatting-only use does not count."""
        sign = ruff_sign(project)
        hooks = project.pre_commit_hooks
        by_hook = sign is not None and sign.startswith(".pre-commit") and not hooks & {"ruff", "ruff-check"}
        by_task = (
            bool(ruff_calls(project, "format")) and not ruff_calls(project, "check") and not hooks & {"ruff", "ruff-check"}
        )
        return None if by_hook or (by_task and not _lints(project)) else sign

    def rival(self, project: Project) -> str | None:
        """A linter the repository uses that Forge cannot run."""
        for name in _OTHER_LINTERS:
            files = (".pylintrc", "pylintrc", "pylintrc.toml") if name == "pylint" else ()
            sign = python_sign(project, package=name, tool_table=name, files=files, sections=(name,), hooks=(name,))
            sign = sign or called(project, name)
            if sign is not None:
                return f"{name}: {sign}"
        return None

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """The check, and the list of what it looks at; none where there is no Python file."""
        if not request.project.files_ending(*_ENDINGS):
            return ()
        program, cwd = str(request.executable), request.root / python_directory(request)
        options, targets = ruff_call(request, "check", ("ruff", "ruff-check"))
        check = (program, "check", "--no-fix", "--output-format", "json", *ruff_cache(request), *options, "--", *targets)
        files = (program, "check", "--show-files", *options, "--", *targets)
        return tuple(
            Command(argv=argv, cwd=cwd, environment={"NO_COLOR": "1"}, timeout_s=request.timeout_s) for argv in (check, files)
        )

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """A finding per diagnostic; `invalid-syntax` is one like any other."""
        check, listing = outputs
        code = check.result.exit_code
        if code not in (0, 1):
            raise Unreadable(f"ruff check ended with {code}: {complaint(check)}")
        if listing.result.exit_code != 0:
            raise Unreadable(f"ruff check --show-files ended with {listing.result.exit_code}: {complaint(listing)}")
        findings = [self._finding(request, entry) for entry in json_list(check.result.stdout, "ruff's report")]
        if bool(findings) != (code == 1):
            raise Unreadable(f"ruff check ended with {code} and reported {len(findings)} findings")
        examined = sum(line.endswith(_ENDINGS) for line in text(listing.result.stdout).splitlines())
        return report(Outcome.FAILED if findings else Outcome.PASSED, check, examined=examined, findings=tuple(findings))

    def _finding(self, request: ToolRequest, entry: dict[str, Any]) -> Finding:
        location = entry.get("location") or {}
        fix = (entry.get("fix") or {}).get("message")
        safe = (entry.get("fix") or {}).get("applicability") == "safe"
        return Finding(
            tool=self.name,
            rule=entry.get("code") or "invalid-syntax",
            message=str(entry["message"]),
            category=Category.LINT,
            file=place(request, str(entry["filename"]), directory=python_directory(request)),
            line=position(location.get("row")),
            column=position(location.get("column")),
            suggested_fix=f"{fix} (`ruff check --fix` does it)" if fix and safe else str(fix or ""),
        )


ADAPTER = Ruff()
