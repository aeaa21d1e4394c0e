"""basedpyright, as JSON, by the repository's configuration and as its own tasks call it."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.evidence import python_sign
from forge_dagster.tools.fast.pyright_reports import commands, judged
from forge_dagster.tools.reading import careful
from forge_dagster.tools.tasks import called


class Basedpyright(BaseModel):
    """The adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "basedpyright"
    gate: str = "types"
    language: Language | None = Language.PYTHON
    default: bool = False
    program: str = "basedpyright"
    package: str = "basedpyright"

    def chosen(self, project: Project) -> str | None:
        """By a task, [tool.basedpyright], its hook, or as a declared dependency."""
        sign = python_sign(project, package="basedpyright", tool_table="basedpyright", hooks=("basedpyright",))
        return called(project, "basedpyright") or sign

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """A command per different call of the repository's own; none where there is no Python file."""
        return commands(request, self.program)

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """A finding per diagnostic."""
        return judged(request, outputs, self.program)


ADAPTER = Basedpyright()
