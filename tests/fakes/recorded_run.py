"""A Run that plays recorded output instead of starting anything."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, Environment, ProcessResult
from tests.support.golden import Recorded


class RecordedRun:
    """Plays `recorded` in order, writing its report files into `report`; `ended` overrides how every process ends."""

    def __init__(self, recorded: Sequence[Recorded], *, report: Path, ended: ProcessResult | None = None) -> None:
        self.commands: list[Command] = []
        self.left_over: list[Mapping[str, bytes]] = []
        self._recorded = list(recorded)
        self._report = report
        self._ended = ended

    def run(self, command: Command, *, log: Callable[[str], None] | None = None) -> ProcessResult:
        if not self.commands:
            self.left_over.append({path.name: path.read_bytes() for path in self._report.rglob("*") if path.is_file()})
        self.commands.append(command)
        if self._ended is not None:
            return self._ended
        played = self._recorded[min(len(self.commands), len(self._recorded)) - 1]
        for name, content in played.reports.items():
            target = self._report / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return played.output.result

    def wait(self, seconds: float) -> None:
        return None

    def stop(self) -> None:
        return None


class OneEnvironment:
    """Environments of which there is only one, for the repository and for Forge alike."""

    def __init__(self, found: Environment) -> None:
        self._found = found
        self.asked: list[str] = []

    def of(self, language: Language, *, root: Path, project: Project, log: Callable[[str], None]) -> Environment:
        self.asked.append(f"repository:{language}")
        return self._found

    def toolbox(
        self, language: Language | None, package: str, *, log: Callable[[str], None], root: Path | None = None
    ) -> Environment:
        self.asked.append(f"toolbox:{package}")
        return self._found

    def pinned(
        self, language: Language, requirements: tuple[str, ...], *, log: Callable[[str], None], root: Path | None = None
    ) -> Environment:
        self.asked.append(f"pinned:{' '.join(requirements)}")
        return self._found

    def digest(self, language: Language, *, root: Path, project: Project) -> str | None:
        return self._found.digest


class StoppedClock:
    """Time stands still."""

    def now(self) -> float:
        return 1_700_000_000.0

    def monotonic(self) -> float:
        return 1.0
