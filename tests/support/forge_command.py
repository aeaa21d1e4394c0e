"""Runs the command `forge` as a process of its own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

DROPPED = ("NO_COLOR", "FORCE_COLOR", "FORGE_DEBUG", "COLUMNS")


@dataclass(frozen=True)
class ForgeCommand:
    """`forge` in a home."""

    home: Path

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in DROPPED}
        return kept | {"FORGE_HOME": str(self.home), "TERM": "xterm-256color"} | more

    def argv(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "forge_dagster.cli", *map(str, arguments)]

    def run(self, *arguments: str | Path, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(*arguments),
            cwd=cwd,
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
