"""pyright, as JSON, by the repository's configuration and as its own tasks call it."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.evidence import hook_sign, node_sign, python_sign
from forge_dagster.tools.fast.basedpyright import ADAPTER as BASEDPYRIGHT
from forge_dagster.tools.fast.pyright_reports import commands, judged
from forge_dagster.tools.reading import careful
from forge_dagster.tools.tasks import called


class Pyright(BaseModel):
    """The adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "pyright"
    gate: str = "types"
    language: Language | None = Language.PYTHON
    default: bool = False
    program: str = "pyright"
    package: str = "pyright"

    def chosen(self, project: Project) -> str | None:
        """By a task, its hook, a declared dependency, its configuration; not where basedpyright is used in its place.

        Where tasks or hooks run mypy and never pyright, what is declared or configured of it is the editor's.
        """
        ran = called(project, "pyright") or hook_sign(project, ("pyright", "pyright-pretty"))
        if ran is not None:
            return ran
        if BASEDPYRIGHT.chosen(project) or called(project, "mypy") or hook_sign(project, ("mypy",)):
            return None
        declared = python_sign(project, package="pyright") or node_sign(project, package="pyright", program="pyright")
        return declared or python_sign(project, package="", tool_table="pyright", files=("pyrightconfig.json",))

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """A command per different call of the repository's own; none where there is no Python file."""
        return commands(request, self.program)

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """A finding per diagnostic."""
        return judged(request, outputs, self.program)


ADAPTER = Pyright()
