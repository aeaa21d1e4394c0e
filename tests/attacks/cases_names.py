"""Attacks by names: titles, branches and paths that look like commands or like something else."""

import subprocess
from pathlib import Path

from forge_dagster.ports import Command
from forge_dagster.workspace.processes import ProcessRun
from tests.attacks.attack import Attack

_TITLE = "$(touch owned)`touch owned`; touch owned #"


def _in_a_shell(folder: Path) -> bool:
    subprocess.run(["/bin/sh", "-c", f"echo {_TITLE}"], cwd=folder, check=False, capture_output=True)
    return (folder / "owned").exists()


def _as_forge_does(folder: Path) -> bool:
    ProcessRun(home=None, run_id="attack").run(Command(argv=("echo", _TITLE), cwd=folder))
    return (folder / "owned").exists()


ATTACKS = (
    Attack(
        name="names/shell in a title",
        published="GitHub Security Lab, script injection in workflows; cicd-goat",
        undefended=_in_a_shell,
        defended=_as_forge_does,
    ),
)
