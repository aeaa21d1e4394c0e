"""The jobs: which gates run together, and how long they may take in all."""

import dagster as dg

from forge_dagster.domain.graph import Job, gates_of
from forge_dagster.orchestration.dagster_internals import MAX_RUNTIME_SECONDS_TAG, UnresolvedAssetJobDefinition

TIME_LIMITS_S = {Job.CHANGE: 2 * 3600, Job.RELEASE: 7 * 86400, Job.NIGHTLY: 6 * 3600}
"""Every run ends (DESIGN section 9, invariant 6). A release takes as long as its policy lets it bake;
one that goes beyond a week is rolled back."""
DEFAULT_TIME_LIMIT_S = max(TIME_LIMITS_S.values())
"""For runs of hand-picked assets, which carry no limit of their own."""

_DESCRIPTIONS = {
    Job.CHANGE: "Stages 1 to 6: judge the head of a pull request, and merge it, ask a person, or reject it.",
    Job.NIGHTLY: (
        "Stages 1 to 3 on the tip of a production branch, every gate asked anew: what changed though no commit did. "
        "And whether each gate still finds a fault that is planted for it."
    ),
    Job.RELEASE: "Build, canary and health: bring a commit of an environment's branch to its users, or roll it back.",
}


def forge_job(job: Job) -> UnresolvedAssetJobDefinition:
    """The Dagster job of the same name."""
    return dg.define_asset_job(
        name=job.value,
        selection=[spec.name for spec in gates_of(job)],
        description=_DESCRIPTIONS[job],
        tags={"forge/job": job.value, MAX_RUNTIME_SECONDS_TAG: str(TIME_LIMITS_S[job])},
    )


CHANGE = forge_job(Job.CHANGE)
RELEASE = forge_job(Job.RELEASE)
NIGHTLY = forge_job(Job.NIGHTLY)
JOBS = (CHANGE, RELEASE, NIGHTLY)
