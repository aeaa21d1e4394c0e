"""Every private part of Dagster that Forge stands on, in one place (no thread executor ships: dagster#4041).

They are stable within a minor version; `tests/orchestration/test_dagster_version.py` fails loudly on another one, and lists
what to look at before TESTED is raised.
"""

from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.errors import DagsterUserCodeProcessError, DagsterUserCodeUnreachableError
from dagster._core.events import DagsterEvent, EngineEventData
from dagster._core.execution.api import ExecuteRunWithPlanIterable
from dagster._core.execution.context.system import PlanExecutionContext, PlanOrchestrationContext, StepExecutionContext
from dagster._core.execution.context_creation_job import PlanExecutionContextManager
from dagster._core.execution.plan.active import ActiveExecution
from dagster._core.execution.plan.execute_plan import _trigger_hook as trigger_hooks
from dagster._core.execution.plan.execute_plan import dagster_event_sequence_for_step
from dagster._core.execution.plan.instance_concurrency_context import InstanceConcurrencyContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode, get_retries_config
from dagster._core.execution.step_dependency_config import StepDependencyConfig
from dagster._core.execution.tags import get_tag_concurrency_limits_config
from dagster._core.storage.compute_log_manager import CapturedLogContext, ComputeIOType, ComputeLogManager
from dagster._core.storage.tags import MAX_RUNTIME_SECONDS_TAG, PARTITION_NAME_TAG
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._utils.error import serializable_error_info_from_exc_info
from dagster._utils.interrupts import pop_captured_interrupt

TESTED = "1.13"
"""The minor version of Dagster whose private parts these are."""

UNREACHABLE = (DagsterUserCodeProcessError, DagsterUserCodeUnreachableError)
"""What asking a run's process for something raises when it or its code server cannot be reached."""

__all__ = [
    "MAX_RUNTIME_SECONDS_TAG",
    "PARTITION_NAME_TAG",
    "TESTED",
    "UNREACHABLE",
    "ActiveExecution",
    "CapturedLogContext",
    "ComputeIOType",
    "ComputeLogManager",
    "DagsterEvent",
    "EngineEventData",
    "ExecuteRunWithPlanIterable",
    "ExecutionPlan",
    "InstanceConcurrencyContext",
    "PlanExecutionContext",
    "PlanExecutionContextManager",
    "PlanOrchestrationContext",
    "RetryMode",
    "StepDependencyConfig",
    "StepExecutionContext",
    "UnresolvedAssetJobDefinition",
    "WorkspaceFileTarget",
    "WorkspaceProcessContext",
    "dagster_event_sequence_for_step",
    "get_retries_config",
    "get_tag_concurrency_limits_config",
    "pop_captured_interrupt",
    "serializable_error_info_from_exc_info",
    "trigger_hooks",
]
