"""Which process executes a run, written down by the run itself, so that a killed worker can be told from a slow one."""

import functools
import os
import signal
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from forge_dagster.orchestration.dagster_internals import (
    DagsterEvent,
    ExecutionPlan,
    PlanOrchestrationContext,
    RetryMode,
    StepDependencyConfig,
)
from forge_dagster.workspace.reaping import start_time

WORKER = "forge/worker"
"""Run tag that names the process: `<machine>/<pid>@<start>`. The start time tells a reused pid apart."""


@functools.cache
def _machine() -> str:
    """This machine since its last start: a pid means nothing on another one, nor after a reboot."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    since = boot.read_text().strip()[:8] if boot.exists() else ""
    return f"{socket.gethostname()}:{since}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A process on a machine."""

    machine: str
    pid: int
    started: str

    @classmethod
    def here(cls) -> "Worker":
        """This process."""
        return cls(machine=_machine(), pid=os.getpid(), started=str(start_time(os.getpid())))

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> "Worker | None":
        """The worker that a run's tags name, or None where there is none (yet)."""
        machine, _, process = tags.get(WORKER, "").rpartition("/")
        pid, _, started = process.partition("@")
        return cls(machine=machine, pid=int(pid), started=started) if machine and pid.isdigit() else None

    @property
    def tag(self) -> str:
        """The value of the tag WORKER."""
        return f"{self.machine}/{self.pid}@{self.started}"

    @property
    def is_dead(self) -> bool:
        """Whether the process is known to be gone. On another machine nobody here can know, so False."""
        host = self.machine.partition(":")[0]
        if host != _machine().partition(":")[0]:
            return False
        return self.machine != _machine() or str(start_time(self.pid)) != self.started

    def kill(self) -> None:
        """Kill the process if it is on this machine and still the same one."""
        if self.machine == _machine() and str(start_time(self.pid)) == self.started:
            os.kill(self.pid, signal.SIGKILL)


class Witnessed(dg.Executor):
    """Any executor, with the worker's identity recorded before the first step."""

    def __init__(self, inner: dg.Executor) -> None:
        self._inner = inner

    @property
    def retries(self) -> RetryMode:
        return self._inner.retries

    @property
    def step_dependency_config(self) -> StepDependencyConfig:
        return self._inner.step_dependency_config

    def execute(self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan) -> Iterator[DagsterEvent]:
        plan_context.instance.add_run_tags(plan_context.run_id, {WORKER: Worker.here().tag})
        yield from self._inner.execute(plan_context, execution_plan)
