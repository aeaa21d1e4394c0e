"""Stop everything of a home and prove that it is gone."""

from collections.abc import Callable
from pathlib import Path

from forge_dagster import bootstrap
from forge_dagster.errors import PlatformError


def stop(home: Path, say: Callable[[str], None] = lambda _text: None) -> tuple[str, ...]:
    """Stop all programs, the supervisor and the tools of runs that were cut off; names of what ran.

    Raises PlatformError when something is left.
    """
    from forge_dagster.workspace.reaping import reap
    from forge_dagster.workspace.sockets import remove_socket_folder

    if not (home / "supervisor").is_dir():
        return ()
    keeper = bootstrap.supervision(home)
    running = tuple(name for name in keeper.programs() if (state := keeper.state(name)) is not None and state.running)
    if not keeper.is_running():
        return ()
    say(f"stopping {len(running)} programs")
    keeper.shutdown()
    say("ending tools of runs that were cut off")
    reap(home)
    remove_socket_folder(home)
    if keeper.is_running():
        raise PlatformError(f"the supervisor of {home} still answers", hint="try forge down again")
    return running
