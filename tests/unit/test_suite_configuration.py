"""What decides how tests run: which files, and putting back what the base says."""

import json
import tomllib

import pytest

from forge_dagster.domain.project import Language
from forge_dagster.domain.suite_configuration import is_loaded, loaded_by, put_back, says_of_tests

PYTHON, SCRIPT = Language.PYTHON, Language.TYPESCRIPT

HEAD = """[project]
name = "shop"
dependencies = ["new"]

[tool.pytest.ini_options]
addopts = "-k nothing"

[tool.ruff]
line-length = 100
"""
BASE = '[project]\nname = "shop"\n\n[tool.pytest.ini_options]\naddopts = "-ra"\n'


def test_files_that_configure_tests() -> None:
    assert says_of_tests("tests/conftest.py", PYTHON)
    assert says_of_tests("web/vitest.config.mts", SCRIPT)
    assert says_of_tests("package.json", SCRIPT)
    assert not says_of_tests("package.json", PYTHON)
    assert not says_of_tests("src/price.ts", SCRIPT)


def test_only_what_pyproject_says_of_tests_is_put_back() -> None:
    made = tomllib.loads(put_back("pyproject.toml", BASE, HEAD) or "")
    assert made["project"]["dependencies"] == ["new"]
    assert made["tool"]["pytest"]["ini_options"]["addopts"] == "-ra"
    assert made["tool"]["ruff"] == {"line-length": 100}
    assert put_back("pyproject.toml", BASE, BASE + "\n[tool.black]\n") == BASE + "\n[tool.black]\n"
    assert "pytest" not in (put_back("pyproject.toml", None, HEAD) or "")


def test_what_cannot_be_taken_apart_is_refused() -> None:
    inline = '[tool]\npytest = { ini_options = { addopts = "-k no" } }\n'
    with pytest.raises(ValueError, match=r"twice|taken apart"):
        put_back("pyproject.toml", BASE, inline)
    with pytest.raises(ValueError, match="taken apart"):
        put_back("pyproject.toml", None, inline)


def test_scripts_and_runners_of_package_json_are_put_back() -> None:
    base = {"scripts": {"test": "jest"}, "jest": {"bail": 0}}
    head = {"scripts": {"test": "jest || true"}, "dependencies": {"left": "1"}}
    assert json.loads(put_back("package.json", json.dumps(base), json.dumps(head)) or "") == {
        "dependencies": {"left": "1"},
        **base,
    }
    text = json.dumps({**base, "version": "2"})
    assert put_back("package.json", json.dumps(base), text) == text


def test_ini_files_and_whole_files() -> None:
    assert put_back("setup.cfg", "[tool:pytest]\na = 1\n", "[metadata]\nname = x\n[tool:pytest]\na = 2\n") == (
        "[metadata]\nname = x\n[tool:pytest]\na = 1\n"
    )
    assert put_back("conftest.py", None, "x = 1\n") is None
    assert put_back("conftest.py", "y = 1\n", None) == "y = 1\n"


def test_what_is_loaded_before_the_tests() -> None:
    scripts = loaded_by(
        {
            "web/vitest.config.ts": 'export default { test: { setupFiles: ["./test/setup.ts"], globalSetup: "./g.mjs" } }',
            "package.json": '{"scripts": {"test": "mocha --require ./hooks.cjs"}, "jest": {"setupFiles": ["<rootDir>/s.js"]}}',
        },
        SCRIPT,
    )
    assert scripts >= {"web/test/setup", "web/g", "hooks", "s"}
    assert is_loaded("web/test/setup.ts", scripts, SCRIPT)
    assert not is_loaded("web/test/setup2.ts", scripts, SCRIPT)
    python = loaded_by(
        {"conftest.py": 'pytest_plugins = ["tests.plugins.web"]\n', "tox.ini": "addopts = -p shop.plugin"}, PYTHON
    )
    assert python == {"tests/plugins/web", "shop/plugin"}
    assert is_loaded("src/shop/plugin.py", python, PYTHON)
