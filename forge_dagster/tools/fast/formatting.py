"""What the formatters have in common."""

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category
from forge_dagster.domain.project import Project
from forge_dagster.tools.diffs import Difference
from forge_dagster.tools.evidence import python_sign
from forge_dagster.tools.tasks import called

UNFORMATTED = "unformatted"
_OTHER_PYTHON_FORMATTERS = ("yapf", "autopep8", "blue", "pyink", "isort")
_OTHER_CONFIGURATION = {"yapf": ((".style.yapf",), ("yapf",)), "isort": ((".isort.cfg",), ("isort", "tool:isort"))}
"""Configuration files and ini sections of theirs. isort orders imports only, but shows that a repository has its own way."""


def unformatted(tool: str, file: str, found: Difference | None, command: str) -> Finding:
    """The finding of a file that is not laid out as `command` would; `found` is the first difference, where it is known."""
    return Finding(
        tool=tool,
        rule=UNFORMATTED,
        message=f"not formatted: {found}" if found is not None else "not formatted",
        category=Category.FORMAT,
        file=file,
        line=None if found is None else found.line,
        suggested_fix=f"run `{command} {file}`",
    )


def other_python_formatter(project: Project) -> str | None:
    """Why the repository is seen to use a Python formatter that Forge has no adapter for, or None."""
    for name in _OTHER_PYTHON_FORMATTERS:
        files, sections = _OTHER_CONFIGURATION.get(name, ((), ()))
        sign = python_sign(project, package=name, tool_table=name, files=files, sections=sections, hooks=(name,))
        sign = sign or called(project, name)
        if sign is not None:
            return f"{name}: {sign}"
    return None
