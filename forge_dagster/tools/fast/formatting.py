"""What the formatters have in common."""

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category
from forge_dagster.domain.project import Project
from forge_dagster.tools.diffs import Difference
from forge_dagster.tools.evidence import python_sign

UNFORMATTED = "unformatted"
_OTHER_PYTHON_FORMATTERS = ("yapf", "autopep8", "blue", "pyink")


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
        files = (".style.yapf",) if name == "yapf" else ()
        sections = ("yapf",) if name == "yapf" else ()
        sign = python_sign(project, package=name, tool_table=name, files=files, sections=sections, hooks=(name,))
        if sign is not None:
            return f"{name}: {sign}"
    return None
