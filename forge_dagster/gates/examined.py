"""What one tool's part in a gate came to."""

from dataclasses import dataclass
from pathlib import Path

from forge_dagster.domain.results import ToolRun
from forge_dagster.ports import ToolReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """One tool's part: the line shown for it, its findings in place, and where its report files are.

    `directory`: the part of the repository it looked at; "" for the first project.
    """

    run: ToolRun
    report: ToolReport
    folder: Path
    directory: str = ""
