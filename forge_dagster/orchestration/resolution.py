"""Which attempt a run works on: the one it was started for, or the newest of its commit when a person started it by hand."""

import dagster as dg

from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.graph import GateSpec, Job, gates_of
from forge_dagster.errors import ForgeError, UsageError
from forge_dagster.orchestration.partitions import ATTEMPT, parse
from forge_dagster.ports import Services
from forge_dagster.usecases.rerun import rerun


def attempt_of(context: dg.AssetExecutionContext, services: Services, spec: GateSpec) -> Attempt:
    """The attempt this run may work on. Raises ForgeError that says what to do where there is none.

    A commit that is decided already is judged again (a fresh round) when the whole job was started by hand or re-executed;
    single gates of it are refused, since a verdict over some of the gates would be none.
    """
    run = context.run
    named = run.tags.get(ATTEMPT, "")
    asked = services.ledger.attempt(int(named)) if named.isdigit() else _newest(context, services, spec)
    if not asked.state.is_final and asked.run_id in (None, run.run_id):
        attempt = asked
    else:
        attempt = _claimed(services, asked, run.run_id) or _again(run, services, asked)
    if str(attempt.id) != named:  # the run is found by these tags, by people and by the sensors
        context.instance.add_run_tags(run.run_id, dict(attempt.tags))
    return attempt


def _newest(context: dg.AssetExecutionContext, services: Services, spec: GateSpec) -> Attempt:
    key = context.partition_key if context.has_partition_key else ""
    try:
        repository, sha = parse(key)
    except ValueError:
        raise UsageError(
            "this run says neither which attempt nor which commit it is for",
            hint="choose a partition (owner/repository@commit); Forge adds one for each commit that is pushed",
        ) from None
    job = _job(context.run.job_name, spec)
    known = services.ledger.attempts(repository=repository, job=job, limit=1000)
    found = next((one for one in known if one.head_sha.startswith(sha)), None)
    if found is None:
        raise UsageError(
            f"Forge has never been asked to judge {key} for the job {job.value}",
            hint="push the commit again, or open a pull request with it: Forge then starts the run itself",
        )
    return found


def _job(name: str, spec: GateSpec) -> Job:
    """The job a run belongs to; a run of hand-picked assets belongs to the first job that has the gate."""
    if name in {job.value for job in spec.jobs}:
        return Job(name)
    return next(job for job in Job if job in spec.jobs)


def _claimed(services: Services, asked: Attempt, run_id: str) -> Attempt | None:
    """The attempt that an earlier gate of this very run has opened or claimed."""
    same = services.ledger.attempts(repository=asked.repository, job=asked.job, head_sha=asked.head_sha, limit=1000)
    return next((one for one in same if one.run_id == run_id), None)


def _again(run: dg.DagsterRun, services: Services, asked: Attempt) -> Attempt:
    wanted = {spec.name for spec in gates_of(asked.job)}
    picked = {key.to_user_string() for key in run.asset_selection or ()} or wanted
    steps = set(run.step_keys_to_execute or ()) or wanted
    if not wanted <= picked & steps:
        state = asked.state.value if asked.state.is_final else f"under way in run {asked.run_id}"
        raise UsageError(
            f"{asked.partition} is {state}, and this run has only some of the gates",
            hint=f'to judge the commit again, materialize all of the job "{asked.job.value}" for this partition',
        )
    return rerun(services, asked.id, run_id=run.run_id)


def failure(error: ForgeError) -> dg.Failure:
    """A step failure whose first line on the run's page is the error itself."""
    return dg.Failure(description=str(error), allow_retries=False)
