"""A real run of processes that remembers what it started."""

from collections.abc import Callable
from pathlib import Path

from forge_dagster.ports import Command, ProcessResult
from forge_dagster.workspace.processes import ProcessRun
from forge_dagster.workspace.serving import Ending


class CountingRun(ProcessRun):
    """The adapter's own class, with a list of its commands."""

    def __init__(self, home: Path) -> None:
        super().__init__(home=home, run_id="counting")
        self.commands: list[Command] = []
        self.started: list[tuple[str, ...]] = []

    def run(self, command: Command, *, log: Callable[[str], None] | None = None, ending: Ending | None = None) -> ProcessResult:
        self.commands.append(command)
        self.started.append(command.argv)
        return super().run(command, log=log, ending=ending)
