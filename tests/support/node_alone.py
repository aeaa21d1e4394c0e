"""An environment that has node and nothing else, so that nothing is installed."""

import shutil
from collections.abc import Callable
from pathlib import Path

from forge_dagster.domain.project import Language
from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Environment
from tests.fakes.recorded_run import OneEnvironment


class NodeAlone(OneEnvironment):
    """Forge's toolbox cannot be had, so no coverage is measured."""

    def __init__(self) -> None:
        node = shutil.which("node")
        assert node is not None
        super().__init__(Environment(language=Language.TYPESCRIPT, bin_directories=(Path(node).parent,)))

    def toolbox(
        self, language: Language | None, package: str, *, log: Callable[[str], None], root: Path | None = None
    ) -> Environment:
        raise WorkspaceError(f"there is no {package}", hint="it is not needed here")
