"""Where releases run, and what is measured of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from forge_dagster.domain.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A running release or preview. `id` is the platform's own name for it, stable and safe as a file name."""

    id: str
    url: str
    artifact: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseHealth:
    """What the platform sees of a running release. Shares are of the limit, 0 to 1; None: unknown."""

    running: bool
    healthy: bool
    restarts: int = 0
    in_flight: int = 0
    cpu: float | None = None
    memory: float | None = None


class Platform(Protocol):
    """Where releases run. `environment` is "owner/repo/production"-like; every call is idempotent and raises PlatformError."""

    name: str
    weighted: bool
    """Whether it can split traffic by weight."""

    def preview(self, *, name: str, artifact: Path, policy: Policy, log: Callable[[str], None]) -> Deployment: ...
    def remove_preview(self, *, name: str) -> None: ...
    def deploy(
        self, *, environment: str, release: str, artifact: Path, policy: Policy, log: Callable[[str], None]
    ) -> Deployment:
        """Start `release` beside what runs, at weight 0, and wait until its health check answers."""
        ...

    def route(self, *, environment: str, weights: Mapping[str, int]) -> None:
        """Split the traffic: release -> percent, 100 in all. Takes effect without losing a request."""
        ...

    def weights(self, environment: str) -> Mapping[str, int]: ...
    def health(self, *, environment: str, release: str) -> ReleaseHealth: ...
    def drain(self, *, environment: str, release: str, timeout_s: float) -> bool:
        """Wait at weight 0 until nothing is in flight. False at the time limit."""
        ...

    def stop(self, *, environment: str, release: str) -> None:
        """Stop a drained release and forget it."""
        ...

    def url(self, environment: str) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Totals of one release since it started. `latency` is cumulative: (upper bound in ms, answers at or below it)."""

    requests: int
    errors: int
    latency: tuple[tuple[float, int], ...] = ()


class Signals(Protocol):
    """Where the judge gets its numbers."""

    def traffic(self, *, environment: str, release: str) -> Traffic | None:
        """Totals so far, or None when there is no telemetry."""
        ...
