"""biome as a formatter: `biome format`, on the targets of the repository's own script.

Exit codes (seen from 1.9 to 2.6): 0 all formatted, 1 some not, a file that does not parse, bad configuration, or no file
at all; the report tells them apart.
"""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.outcomes import Category
from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.fast.biome_reports import PACKAGE, biome_sign, commands, judged, own_call, rage
from forge_dagster.tools.reading import careful

_VERBS = ("check", "ci", "format")


class BiomeFormat(BaseModel):
    """The adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "biome_format"
    gate: str = "format"
    language: Language | None = Language.TYPESCRIPT
    default: bool = False
    program: str = "biome"
    package: str = PACKAGE
    needs_environment: bool = False

    def chosen(self, project: Project) -> str | None:
        """By a script, its configuration, its hooks, or as a declared dependency."""
        return biome_sign(project, _VERBS, ("biome-check", "biome-ci", "biome-format"))

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """One command; none where there is no file of a kind that biome looks at."""
        return commands(request, "format", own_call(request, _VERBS))

    def follow_up(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> Sequence[Command]:
        """What it is configured to do, where it looked at nothing."""
        return rage(request, outputs)

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """A finding per file that differs or does not parse."""
        return judged(request, outputs, tool=self.name, category=Category.FORMAT)


ADAPTER = BiomeFormat()
