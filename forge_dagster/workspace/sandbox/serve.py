"""A supervised program in a sandbox: run as `python -m forge_dagster.workspace.sandbox.serve FILE`, in the program's place.

FILE is JSON that describes the program (SupervisordSupervision writes it). Its output is passed on, SIGTERM ends it, and it
never outlives this process.
"""

import json
import math
import os
import signal
import sys
from pathlib import Path

from forge_dagster.domain.settings import SandboxSettings
from forge_dagster.errors import ForgeError
from forge_dagster.ports import Command, Program
from forge_dagster.workspace.processes import ProcessRun

_KEPT = 8 * 1024 * 1024
"""Bytes of output that are passed on; the rest of a very talkative program is left out."""


def confined(program: Program, sandbox: SandboxSettings) -> str:
    """What `main` reads."""
    content = {
        "argv": program.argv,
        "cwd": str(program.cwd),
        "environment": dict(program.environment),
        "reads": [str(path) for path in program.reads],
        "writes": [str(path) for path in program.writes],
        "listens": program.listens,
        "sandbox": sandbox.model_dump(mode="json"),
    }
    return json.dumps(content, sort_keys=True)


def main(file: str) -> int:
    """Run the program to its end and give its exit code: 128 + n for signal n, 127 where it cannot be started."""
    wanted = json.loads(Path(file).read_text("utf-8"))
    run = ProcessRun(home=None, run_id=f"served-{os.getpid()}", sandbox=SandboxSettings.model_validate(wanted["sandbox"]))
    command = Command(
        argv=tuple(wanted["argv"]),
        cwd=Path(wanted["cwd"]),
        environment=wanted["environment"],
        reads=tuple(map(Path, wanted["reads"])),
        writes=tuple(map(Path, wanted["writes"])),
        listens=tuple(wanted["listens"]),
        timeout_s=math.inf,
        output_limit=_KEPT,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: run.stop())
    try:
        done = run.run(command, log=_pass_on)
    except ForgeError as error:
        sys.stderr.write(f"{error}\n")
        return 127
    if done.exit_code is None:
        sys.stderr.write(done.stderr.decode("utf-8", "replace"))
        return 127 if done.ended == "missing" else 0
    return done.exit_code if done.exit_code >= 0 else 128 - done.exit_code


def _pass_on(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
