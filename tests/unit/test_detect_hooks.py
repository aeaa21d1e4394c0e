"""Hooks of .pre-commit-config.yaml, and reading YAML that may be hostile."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.project import Hook
from forge_dagster.domain.yaml_text import read_yaml
from forge_dagster.errors import WorkspaceError
from forge_dagster.workspace.detect import detect
from forge_dagster.workspace.detect_files import Folder
from forge_dagster.workspace.detect_hooks import FILE, MAX_HOOKS, read_hooks

CONFIG = """
default_language_version: {python: python3}
exclude: ^vendor/
x-types: &types [types-requests==2.31, "types-PyYAML"]
repos:
  - repo: https://github.com/astral-sh/ruff-pre-commit
    rev: v0.11.0
    hooks:
      - id: ruff
        args: [--fix, --exit-non-zero-on-fix]
        exclude: tests/odd[.]py
        pass_filenames: false
      - {id: ruff-format}
  - repo: https://github.com/pre-commit/mirrors-mypy
    rev: 'v1.10'
    hooks:
      - id: mypy
        additional_dependencies: *types
  - repo: https://github.com/psf/black
    rev: 0123456789abcdef0123456789abcdef01234567  # frozen: 24.4.2
    hooks: [{id: black}]
  - repo: local
    hooks:
      - id: lint
        entry: make lint
        language: system
      - not a hook
"""


def hooks_of(root: Path, text: str) -> tuple[tuple[Hook, ...], list[str]]:
    (root / FILE).write_text(text, encoding="utf-8")
    hooks, signs = read_hooks(Folder(root, ""))
    return hooks, [sign.what for sign in signs]


def test_every_hook_with_what_it_is_pinned_to(tmp_path: Path) -> None:
    hooks, signs = hooks_of(tmp_path, CONFIG)
    assert [(hook.id, hook.rev) for hook in hooks] == [
        ("ruff", "v0.11.0"),
        ("ruff-format", "v0.11.0"),
        ("mypy", "v1.10"),
        ("black", "24.4.2"),
        ("lint", ""),
    ]
    assert hooks[0].args == ("--fix", "--exit-non-zero-on-fix")
    assert hooks[2].additional_dependencies == ("types-requests==2.31", "types-PyYAML")
    assert hooks[4].repository == "local"
    assert (hooks[0].exclude, hooks[0].names_files) == (("^vendor/", "tests/odd[.]py"), False)
    assert (hooks[1].exclude, hooks[1].files, hooks[1].names_files) == (("^vendor/",), (), True)
    assert signs[0] == "pre-commit hook ruff of astral-sh/ruff-pre-commit v0.11.0"


def test_a_project_has_its_hooks(tmp_path: Path) -> None:
    hooks_of(tmp_path, CONFIG)
    project = detect(tmp_path, (FILE, "a.py"))
    assert project.pre_commit_hooks == {"ruff", "ruff-format", "mypy", "black", "lint"}
    assert project.hooks[0].repository == "https://github.com/astral-sh/ruff-pre-commit"


def test_a_file_that_cannot_be_parsed_is_read_for_ids(tmp_path: Path) -> None:
    hooks, signs = hooks_of(tmp_path, "repos:\n  - repo: x\n    hooks:\n      - id: ruff\n   bad: [\n")
    assert hooks == (Hook(id="ruff"),)
    assert "only the ids of its hooks are known" in signs[0]


@pytest.mark.parametrize(
    "text", ["", "[]", "repos: 3", "repos: [3, {hooks: 3}, {hooks: [3, {id: [x]}]}]", "- id", "? [a]\n: b\n"]
)
def test_other_shapes_are_survived(tmp_path: Path, text: str) -> None:
    assert hooks_of(tmp_path, text)[0] == ()


def test_aliases_do_not_multiply(tmp_path: Path) -> None:
    text = "a: &h {id: x}\nb: &r\n  hooks: [" + "*h," * 900 + "]\nrepos: [" + "*r," * 900 + "]\n"
    hooks, signs = hooks_of(tmp_path, text)
    assert len(hooks) == MAX_HOOKS
    assert f"more than {MAX_HOOKS} hooks" in signs[-1]


def test_scalars_stay_as_they_are_written() -> None:
    assert read_yaml("a: 1.10\nb: no\nc: ~\nd: [1, 'x']\n", "f") == {"a": "1.10", "b": "no", "c": "~", "d": ["1", "x"]}
    assert read_yaml("", "f") is None
    assert read_yaml("a: 1\n---\nb: 2\n", "f") == {"a": "1"}


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "- " * 5_000 + "a",
        "{a: " * 1_500,
        "a" * 300_000,
        "*nowhere",
        "a: &x [*x]\nb: [" + "1," * 20_001 + "]",
        "a: b: c",
    ],
)
def test_hostile_yaml_is_refused_in_good_time(text: str) -> None:
    with pytest.raises(WorkspaceError, match="file name"):
        read_yaml(text, "file name")


@given(st.text(alphabet="ab:- \n[]{}&*!|>'\"#?,%@", max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    problem = "the file"
    try:
        read_yaml(text, "the file")
    except WorkspaceError as error:
        problem = error.message
    assert "the file" in problem
