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
from forge_dagster.tools.evidence import python_sign
from forge_dagster.tools.reading import Unreadable, careful, complaint, json_list, place, position, report, text

_ENDINGS = (".py", ".pyi", ".ipynb")
_OTHER_LINTERS = ("flake8", "pylint")


def ruff_sign(project: Project) -> str | None:
    """Why the repository is seen to use ruff for anything at all."""
    hooks = ("ruff", "ruff-check", "ruff-format")
    return python_sign(project, package="ruff", tool_table="ruff", files=("ruff.toml", ".ruff.toml"), hooks=hooks)


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
        only_formats = sign is not None and sign.startswith(".pre-commit") and not hooks & {"ruff", "ruff-check"}
        return None if only_formats else sign

    def rival(self, project: Project) -> str | None:
        """A linter the repository uses that Forge cannot run."""
        for name in _OTHER_LINTERS:
            files = (".flake8",) if name == "flake8" else (".pylintrc", "pylintrc")
            sign = python_sign(project, package=name, tool_table=name, files=files, sections=(name,), hooks=(name,))
            if sign is not None:
                return f"{name}: {sign}"
        return None

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """The check, and the list of what it looks at; none where there is no Python file."""
        if not request.project.files_ending(*_ENDINGS):
            return ()
        program, cwd = str(request.executable), request.root / python_directory(request)
        check = (program, "check", "--no-fix", "--output-format", "json", *ruff_cache(request), ".")
        files = (program, "check", "--show-files", ".")
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
