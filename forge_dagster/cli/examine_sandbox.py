"""What `forge doctor` says of the sandbox: how it is made here, and that nothing gets out of it, by trying."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from forge_dagster.cli.examination import Examination
from forge_dagster.domain.settings import SandboxSettings
from forge_dagster.domain.settings_file import SETTINGS_FILE
from forge_dagster.errors import WorkspaceError


def examine_sandbox(settings: SandboxSettings, home: Path) -> Iterator[Examination]:
    """One row for the sandbox itself, and one for each way out that was tried."""
    from forge_dagster.workspace.sandbox.escapes import try_to_escape
    from forge_dagster.workspace.sandbox.limits import described

    if settings.kind == "none":
        advice = f"remove [sandbox] kind from {home / SETTINGS_FILE}, unless you would run every change by hand yourself"
        yield Examination(
            name="sandbox", state="note", found="switched off: changes run with Forge's own rights", advice=advice
        )
        return
    if sys.platform != "linux" and settings.kind == "bubblewrap":
        advice = 'bubblewrap is for Linux: set [sandbox] kind = "container", or run Forge in a Linux machine'
        yield Examination(name="sandbox", state="missing", found=f"none on {sys.platform}", advice=advice)
        return
    rows = []
    try:
        for escape in try_to_escape(settings, home):
            found = f"tried to {escape.tried}: {'stopped' if escape.held else 'GOT OUT'} ({escape.seen})"
            advice = "" if escape.held else "do not run changes of others on this machine; report this"
            state: Literal["fine", "missing"] = "fine" if escape.held else "missing"
            rows.append(Examination(name=f"- {escape.name}", state=state, found=found, advice=advice))
    except WorkspaceError as error:
        yield Examination(name="sandbox", state="missing", found=error.message, advice=error.hint)
        return
    how, advice = ("containers", "") if settings.kind == "container" else described()
    yield Examination(name="sandbox", state="note" if advice else "fine", found=f"{settings.kind}, {how}", advice=advice)
    yield from rows
