"""Which tools a gate uses: the repository's own choice is respected, and a default says that it is one."""

from pathlib import Path
from typing import Any

import pytest

from forge_dagster import registry
from forge_dagster.domain.policy import parse_policy
from forge_dagster.domain.project import NodeProject, Project, PythonProject, Task
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


def tasks(*commands: str, **tool: Any) -> PythonProject:
    found = tuple(Task(source="tox.ini [testenv:style]", text=text) for text in commands)
    return python(**tool).model_copy(update={"tasks": found})


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
    "flake8 by its section": ("lint", python(sections=("flake8",)), {"flake8": "setup.cfg or tox.ini has [flake8]"}),
    "flake8 and ruff": (
        "lint",
        python("flake8", "ruff"),
        {"flake8": "flake8 is a declared dependency", "ruff": "ruff is a declared dependency"},
    ),
    "pylint is none of ours": ("lint", python("pylint"), {}),
    "isort alone is a way of its own": ("format", python("isort"), {}),
    "ruff that only lints by its tasks": ("format", tasks("ruff check src", "yapf -r src", ruff={}), {}),
    "ruff that formats by its tasks": (
        "format",
        tasks("ruff format --check src", ruff={}),
        {"ruff_format": "tox.ini [testenv:style] runs ruff"},
    ),
    "black by its task": ("format", tasks("python -m black --check src"), {"black": "tox.ini [testenv:style] runs black"}),
    "types by default": ("types", python(), {"mypy": DEFAULT}),
    "mypy by setup.cfg": ("types", python(sections=("mypy",)), {"mypy": "setup.cfg or tox.ini has [mypy]"}),
    "pyright by its configuration": (
        "types",
        python(files=("pyrightconfig.json",)),
        {"pyright": "there is a pyrightconfig.json"},
    ),
    "pyright's configuration for editors": (
        "types",
        tasks("mypy src", pyright={}),
        {"mypy": "tox.ini [testenv:style] runs mypy"},
    ),
    "pyright that is declared, and that no task runs": (
        "types",
        tasks("mypy", pyright={}).model_copy(update={"dependencies": frozenset({"mypy", "pyright"})}),
        {"mypy": "tox.ini [testenv:style] runs mypy"},
    ),
    "mypy and pyright by their tasks": (
        "types",
        tasks("mypy", "pyright --verifytypes shop", mypy={}),
        {"mypy": "pyproject.toml has [tool.mypy]", "pyright": "tox.ini [testenv:style] runs pyright"},
    ),
    "basedpyright in pyright's place": (
        "types",
        python("basedpyright", pyright={}),
        {"basedpyright": "basedpyright is a declared dependency"},
    ),
    "ty is none of ours": ("types", python("ty"), {}),
}
NODE_CASES = {
    "nothing chosen": ("format", node(), {"prettier": DEFAULT}),
    "prettier by its key": ("format", node(prettier={}), {"prettier": 'package.json has "prettier"'}),
    "prettier in a script": (
        "format",
        node(scripts={"fmt": "npx prettier --check ."}),
        {"prettier": 'package.json\'s script "fmt" runs prettier'},
    ),
    "biome by dependency": ("format", node("@biomejs/biome"), {"biome_format": "@biomejs/biome is a declared dependency"}),
    "biome for linting only": ("format", node("@biomejs/biome", scripts={"lint": "biome lint ."}), {"prettier": DEFAULT}),
    "biome for formatting only": (
        "lint",
        node("@biomejs/biome", "eslint", scripts={"fmt": "biome format ."}),
        {"eslint": "eslint is a declared dependency"},
    ),
    "biome checks both": (
        "lint",
        node(scripts={"ci": "biome ci ."}),
        {"biome": 'package.json\'s script "ci" runs biome ci'},
    ),
    "oxlint repository has no eslint": ("lint", node("oxlint"), {"oxlint": "oxlint is a declared dependency"}),
    "oxfmt in a script": (
        "format",
        node(scripts={"lint": "oxlint src && oxfmt --check src test"}),
        {"oxfmt": 'package.json\'s script "lint" runs oxfmt'},
    ),
    "prettier as a mere dependency beside biome": (
        "format",
        node("prettier", files=("biome.json",)),
        {"biome_format": "there is a biome.json"},
    ),
    "eslint as a mere dependency beside oxlint": (
        "lint",
        node("eslint", files=(".oxlintrc.json",)),
        {"oxlint": "there is a .oxlintrc.json"},
    ),
    "eslint configured beside oxlint": (
        "lint",
        node("oxlint", files=("eslint.config.js",)),
        {"eslint": "there is a eslint.config.js", "oxlint": "oxlint is a declared dependency"},
    ),
    "standard is none of ours": ("lint", node("standard"), {}),
    "xo is none of ours": ("format", node("xo"), {}),
    "dprint is none of ours": ("format", node(files=("dprint.json",)), {}),
    "eslint by its configuration": (
        "lint",
        node(files=("eslint.config.js",)),
        {"eslint": "there is a eslint.config.js"},
    ),
    "tsc by tsconfig": ("types", node("typescript", files=("tsconfig.json",)), {"tsc": "there is a tsconfig.json"}),
    "a tsconfig that packages extend": (
        "types",
        node("typescript", files=("tsconfig.json",), workspaces=["a"]),
        {"tsc": DEFAULT},
    ),
    "a tsconfig for editors": ("types", node(files=("tsconfig.json",)), {"tsc": DEFAULT}),
    "tsd is none of ours": ("types", node("tsd", files=("tsconfig.json",)), {}),
    "tsc in its own script": (
        "types",
        node(files=("tsconfig.json",), scripts={"typecheck": "tsc -p src && tsc -p test"}),
        {"tsc": 'package.json\'s script "typecheck" runs tsc'},
    ),
    "another compiler in its own script": (
        "types",
        node(files=("tsconfig.json",), scripts={"test:types": "tsgo --noEmit"}),
        {"typecheck_script": 'package.json\'s script "test:types" runs tsgo'},
    ),
    "a script that leaves it to a workspace": (
        "types",
        node(files=("tsconfig.json",), workspaces=["packages/*"], scripts={"typecheck": "turbo run typecheck"}),
        {},
    ),
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
    other = why_none("lint", project=Project(files=("a.py",), python=python("pylint")), policy=POLICY, tools=tools)
    assert "pylint is a declared dependency" in other


def test_every_tool_is_found_by_its_module() -> None:
    folder = Path(registry.__file__).parent / "tools" / "fast"
    modules = {path.stem for path in folder.glob("*.py") if "\nADAPTER = " in path.read_text()}
    python_tools = {"ruff_format", "black", "ruff", "flake8", "mypy", "pyright", "basedpyright"}
    node_tools = {"prettier", "biome_format", "oxfmt", "eslint", "biome", "oxlint", "tsc", "typecheck_script"}
    assert modules == python_tools | node_tools | {"kingfisher", "gitleaks"}
    assert modules <= set(registry.tools())
