"""Dagster's web server on a Unix socket. Its own command line knows ports only, which anybody on the machine could reach."""

import argparse
import asyncio
import contextlib
from collections.abc import AsyncIterator

import uvicorn
from dagster import DagsterInstance
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.version import __version__

from forge_dagster.orchestration.dagster_internals import WorkspaceFileTarget, WorkspaceProcessContext


@contextlib.asynccontextmanager
async def _lifespan(_app: object) -> AsyncIterator[None]:
    with contextlib.suppress(asyncio.CancelledError):  # subscriptions are cut off when the server is stopped
        yield


def main() -> None:
    """Serve the UI of the instance in $DAGSTER_HOME until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True)
    parser.add_argument("--workspace", required=True)
    parser.add_argument("--path-prefix", required=True)
    asked = parser.parse_args()
    with DagsterInstance.get() as instance:
        instance.optimize_for_webserver(statement_timeout=15_000, pool_recycle=3_600, max_overflow=20)  # Dagster's defaults
        target = WorkspaceFileTarget(paths=[asked.workspace])
        with WorkspaceProcessContext(instance, version=__version__, workspace_load_target=target) as context:
            app = create_app_from_workspace_process_context(
                context, asked.path_prefix, live_data_poll_rate=2_000, lifespan=_lifespan
            )
            # Longer than Forge's server keeps a connection for another request (httpx: 5 s), so that none is cut in between.
            uvicorn.run(app, uds=asked.socket, log_level="warning", timeout_keep_alive=60, timeout_graceful_shutdown=5)


if __name__ == "__main__":
    main()
