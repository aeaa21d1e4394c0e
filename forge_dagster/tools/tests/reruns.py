"""A failed test is run once more, alone: failing and then passing on the same input is what flaky means.

For the adapters of all test runners: `follow_up` runs what `to_rerun` chooses, each in a process of its own, without measuring
coverage; `judge` hands those that passed to `labelled`. What follows from the labels is decided in gates/attribution.py.
The id of a test is its finding's `snippet`.
"""

from collections.abc import Collection, Sequence

from forge_dagster.domain.attribution import suspicious
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Attribution

MAX_RERUNS = 10
"""Failed tests that are run once more; where more fail, the others have failed for good."""

RERUN_TIMEOUT_S = 120.0
"""Seconds for each of them, so that what is known already is not lost to the time limit of the gate."""

TEST_FAILED, TEST_ERROR = "test-failed", "test-error"
"""Rules of a test that failed, and of one whose set-up or tear-down did. Whatever else a runner finds is not run again."""

_RERUN = frozenset({TEST_FAILED, TEST_ERROR})


def to_rerun(findings: Sequence[Finding], *, total: int) -> tuple[Finding, ...]:
    """The findings whose tests are to be run once more, each alone, in order and each test once.

    `total` counts the tests that ran. Nothing where so many of them failed that their surroundings are suspected, since running
    ten of them again would say nothing.
    """
    failed = _failed(findings)
    if suspicious(len(failed), total):
        return ()
    return tuple(failed.values())[:MAX_RERUNS]


def labelled(findings: Sequence[Finding], *, total: int, passed_alone: Collection[str]) -> tuple[Finding, ...]:
    """The findings, FLAKY where the test passed alone (`passed_alone` are ids), all INFRASTRUCTURE where nearly all failed."""
    if suspicious(len(_failed(findings)), total):
        return tuple(finding.model_copy(update={"attribution": Attribution.INFRASTRUCTURE}) for finding in findings)
    return tuple(
        finding.model_copy(
            update={"attribution": Attribution.FLAKY, "message": f"flaky, it passed when it was run alone: {finding.message}"}
        )
        if finding.rule in _RERUN and finding.snippet in passed_alone
        else finding
        for finding in findings
    )


def _failed(findings: Sequence[Finding]) -> dict[str, Finding]:
    """Failed tests by their ids; a test that failed and whose tear-down did too is one."""
    failed: dict[str, Finding] = {}
    for finding in findings:
        if finding.rule in _RERUN and finding.snippet:
            failed.setdefault(finding.snippet, finding)
    return failed
