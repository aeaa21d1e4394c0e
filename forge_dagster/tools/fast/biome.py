"""biome as a linter: `biome lint`, or `biome check` without its formatter where the repository's scripts check or ci.

Exit codes (biomejs.dev, "CLI"; seen from 1.9 to 2.6): 0 no errors, 1 errors, bad configuration, or no file at all; the report
tells them apart. Warnings fail where the script says `--error-on-warnings`.
"""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.outcomes import Category
from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.fast.biome_reports import PACKAGE, biome_sign, commands, judged, own_call, rage
from forge_dagster.tools.reading import careful

_VERBS = ("check", "ci", "lint")


class Biome(BaseModel):
    """The adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "biome"
    gate: str = "lint"
    language: Language | None = Language.TYPESCRIPT
    default: bool = False
    program: str = "biome"
    package: str = PACKAGE
    needs_environment: bool = False

    def chosen(self, project: Project) -> str | None:
        """By a script, its configuration, its hooks, or as a declared dependency."""
        return biome_sign(project, _VERBS, ("biome-check", "biome-ci", "biome-lint"))

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """One command; none where there is no file of a kind that biome looks at."""
        own = own_call(request, _VERBS)
        if own is None or own.arguments[0] == "lint":
            return commands(request, "lint", own)
        return commands(request, "check", own, "--formatter-enabled=false")

    def follow_up(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> Sequence[Command]:
        """What it is configured to do, where it looked at nothing."""
        return rage(request, outputs)

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """A finding per diagnostic."""
        return judged(request, outputs, tool=self.name, category=Category.LINT)


ADAPTER = Biome()
