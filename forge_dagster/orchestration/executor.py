"""The executor of Forge's jobs: steps in threads unless the configuration says otherwise.

As with Dagster's own default executor, the choice is one field of the run configuration:

    execution: {config: {multiprocess: {max_concurrent: 2}}}

and the environment variable FORGE_EXECUTOR of the code location names the one that runs without it use.
"""

import importlib
import os
from collections.abc import Callable, Mapping
from typing import Any, cast

import dagster as dg

from forge_dagster.domain.policy import did_you_mean
from forge_dagster.errors import ConfigurationError
from forge_dagster.orchestration.dagster_internals import RetryMode, get_retries_config, get_tag_concurrency_limits_config
from forge_dagster.orchestration.threads import ThreadExecutor
from forge_dagster.orchestration.workers import Witnessed

VARIABLE = "FORGE_EXECUTOR"
STOCK = {"multiprocess": dg.multiprocess_executor, "in_process": dg.in_process_executor}
ELSEWHERE = {"docker": ("dagster_docker", "docker_executor"), "k8s_job": ("dagster_k8s", "k8s_job_executor")}
"""Executors of other packages, imported only when chosen: each would add to the start of every worker."""
NAMES = ("threads", *STOCK, *ELSEWHERE)

_THREADS = dg.Field(
    {
        "max_concurrent": dg.Field(
            dg.Noneable(int),
            default_value=None,
            description="Gates of one run at a time; default: max_parallel_gates in Forge's settings.",
        ),
        "retries": get_retries_config(),  # type: ignore[no-untyped-call]
        "tag_concurrency_limits": get_tag_concurrency_limits_config(),  # type: ignore[no-untyped-call]
    },
    description="Run each gate in a thread of the run process.",
)


def gate_executor(*, parallel: Callable[[], int]) -> dg.ExecutorDefinition:
    """The executor definition. `parallel` is asked, when a run starts, how many gates may run at a time.

    Raises ConfigurationError when FORGE_EXECUTOR names none.
    """
    default = os.environ.get(VARIABLE) or "threads"
    if default not in NAMES:
        raise ConfigurationError(
            f"{VARIABLE}={default!r}: there is no such executor{did_you_mean(default, NAMES)}",
            hint=f"choose one of {', '.join(NAMES)}, or unset {VARIABLE}",
        )
    fields = {
        "threads": _THREADS,
        **{name: stock.config_schema.as_field() for name, stock in STOCK.items()},
        **{name: _permissive(f"As {'.'.join(where)}.") for name, where in ELSEWHERE.items()},
    }

    def create(context: dg.InitExecutorContext) -> dg.Executor:
        name, config = _choice(context.executor_config)
        if name != "threads":
            return Witnessed(_stock(name, config, context))
        limit = config["max_concurrent"]
        executor = ThreadExecutor(
            retries=cast(RetryMode, RetryMode.from_config(config["retries"])),
            parallel=parallel if limit is None else lambda: int(limit),
            tag_limits=config.get("tag_concurrency_limits") or (),
        )
        return Witnessed(executor)

    def requirements(config: Mapping[str, object]) -> Any:
        name, options = _choice(config)
        return [] if name == "threads" else _definition(name).get_requirements(options)

    schema = dg.Field(dg.Selector(fields), default_value={default: {}})  # type: ignore[no-untyped-call]
    return dg.ExecutorDefinition(
        name="forge",
        config_schema=schema,
        requirements=requirements,
        executor_creation_fn=create,
        description=(__doc__ or "").partition("\n")[0],
    )


def _permissive(description: str) -> dg.Field:
    return dg.Field(dg.Permissive(), description=description)  # type: ignore[no-untyped-call]


def _choice(config: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    name = next((name for name in NAMES if name in config), "threads")
    return name, config.get(name) or {}


def _definition(name: str) -> dg.ExecutorDefinition:
    if name in STOCK:
        return STOCK[name]
    module, attribute = ELSEWHERE[name]
    try:
        return cast(dg.ExecutorDefinition, getattr(importlib.import_module(module), attribute))
    except ImportError as error:
        package = module.replace("_", "-")
        raise ConfigurationError(f"the executor {name} needs {package}", hint=f"install {package} beside Dagster") from error


def _stock(name: str, config: Mapping[str, Any], context: dg.InitExecutorContext) -> dg.Executor:
    definition = _definition(name)
    if name in ELSEWHERE:  # its schema is not part of ours, so that it is validated here
        definition = definition.configured(config)
        outcome = definition.apply_config_mapping({"config": {}})
        if not outcome.success:
            raise ConfigurationError(f"execution.config.{name}: {outcome.errors}", hint="correct the run configuration")
        config = (outcome.value or {})["config"]
    assert definition.executor_creation_fn is not None
    return definition.executor_creation_fn(
        dg.InitExecutorContext(job=context.job, executor_def=definition, executor_config=config, instance=context.instance)
    )
