"""The papers name only what exists, and everything that exists."""

import re
from pathlib import Path

import pytest

from forge_dagster import registry
from forge_dagster.domain.graph import GATES

ROOT = Path(__file__).parents[2]
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()


def test_every_path_named_exists() -> None:
    named = set(re.findall(r"`((?:forge_dagster|tests|docs|examples|benchmarks)/[\w./-]*)`", ARCHITECTURE))
    assert named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_every_test_that_the_threat_model_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", (ROOT / "docs" / "threat-model.md").read_text())
    assert len(named) > 20
    for path, test in named:
        assert (ROOT / path).is_file(), path
        assert not test or f"def {test}(" in (ROOT / path).read_text(), test


@pytest.mark.parametrize("name", [spec.name for spec in GATES] + sorted(registry.tools()) + sorted(registry.platforms()))
def test_every_gate_tool_and_platform_is_documented(name: str) -> None:
    assert f"`{name}`" in ARCHITECTURE


@pytest.mark.parametrize("paper", ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"])
def test_links_between_papers_lead_somewhere(paper: str) -> None:
    text = (ROOT / paper).read_text()
    links = [target for target in re.findall(r"\]\(([^)#]+)", text) if not target.startswith("http")]
    assert [target for target in links if not (ROOT / target).exists()] == []
