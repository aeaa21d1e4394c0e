"""The words every gate answers in."""

from enum import StrEnum


class Outcome(StrEnum):
    """What a gate (or one tool of it) found out.

    ERRORED is the machinery's fault and never counts as PASSED; FAILED is the change's fault.
    """

    PASSED = "passed"
    FAILED = "failed"
    ERRORED = "errored"
    SKIPPED = "skipped"
    NOT_RUN = "not_run"

    @property
    def lets_through(self) -> bool:
        """Whether what waits for the gate may start."""
        return self in (Outcome.PASSED, Outcome.SKIPPED)


class Severity(StrEnum):
    """How much a finding weighs; only ERROR findings fail a gate. Words are SARIF's levels."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Category(StrEnum):
    """What kind of fix a finding asks for (specification, "Classify")."""

    FORMAT = "format"
    LINT = "lint"
    TYPE = "type"
    SECRET = "secret"  # noqa: S105
    TEST = "test"
    COVERAGE = "coverage"
    SECURITY = "security"
    DEPENDENCY = "dependency"
    MUTATION = "mutation"
    ARCHITECTURE = "architecture"
    INTEGRITY = "integrity"
    REVIEW = "review"
    BUILD = "build"
    DEPLOY = "deploy"


class Attribution(StrEnum):
    """Whose doing a finding is."""

    NEW = "new"
    PREEXISTING = "preexisting"
    FLAKY = "flaky"
    INFRASTRUCTURE = "infrastructure"
    UNKNOWN = "unknown"


def worst(outcomes: "list[Outcome]") -> Outcome:
    """The outcome of a whole made of parts: FAILED before ERRORED before PASSED; nothing is SKIPPED.

    FAILED wins over ERRORED because it is certain knowledge that the agent can act on.
    """
    for candidate in (Outcome.FAILED, Outcome.ERRORED, Outcome.NOT_RUN, Outcome.PASSED):
        if candidate in outcomes:
            return candidate
    return Outcome.SKIPPED
