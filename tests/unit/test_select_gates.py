"""Which gates `forge check` runs."""

import pytest

from forge_dagster.domain.graph import GATES, Stage
from forge_dagster.errors import UsageError
from forge_dagster.usecases.check import select_gates


def names(*, stages: list[str] | None = None, gates: list[str] | None = None) -> list[str]:
    return [spec.name for spec in select_gates(stages or [], gates or [])]


def test_all_local_gates_by_default() -> None:
    assert names() == [spec.name for spec in GATES if spec.local]


def test_stages_and_gates_add_up() -> None:
    assert names(stages=["fast"]) == ["format", "lint", "types", "secrets"]
    analysis = [spec.name for spec in GATES if spec.local and spec.stage is Stage.ANALYSIS]
    assert names(stages=["analysis"], gates=["lint"]) == ["lint", *analysis]


def test_coverage_brings_the_tests_it_measures() -> None:
    assert names(gates=["coverage"]) == ["unit", "integration", "coverage"]


def test_unit_alone_does_not_bring_the_fast_gates() -> None:
    assert names(gates=["unit"]) == ["unit"]


@pytest.mark.parametrize(
    ("stages", "gates", "message"),
    [
        ([], ["lints"], 'did you mean "lint"'),
        (["fats"], [], 'did you mean "fast"'),
        ([], ["canary"], "needs a server"),
        (["delivery"], [], "needs a server"),
    ],
)
def test_what_cannot_be_run_is_refused_by_name(stages: list[str], gates: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        select_gates(stages, gates)
    assert "lint" in error.value.hint or "fast" in error.value.hint
