"""Runs the way Dagster's daemon makes and launches them: through a code server, in worker processes of its own."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import dagster as dg
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget


class CodeServer:
    """A running code server of one module's definitions."""

    def __init__(self, process: WorkspaceProcessContext) -> None:
        self._process = process

    def launch(self, job: str, tags: Mapping[str, str]) -> dg.DagsterRun:
        """Make the run and have a worker process execute it."""
        instance = self._process.instance
        context = self._process.create_request_context()
        location = context.get_code_location("forge")
        remote = location.get_repository("__repository__").get_full_job(job)
        plan = location.get_execution_plan(remote, {}, None, None, instance)
        run = instance.create_run(
            job_name=job,
            run_id=None,
            run_config={},
            status=dg.DagsterRunStatus.NOT_STARTED,
            tags=tags,
            root_run_id=None,
            parent_run_id=None,
            step_keys_to_execute=None,
            execution_plan_snapshot=plan.execution_plan_snapshot,
            job_snapshot=remote.job_snapshot,
            parent_job_snapshot=remote.parent_job_snapshot,
            asset_selection=None,
            asset_check_selection=None,
            op_selection=None,
            resolved_op_selection=None,
            remote_job_origin=remote.get_remote_origin(),
            job_code_origin=remote.get_python_origin(),
            asset_graph=location.get_repository("__repository__").asset_graph,
        )
        return instance.launch_run(run.run_id, context)  # what the daemon does with a queued run


@contextmanager
def code_server(instance: dg.DagsterInstance, module: str) -> Iterator[CodeServer]:
    """Start one over the definitions in `module`; it ends with the block, its workers included."""
    target = ModuleTarget(module_name=module, attribute="defs", working_directory=None, location_name="forge")
    with WorkspaceProcessContext(instance, target) as process:
        yield CodeServer(process)
