"""The story from curtain to curtain: start, four acts, what it came to, and cleaning up."""

import os
import sys
from pathlib import Path

from forge_dagster.cli.demo.acts import acceptance, first_release, rejection, rollback
from forge_dagster.cli.demo.failing import DemoFailed
from forge_dagster.cli.demo.stage import Stage, clear_stage, prepare_home, set_stage
from forge_dagster.cli.demo.timeline import Timeline
from forge_dagster.cli.login_link import login_link
from forge_dagster.cli.programs import dagster_url
from forge_dagster.cli.starting import start, tail
from forge_dagster.cli.stopping import stop
from forge_dagster.cli.terminal import Terminal
from forge_dagster.errors import ForgeError
from forge_dagster.ports import Run

DEMO_HOME = Path("~/.forge-demo")


def tell(home: Path | None, *, leave: bool) -> None:
    """Play the whole story; `leave` stops everything at the end. Ctrl-C stops everything too.

    Raises what went wrong, after saying where to look; everything is left running then unless `leave` is set.
    """
    from forge_dagster.workspace.processes import ProcessRun

    folder = (home or DEMO_HOME).expanduser().absolute()
    os.environ["FORGE_HOME"] = str(folder)
    terminal = Terminal(sys.stdout)
    timeline = Timeline(terminal)
    prepare_home(folder)
    run = ProcessRun(home=folder, run_id=f"demo-{os.getpid()}")
    keep = False
    try:
        _play(folder, timeline, run, leave=leave)
        keep = not leave
    except ForgeError as error:
        keep = not leave
        _explain(folder, timeline, error)
        raise
    finally:
        run.stop()
        if not keep:
            timeline.act("Stopping everything")
            with timeline.waiting("stopping"):
                stopped = stop(folder)
            timeline.event(f"stopped {len(stopped)} programs; nothing is left running", keep=False)


def _play(home: Path, timeline: Timeline, run: Run, *, leave: bool) -> None:
    timeline.act("Forge demo: from push to production, with nothing faked")
    with timeline.waiting("starting Forge (server, Dagster, proxy)"):
        settings = start(home, lambda _said: None)
    timeline.event(f"Forge is up; log in at {login_link(settings)}", style="good")
    stage = set_stage(home, timeline, run)
    try:
        first_release(stage)
        number = rejection(stage)
        acceptance(stage, number)
        other = rollback(stage)
    finally:
        clear_stage(stage)
    timeline.summary()
    if not leave:
        _look_around(stage, (number, other))


def _look_around(stage: Stage, numbers: tuple[int, ...]) -> None:
    timeline = stage.timeline
    timeline.act("Look around")
    timeline.fact("log in", login_link(stage.services.settings))
    timeline.fact("Dagster UI", dagster_url(stage.services.settings))
    timeline.fact("the shop", stage.url)
    for number in numbers:
        timeline.fact(f"change #{number}", stage.page(number))
    timeline.fact("what runs", f"forge status --home {stage.home}")
    timeline.fact("stop it", f"forge down --home {stage.home}")


def _explain(home: Path, timeline: Timeline, error: ForgeError) -> None:
    """Where to look: the run, and the last lines of the logs that could tell."""
    timeline.act("It did not go as told")
    timeline.event(error.message, style="bad")
    if isinstance(error, DemoFailed) and error.run_url:
        timeline.detail(f"run: {error.run_url}")
    for name in ("daemon", "server"):
        timeline.detail(f"end of {home / 'logs' / name}.log:", style="dim")
        for line in tail(home / "logs" / f"{name}.log", lines=8).splitlines():
            timeline.detail(f"  {line[:200]}", style="dim")
