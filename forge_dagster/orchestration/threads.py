"""Steps in threads of the run process.

Gates spend their time in external processes, so a process per step buys nothing and costs about two seconds of interpreter and
import each. Beyond what the stock executors do, a step tagged `forge/always_run` starts as soon as everything before it is
resolved, whatever came out (no stock executor has such a trigger: dagster#15761).
"""

import contextlib
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import dagster as dg

from forge_dagster.orchestration import interruption, step_logs
from forge_dagster.orchestration.dagster_internals import (
    ActiveExecution,
    CapturedLogContext,
    DagsterEvent,
    EngineEventData,
    ExecuteRunWithPlanIterable,
    ExecutionPlan,
    InstanceConcurrencyContext,
    PlanExecutionContext,
    PlanExecutionContextManager,
    PlanOrchestrationContext,
    RetryMode,
    StepExecutionContext,
    dagster_event_sequence_for_step,
    pop_captured_interrupt,
    serializable_error_info_from_exc_info,
    trigger_hooks,
)

ALWAYS_RUN = "forge/always_run"
"""Tag (value "true") of a step that starts once everything before it is resolved."""

POLL_S = 0.1
"""Longest time until a signal, a due retry or a free pool slot is noticed."""
GRACE_S = 60.0
"""Seconds an interrupted run waits for its steps. Their tools are dead by then, but a rollout has to be taken back."""


class GateProgress(ActiveExecution):
    """Dagster's own bookkeeping of a run's steps, with the always-run trigger added."""

    def __init__(self, plan: ExecutionPlan, *, claims: InstanceConcurrencyContext, **options: Any) -> None:
        self._claims = claims
        super().__init__(plan, instance_concurrency_context=claims, **options)

    def _update(self) -> None:
        over = self._success | self._skipped | self._failed | self._abandoned
        for key in [key for key, waits in self._pending.items() if waits <= over]:
            if (self.get_step_by_key(key).tags or {}).get(ALWAYS_RUN) == "true":
                del self._pending[key]
                self._executable.append(key)
        super()._update()

    @property
    def waiting(self) -> bool:
        """Whether a step waits for the time of its retry or for a slot of its pool."""
        return bool(self._waiting_to_retry) or self._claims.has_pending_claims()

    def free(self) -> None:
        """Give back the pool slots of steps that never reported their end (an interrupted run)."""
        for key in list(self._in_flight):
            self._claims.free_step(key)


class _StepThreads:
    """The steps under way, each in a daemon thread (a wedged one must not keep the process alive), and what they report."""

    def __init__(self, job: PlanExecutionContext) -> None:
        self._job = job
        self._reports: queue.SimpleQueue[tuple[str, DagsterEvent | None]] = queue.SimpleQueue()
        self.running: set[str] = set()

    def start(self, step: StepExecutionContext) -> None:
        self.running.add(step.step.key)
        threading.Thread(target=self._work, args=(step,), name=f"step {step.step.key}", daemon=True).start()

    def reports(self, wait_s: float) -> Iterator[tuple[str, DagsterEvent | None]]:
        """What has been reported: the first within `wait_s`, the rest without waiting. None: that step has ended."""
        with contextlib.suppress(queue.Empty):
            yield self._reports.get(timeout=wait_s)
            while True:
                yield self._reports.get_nowait()

    def _work(self, step: StepExecutionContext) -> None:
        key = step.step.key
        report = self._reports.put
        try:
            logs = self._job.instance.compute_log_manager
            log_key = logs.build_log_key_for_run(step.run_id, _log_name(step))
            report((key, DagsterEvent.capture_logs(self._job, [key], log_key, CapturedLogContext(log_key))))
            with step_logs.captured(logs, log_key):
                told: list[DagsterEvent] = []
                for event in dagster_event_sequence_for_step(step):
                    told.append(event)
                    report((key, event))
                for event in trigger_hooks(step, told):
                    report((key, event))
        except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
            pass  # raised again by Dagster after it has told the step's failure
        except BaseException:  # noqa: BLE001 - a thread has nobody above it; the run fails since the step's state is unknown
            error = serializable_error_info_from_exc_info(sys.exc_info())
            message = f'Step "{key}" could not be executed'
            with contextlib.suppress(Exception):
                report((key, DagsterEvent.engine_event(step, message, EngineEventData.engine_error(error))))
        finally:
            report((key, None))


def _log_name(step: StepExecutionContext) -> str:
    """Each try of a step has a log of its own."""
    tries = step.previous_attempt_count
    return f"{step.step.key}-{tries + 1}" if tries else step.step.key


class ThreadExecutor(dg.Executor):
    """Runs at most `parallel()` steps at a time. Errors of the framework fail the run; they are never raised to the caller."""

    def __init__(
        self,
        *,
        retries: RetryMode,
        parallel: Callable[[], int],
        tag_limits: Sequence[dict[str, Any]] = (),
        grace_s: float = GRACE_S,
    ) -> None:
        self._retries = retries
        self._parallel = parallel
        self._tag_limits = list(tag_limits)
        self._grace_s = grace_s

    @property
    def retries(self) -> RetryMode:
        return self._retries

    def execute(self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan) -> Iterator[DagsterEvent]:
        pid = os.getpid()
        about = EngineEventData.in_process(pid, execution_plan.step_keys_to_execute)
        yield DagsterEvent.engine_event(plan_context, f"Executing steps in threads (pid: {pid})", about)
        begun = time.monotonic()
        yield from ExecuteRunWithPlanIterable(
            execution_plan=execution_plan,
            iterator=self._iterate,
            execution_context_manager=PlanExecutionContextManager(
                job=plan_context.job,
                retry_mode=self._retries,
                execution_plan=execution_plan,
                run_config=plan_context.run_config,
                dagster_run=plan_context.dagster_run,
                instance=plan_context.instance,
                raise_on_error=False,
            ),
        )
        message = f"Finished steps in threads (pid: {pid}) in {time.monotonic() - begun:.1f} s"
        yield DagsterEvent.engine_event(plan_context, message, about)

    def _iterate(self, job_context: PlanExecutionContext, execution_plan: ExecutionPlan) -> Iterator[DagsterEvent]:
        run_id, parallel = job_context.run_id, self._parallel()
        threads = _StepThreads(job_context)
        claims = InstanceConcurrencyContext(job_context.instance, job_context.dagster_run)
        options = {"retry_mode": self._retries, "max_concurrent": parallel, "tag_concurrency_limits": self._tag_limits}
        give_up: float | None = None
        with claims, GateProgress(execution_plan, claims=claims, **options) as progress:
            try:
                while threads.running or (give_up is None and not progress.is_complete):
                    if give_up is None and pop_captured_interrupt():
                        give_up = time.monotonic() + self._grace_s
                        progress.mark_interrupted()
                        interruption.interrupt(run_id)
                        message = "Interrupted: the processes of every step have been killed"
                        yield DagsterEvent.engine_event(
                            job_context, message, EngineEventData.interrupted(sorted(threads.running))
                        )
                    if give_up is None:
                        for step in progress.get_steps_to_execute(limit=parallel - len(threads.running)):
                            threads.start(job_context.for_step(step, progress.get_known_state()))
                        yield from progress.concurrency_event_iterator(job_context)
                        yield from progress.plan_events_iterator(job_context)
                    elif time.monotonic() > give_up:
                        break
                    yield from self._attend(job_context, progress, threads)
                if give_up is not None:
                    raise dg.DagsterExecutionInterruptedError
            finally:
                if threads.running:  # given up, or the framework failed: leave no tool behind
                    interruption.interrupt(run_id)
                progress.free()
                interruption.forget(run_id)

    def _attend(
        self, job_context: PlanExecutionContext, progress: GateProgress, threads: _StepThreads
    ) -> Iterator[DagsterEvent]:
        """Pass on what the steps report. Short when nothing runs or waits: then a step has just become ready."""
        wait_s = POLL_S if threads.running or progress.waiting else POLL_S / 20
        for key, event in threads.reports(wait_s):
            if event is None:
                threads.running.discard(key)
                progress.verify_complete(job_context, key)
            else:
                yield event
                progress.handle_event(event)
