"""Reviewers: asked for an opinion on a change."""

from dataclasses import dataclass
from typing import Protocol

from forge_dagster.domain.changes import Change
from forge_dagster.domain.review import Answer
from forge_dagster.ports.processes import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRequest:
    """What is to be reviewed. `question` is untrusted text as JSON (domain.review.question); `instructions` are Forge's."""

    change: Change
    instructions: str
    question: str
    timeout_s: float
    run: Run


class Reviewer(Protocol):
    """Someone with an opinion: a model behind an endpoint, a local program, or a service that writes on pull requests."""

    @property
    def name(self) -> str: ...

    def review(self, request: ReviewRequest) -> Answer | None:
        """The opinion; None: there is none (yet). Raises ToolError when none can be had: no answer, no JSON, budget spent."""
        ...
