"""Adapters are found by looking into their folders."""

from forge_dagster import registry
from forge_dagster.domain.graph import GATES, gate_spec


def test_every_tool_serves_a_gate_of_the_graph() -> None:
    names = {spec.name for spec in GATES}
    assert registry.tools()
    assert all(tool.gate in names for tool in registry.tools().values())


def test_every_tool_lies_in_the_folder_of_its_gates_stage() -> None:
    for name, tool in registry.tools().items():
        assert name in registry.tools_of(tool.gate)
        assert {gate_spec(other.gate).stage for other in registry.tools_of(tool.gate).values()} == {gate_spec(tool.gate).stage}


def test_every_gate_of_the_folder_is_in_the_graph_and_the_other_way_round() -> None:
    by_use_case = {"verdict", "canary", "health", "proof"}
    assert set(registry.gates()) == {spec.name for spec in GATES} - by_use_case


def test_the_platform_every_policy_starts_with_exists() -> None:
    assert "local" in registry.platforms()
