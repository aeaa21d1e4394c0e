"""A local program as reviewer, such as an agent's command line: instructions and question on stdin, JSON on stdout."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from forge_dagster.agents.reviewers.budget import DailyBudget
from forge_dagster.domain.review import MAX_ANSWER, Answer, parse_answer
from forge_dagster.errors import Interrupted, ToolError
from forge_dagster.ports import Command, ReviewRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandReviewer:
    """ports.Reviewer. The program runs in an empty folder, without the change's tree."""

    argv: tuple[str, ...]
    budget: DailyBudget

    @property
    def name(self) -> str:
        """The program's name."""
        return Path(self.argv[0]).name

    def review(self, request: ReviewRequest) -> Answer:
        """Raises ToolError when the program fails, hangs, or says anything but the JSON that was asked for."""
        self.budget.spend()
        asked = f"{request.instructions}\n\nThe change, as JSON:\n{request.question}\n"
        with tempfile.TemporaryDirectory(prefix="forge-review-") as folder:
            command = Command(
                argv=self.argv,
                cwd=Path(folder),
                stdin=asked.encode("utf-8", "replace"),
                timeout_s=request.timeout_s,
                network=True,
                trusted=True,
                output_limit=2 * MAX_ANSWER,
            )
            done = request.run.run(command)
        if done.ended == "interrupted":
            raise Interrupted("the review was interrupted", hint="run it again")
        if done.ended != "exited" or done.exit_code != 0:
            how = done.ended if done.ended != "exited" else f"exit code {done.exit_code}"
            raise ToolError(f"{self.argv[0]} ended with {how}", hint="run it by hand; see [reviewer] in settings.toml")
        answer = None if done.truncated else parse_answer(done.stdout.decode("utf-8", "replace"))
        if answer is None:
            raise ToolError(f"{self.argv[0]} answered something else than the JSON asked for", hint="run it by hand to see")
        return answer
