"""Which tools a gate uses: the repository's own choice is respected, and a default says that it is one."""

from pathlib import Path

import pytest

from forge_dagster import registry
from forge_dagster.domain.policy import parse_policy
from forge_dagster.domain.project import NodeProject, Project, PythonProject
from forge_dagster.errors import ConfigurationError
from forge_dagster.gates.selection import choose, why_none

POLICY = parse_policy("")


def python(*dependencies: str, files: tuple[str, ...] = (), sections: tuple[str, ...] = (), **tool: object) -> PythonProject:
    return PythonProject(
        manager="uv",
        pyproject={"tool": tool},
        dependencies=frozenset(dependencies),
        configuration_files=frozenset(files),
        ini_sections=frozenset(sections),
    )


def node(*dependencies: str, files: tuple[str, ...] = (), **package: object) -> NodeProject:
    return NodeProject(
        manager="npm", package=package, dependencies=frozenset(dependencies), configuration_files=frozenset(files)
    )


def chosen(gate: str, project: Project, *, policy: str = "", on_path: bool = False) -> dict[str, str]:
    choices = choose(
        gate, project=project, policy=parse_policy(policy), tools=registry.tools().values(), on_path=lambda _program: on_path
    )
    return {choice.tool.name: choice.because for choice in choices}


DEFAULT = "Forge's default: the repository chose none"
PYTHON_CASES = {
    "nothing chosen": ("format", python(), {"ruff_format": DEFAULT}),
    "black by its table": ("format", python(black={}), {"black": "pyproject.toml has [tool.black]"}),
    "black by dependency": ("format", python("black"), {"black": "black is a declared dependency"}),
    "black repository that lints with ruff": (
        "format",
        python("black", "ruff", ruff={}),
        {"black": "black is a declared dependency"},
    ),
    "ruff formats by its table": (
        "format",
        python(ruff={"format": {}}),
        {"ruff_format": "pyproject.toml has [tool.ruff.format]"},
    ),
    "ruff is all there is": ("format", python(files=("ruff.toml",)), {"ruff_format": "there is a ruff.toml"}),
    "yapf is none of ours": ("format", python("yapf"), {}),
    "lint by default": ("lint", python(), {"ruff": DEFAULT}),
    "ruff lints": ("lint", python(ruff={}), {"ruff": "pyproject.toml has [tool.ruff]"}),
    "flake8 is none of ours": ("lint", python(sections=("flake8",)), {}),
    "flake8 and ruff": ("lint", python("flake8", "ruff"), {"ruff": "ruff is a declared dependency"}),
    "types by default": ("types", python(), {"mypy": DEFAULT}),
    "mypy by setup.cfg": ("types", python(sections=("mypy",)), {"mypy": "setup.cfg or tox.ini has [mypy]"}),
    "pyright is none of ours": ("types", python(files=("pyrightconfig.json",)), {}),
}
NODE_CASES = {
    "nothing chosen": ("format", node(), {"prettier": DEFAULT}),
    "prettier by its key": ("format", node(prettier={}), {"prettier": 'package.json has "prettier"'}),
    "prettier in a script": (
        "format",
        node(scripts={"fmt": "npx prettier --check ."}),
        {"prettier": 'package.json\'s script "fmt" runs prettier'},
    ),
    "biome is none of ours": ("format", node("@biomejs/biome"), {}),
    "oxlint repository has no eslint": ("lint", node("oxlint"), {}),
    "eslint by its configuration": (
        "lint",
        node(files=("eslint.config.js",)),
        {"eslint": "there is a eslint.config.js"},
    ),
    "tsc by tsconfig": ("types", node("typescript", files=("tsconfig.json",)), {"tsc": "there is a tsconfig.json"}),
}


@pytest.mark.parametrize("case", PYTHON_CASES)
def test_python_repositories(case: str) -> None:
    gate, found, expected = PYTHON_CASES[case]
    assert chosen(gate, Project(files=("a.py",), python=found)) == expected


@pytest.mark.parametrize("case", NODE_CASES)
def test_node_repositories(case: str) -> None:
    gate, found, expected = NODE_CASES[case]
    assert chosen(gate, Project(files=("a.ts",), node=found)) == expected


def test_hooks_choose_tools_too() -> None:
    hooked = Project(files=("a.py",), python=python(), pre_commit_hooks=frozenset({"ruff-format", "mypy"}))
    assert chosen("format", hooked) == {"ruff_format": '.pre-commit-config.yaml has the hook "ruff-format"'}
    assert chosen("types", hooked) == {"mypy": '.pre-commit-config.yaml has the hook "mypy"'}
    assert chosen("lint", hooked) == {"ruff": DEFAULT}


def test_each_language_has_its_own_tools() -> None:
    both = Project(files=("a.py", "a.ts"), python=python(black={}), node=node())
    assert set(chosen("format", both)) == {"black", "prettier"}


def test_kingfisher_always_looks_for_secrets_and_gitleaks_where_it_is_installed() -> None:
    empty = Project(files=("README.md",))
    assert chosen("secrets", empty) == {"kingfisher": "Forge's default"}
    assert chosen("secrets", empty, on_path=True) == {"kingfisher": "Forge's default", "gitleaks": "gitleaks is installed"}
    configured = Project(files=(".gitleaks.toml",))
    assert chosen("secrets", configured, on_path=True)["gitleaks"] == "there is a .gitleaks.toml"
    left_out = choose("secrets", project=configured, policy=POLICY, tools=registry.tools().values())
    assert [(choice.tool.name, bool(choice.unavailable)) for choice in left_out] == [("gitleaks", True), ("kingfisher", False)]


def test_the_policy_has_the_last_word() -> None:
    project = Project(files=("a.py",), python=python(black={}))
    named = '[gates.format]\ntools = ["ruff_format"]\n'
    assert chosen("format", project, policy=named) == {"ruff_format": "forge.toml names it in [gates.format]"}
    assert chosen("secrets", project, policy='[gates.secrets]\ntools = ["gitleaks"]\n') != {}
    assert chosen("format", project, policy='[gates.format]\ntools = ["prettier"]\n') == {}


def test_a_tool_of_another_gate_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match='"mypy" does not serve this gate'):
        chosen("format", Project(python=python()), policy='[gates.format]\ntools = ["mypy"]\n')


def test_why_nothing_runs() -> None:
    tools = list(registry.tools().values())
    nothing = why_none("types", project=Project(files=("README.md",)), policy=POLICY, tools=tools)
    assert nothing == "no language recognised that this gate has tools for (Python, TypeScript or JavaScript)"
    other = why_none("lint", project=Project(files=("a.py",), python=python("flake8")), policy=POLICY, tools=tools)
    assert "flake8 is a declared dependency" in other


def test_every_tool_is_found_by_its_module() -> None:
    folder = Path(registry.__file__).parent / "tools" / "fast"
    modules = {path.stem for path in folder.glob("*.py") if "\nADAPTER = " in path.read_text()}
    assert modules == {"ruff_format", "black", "prettier", "ruff", "eslint", "mypy", "tsc", "kingfisher", "gitleaks"}
    assert modules <= set(registry.tools())
