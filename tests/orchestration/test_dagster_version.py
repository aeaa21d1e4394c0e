"""The thread executor stands on private parts of Dagster: an upgrade must not pass unnoticed."""

import inspect

import dagster

from forge_dagster.orchestration import dagster_internals as internals

WHAT_TO_DO = f"""
Dagster is {dagster.__version__}, and Forge's thread executor was written for {internals.TESTED}.x. Before raising TESTED:
 1. read what changed in dagster/_core/execution/plan/active.py (ActiveExecution: GateProgress uses its sets and _update),
    _core/executor/multiprocess.py (the loop that threads.py mirrors) and _core/storage/compute_log_manager.py;
 2. run tests/orchestration and benchmarks/noop_gates.py;
 3. open the UI on a rejected run: the bars, the step's log, the failure's first line.
"""


def test_the_version_is_the_one_that_the_private_parts_are_of() -> None:
    assert dagster.__version__.startswith(f"{internals.TESTED}."), WHAT_TO_DO


def test_the_bookkeeping_has_the_parts_that_the_trigger_needs() -> None:
    source = inspect.getsource(internals.ActiveExecution)
    for part in ("_pending", "_executable", "_success", "_skipped", "_failed", "_abandoned", "_in_flight", "_waiting_to_retry"):
        assert f"self.{part}" in source, WHAT_TO_DO
    assert "def _update(self)" in source, WHAT_TO_DO


def test_everything_private_is_in_one_module() -> None:
    package = inspect.getfile(internals).rpartition("/")[0]
    from pathlib import Path

    users = [path.name for path in Path(package).glob("*.py") if "from dagster._" in path.read_text()]
    assert users == ["dagster_internals.py"]
