"""What was detected, in words, with the file that shows it."""

from collections.abc import Iterator, Mapping

from forge_dagster.domain.project import NodeProject, PythonProject, Sign
from forge_dagster.workspace.detect_files import Folder, below
from forge_dagster.workspace.requirements import table
from forge_dagster.workspace.task_runners import asked_for

_TEXT = 160
"""Characters of a script, or of any other text of the repository's, that are shown."""
_MOST = 60
"""Signs of one kind."""
_TOOL_FILES = {
    ".eslintrc": "eslint", "eslint.config.": "eslint", ".prettierrc": "prettier", "prettier.config.": "prettier",
    "biome.json": "biome", "oxlintrc": "oxlint", ".oxlintrc": "oxlint", "tsconfig": "tsc", "vitest.config.": "vitest",
    "vitest.workspace.": "vitest", "jest.config.": "jest", ".mocharc": "mocha", "mypy.ini": "mypy", ".mypy.ini": "mypy",
    "pyrightconfig.json": "pyright", "ruff.toml": "ruff", ".ruff.toml": "ruff", ".flake8": "flake8", "pytest.ini": "pytest",
    ".coveragerc": "coverage", ".pylintrc": "pylint", "pylintrc": "pylint", "ty.toml": "ty", "stryker.conf": "stryker",
    ".dependency-cruiser": "dependency-cruiser", "tach.toml": "tach", ".importlinter": "import-linter", "tox.ini": "tox",
    "tox.toml": "tox", "noxfile.py": "nox", "hatch.toml": "hatch", "bandit.yaml": "bandit", ".bandit": "bandit",
    "playwright.config.": "playwright", "cypress.config.": "cypress", "turbo.json": "turbo", "nx.json": "nx",
    "lerna.json": "lerna", "schemathesis.toml": "schemathesis", "openapi.": "an OpenAPI document",
}  # fmt: skip
"""How names of configuration files begin -> whose they are."""
_INI_TOOLS = {
    "flake8": "flake8", "mypy": "mypy", "tool:pytest": "pytest", "pytest": "pytest", "isort": "isort", "bandit": "bandit",
    "pycodestyle": "pycodestyle", "coverage:run": "coverage", "pylint": "pylint", "importlinter": "import-linter",
    "mutmut": "mutmut",
}  # fmt: skip


def python_signs(python: PythonProject, folder: Folder) -> tuple[Sign, ...]:
    """The language and who installs it, the lock or what else says what is needed, and whose settings are there."""
    return tuple(_short(sign) for sign in _python(python, folder))


def node_signs(node: NodeProject, folder: Folder) -> tuple[Sign, ...]:
    """The same for JavaScript and TypeScript, and the scripts."""
    return tuple(_short(sign) for sign in _node(node, folder))


def _python(python: PythonProject, folder: Folder) -> Iterator[Sign]:
    prefix = below(python.directory)
    where = f"{prefix}pyproject.toml" if python.pyproject else f"{prefix}setup.py, requirements or sources"
    name = table(python.pyproject, "project").get("name") or table(python.pyproject, "tool", "poetry").get("name") or ""
    yield Sign(what=f"Python project {name}".rstrip(), because=where)
    if python.workspace is not None:
        yield Sign(what="it shares the lock of its uv workspace", because=f"{below(python.workspace)}uv.lock")
    elif python.lock_file is not None:
        locked_by = "pipenv" if python.lock_file == "Pipfile.lock" else python.manager
        yield Sign(what=f"locked by {locked_by}", because=f"{prefix}{python.lock_file}")
    else:
        tool = f" [tool.{python.manager}]" if python.manager != "pip" else ""
        yield Sign(what=f"installed as by {python.manager}; nothing is locked", because=f"{where}{tool}")
    for file in python.requirement_files[:_MOST]:
        yield Sign(what="declared requirements", because=f"{prefix}{file}")
    for asked in asked_for(python.pyproject, folder.text)[:_MOST]:
        needs = [*asked.requirements, *(f"-r {file}" for file in asked.files)]
        needs += [*(f"extra {extra}" for extra in asked.extras), *(f"group {group}" for group in asked.groups)]
        kind = "tests need" if asked.tests else "checks need"
        yield Sign(what=f"{kind} {', '.join(needs)}", because=f"{prefix}{asked.source}")
    for tool in list(table(python.pyproject, "tool"))[:_MOST]:
        yield Sign(what=f"settings of {tool}", because=f"{prefix}pyproject.toml [tool.{tool}]")
    for section in sorted(python.ini_sections & _INI_TOOLS.keys()):
        yield Sign(what=f"settings of {_INI_TOOLS[section]}", because=f"setup.cfg or tox.ini [{section}]")
    yield from _tool_files(python.configuration_files)


def _node(node: NodeProject, folder: Folder) -> Iterator[Sign]:
    prefix = below(node.directory)
    package = f"{prefix}package.json"
    name = node.package.get("name")
    typed = folder.text("tsconfig.json") is not None or "typescript" in node.dependencies
    yield Sign(
        what=f"{'TypeScript' if typed else 'JavaScript'} project {name if isinstance(name, str) else ''}".rstrip(),
        because=package,
    )
    if node.workspace is not None:
        yield Sign(
            what=f"member of the {node.manager} workspace, whose lock it shares", because=f"{below(node.workspace)}package.json"
        )
    elif node.lock_file is not None:
        yield Sign(what=f"locked by {node.manager}", because=f"{prefix}{node.lock_file}")
    else:
        yield Sign(what=f"installed with {node.manager}; nothing is locked", because=package)
    pinned = node.package.get("packageManager")
    if isinstance(pinned, str):
        yield Sign(what=f"package manager {pinned.partition('+')[0]}", because=f"{package}, packageManager")
    if node.manager == "yarn" and folder.text(".pnp.cjs") is not None:
        yield Sign(what="Yarn Plug'n'Play; Forge installs a node_modules folder instead", because=f"{prefix}.pnp.cjs")
    for script, command in list(_strings(node.scripts).items())[:_MOST]:
        yield Sign(what=f'script "{script}": {command}', because=package)
    yield from _tool_files(node.configuration_files)


def _tool_files(names: frozenset[str]) -> Iterator[Sign]:
    for name in sorted(names):
        tool = next((tool for start, tool in _TOOL_FILES.items() if name.startswith(start)), None)
        if tool is not None:
            yield Sign(what=f"settings of {tool}", because=name)


def _strings(scripts: Mapping[str, object]) -> dict[str, str]:
    return {name: command for name, command in scripts.items() if isinstance(command, str)}


def _short(sign: Sign) -> Sign:
    return Sign(what=_cut(sign.what), because=_cut(sign.because))


def _cut(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= _TEXT else f"{plain[: _TEXT - 3]}..."
