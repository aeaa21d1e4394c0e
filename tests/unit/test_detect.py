"""What a repository is made of, read from its files."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forge_dagster.domain.project import Project
from forge_dagster.errors import WorkspaceError
from forge_dagster.workspace.detect import detect, existing, walk
from forge_dagster.workspace.python_plan import has_tests, locked_versions, plan
from forge_dagster.workspace.requirements import poetry_requirement, requirement_lines, requirement_name


def project_of(root: Path, files: dict[str, str]) -> Project:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return detect(root, existing(root, walk(root)))


def test_uv_project_with_groups_and_extras(tmp_path: Path) -> None:
    project = project_of(
        tmp_path,
        {
            "pyproject.toml": """
                [project]
                name = "x"
                dependencies = ["Click>=8", "typing_extensions ; python_version < '3.11'"]
                [project.optional-dependencies]
                test = ["pytest[x]>=8"]
                [dependency-groups]
                lint = ["ruff"]
                dev = [{include-group = "lint"}, "mypy"]
                [tool.ruff]
                line-length = 99
            """,
            "uv.lock": "",
            "setup.cfg": "[flake8]\nmax-line-length = 3\n[tool:pytest]\n",
            "tox.ini": "[testenv]\ndeps = pytest\nbroken line without section end\n[mypy]\n",
            "src/x.py": "",
        },
    )
    python = project.python
    assert python is not None
    assert (python.manager, python.lock_file, python.directory) == ("uv", "uv.lock", "")
    assert python.dependencies == {"click", "typing-extensions", "pytest", "ruff", "mypy"}
    assert python.ini_sections == {"flake8", "tool:pytest", "testenv", "mypy"}
    assert {"setup.cfg", "tox.ini", "pyproject.toml"} <= python.configuration_files
    assert python.pyproject["tool"]["ruff"] == {"line-length": 99}
    assert project.node is None


@pytest.mark.parametrize(
    ("files", "manager"),
    [
        ({"pyproject.toml": "[tool.poetry]\nname='x'\n"}, "poetry"),
        ({"pyproject.toml": "[project]\nname='x'\n", "pdm.lock": ""}, "pdm"),
        ({"pyproject.toml": "[project]\nname='x'\n[tool.uv]\n"}, "uv"),
        ({"setup.py": "from setuptools import setup\nsetup(name='x')\n"}, "pip"),
        ({"requirements.txt": "flask\n"}, "pip"),
        ({"script.py": ""}, "pip"),
    ],
)
def test_python_managers(tmp_path: Path, files: dict[str, str], manager: str) -> None:
    python = project_of(tmp_path, files).python
    assert python is not None
    assert python.manager == manager


@pytest.mark.parametrize(
    ("lock", "package", "manager"),
    [
        ("package-lock.json", {}, "npm"),
        ("pnpm-lock.yaml", {}, "pnpm"),
        ("yarn.lock", {}, "yarn"),
        ("bun.lock", {}, "bun"),
        (None, {"packageManager": "pnpm@9.1.0"}, "pnpm"),
        (None, {"packageManager": "bun@1.2.0"}, "bun"),
        (None, {}, "npm"),
    ],
)
def test_node_managers(tmp_path: Path, lock: str | None, package: dict[str, str], manager: str) -> None:
    import json

    files = {"package.json": json.dumps({**package, "devDependencies": {"vitest": "4"}, "scripts": {"test": "vitest"}})}
    project = project_of(tmp_path, files | ({lock: ""} if lock else {}))
    assert project.node is not None
    assert (project.node.manager, project.node.lock_file) == (manager, lock)
    assert project.node.dependencies == {"vitest"}
    assert project.node.scripts == {"test": "vitest"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("env:\n  FORCE_COLOR: true\n", True),
        ("        env:\n          FORCE_COLOR: '1'\n", True),
        ("env:\n  FORCE_COLOR: 0\n", False),
        ("# FORCE_COLOR: 1\n", False),
        ("", False),
    ],
)
def test_workflows_that_force_colours(tmp_path: Path, text: str, expected: bool) -> None:
    project = project_of(tmp_path, {"web/package.json": "{}", "web/a.ts": "", ".github/workflows/ci.yml": text})
    assert project.node is not None
    assert project.node.forces_colours is expected


def test_projects_in_sub_directories(tmp_path: Path) -> None:
    project = project_of(
        tmp_path,
        {
            "backend/requirements.txt": "flask\n",
            "backend/app.py": "",
            "frontend/package.json": "{}",
            "docs/package.json": "{}",
            "README.md": "",
        },
    )
    assert project.python is not None
    assert project.node is not None
    assert (project.python.directory, project.node.directory) == ("backend", "frontend")
    assert project.python.requirement_files == ("requirements.txt",)


def test_the_root_wins_and_side_projects_do_not_count(tmp_path: Path) -> None:
    project = project_of(
        tmp_path, {"pyproject.toml": "", "a.py": "", "examples/web/package.json": "{}", "docs/package.json": "{}"}
    )
    assert project.python is not None
    assert project.python.directory == ""
    assert project.node is None


def test_a_lone_example_is_taken(tmp_path: Path) -> None:
    project = project_of(
        tmp_path, {"examples/web/package.json": "{}", "examples/web/a.ts": "", "examples/api/package.json": "{}"}
    )
    assert project.node is not None
    assert project.node.directory == "examples/web"


def test_nothing_recognised(tmp_path: Path) -> None:
    assert project_of(tmp_path, {"README.md": "", "main.go": ""}).languages == ()


@pytest.mark.parametrize(("name", "text"), [("pyproject.toml", "[project\n"), ("package.json", "{"), ("package.json", "[]")])
def test_a_broken_manifest_is_named(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(WorkspaceError, match=name):
        project_of(tmp_path, {"sub/" + name: text})


@settings(max_examples=60)
@given(
    st.sampled_from(["pyproject.toml", "package.json", "setup.cfg", "tox.ini", "setup.py", "requirements.txt"]),
    st.binary(max_size=200),
)
def test_hostile_content_never_crashes(name: str, content: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / name).write_bytes(content)
        project = _detected(root, name)
        if project is not None and project.python is not None:
            plan(project.python, root=root, files=project.files)


def _detected(root: Path, name: str) -> Project | None:
    """None where the file is refused, by its name."""
    problem = ""
    try:
        return detect(root, (name,))
    except WorkspaceError as error:
        problem = error.message
    assert name in problem
    return None


@pytest.mark.parametrize("value", ["3", '{"a" = 1}', "[1, {}]", '"x"'])
def test_tables_of_the_wrong_type_are_survived(tmp_path: Path, value: str) -> None:
    value = value.replace('{"a" = 1}', "{a = 1}")
    text = "\n".join(
        (
            f"dependency-groups = {value}",
            f"[project]\ndependencies = {value}\noptional-dependencies = {value}\nrequires-python = {value}",
            f"[tool]\nuv = {value}\npdm = {value}\nhatch = {value}",
            f"[tool.poetry]\ndependencies = {value}\ngroup = {value}\nextras = {value}",
        )
    )
    project = project_of(tmp_path, {"pyproject.toml": text})
    assert project.python is not None
    plan(project.python, root=tmp_path, files=project.files)


def test_links_out_of_the_tree_are_left_out(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("s")
    root = tmp_path / "root"
    (root / "real").mkdir(parents=True)
    (root / "real/a.py").write_text("")
    (root / "inner.py").symlink_to("real/a.py")
    (root / "leak").symlink_to(outside / "secret")
    (root / "dangling").symlink_to("nowhere")
    (root / "loop").symlink_to("loop")
    assert existing(root, [b"real/a.py", b"inner.py", b"leak", b"dangling", b"loop", b"real", b"absent"]) == (
        "inner.py",
        "real/a.py",
    )


def test_a_manifest_that_is_a_link_out_of_the_tree_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "outside.json").write_text('{"name": "secret"}')
    root = tmp_path / "root"
    root.mkdir()
    (root / "package.json").symlink_to("../outside.json")
    project = detect(root, ("package.json",))
    assert project.node is not None
    assert project.node.package == {}


def test_requirement_files_are_followed_within_the_tree_only() -> None:
    files = {
        "requirements/dev.txt": "-r base.txt\n--requirement=../../outside.txt\nPyTest >= 8 # comment\n-e .\n--index-url x\n",
        "requirements/base.txt": "-r dev.txt\nFoo.Bar[extra]==1 \\\n  --hash=sha256:00\n",
        "outside.txt": "evil\n",
    }
    lines = requirement_lines("requirements/dev.txt", files.get)
    assert [requirement_name(line) for line in lines] == ["pytest", "foo-bar"]


@pytest.mark.parametrize(
    ("value", "requirement"),
    [
        ("^1.2.3", "a>=1.2.3,<2"),
        ("^0.2.3", "a>=0.2.3,<0.3"),
        ("^0.0.3", "a>=0.0.3,<0.0.4"),
        ("~1.2.3", "a>=1.2.3,<1.3"),
        ("~1", "a>=1,<2"),
        ("1.2.*", "a==1.2.*"),
        ("*", "a"),
        (">=1,<3", "a>=1,<3"),
        ({"version": "^2", "extras": ["x"]}, "a[x]>=2,<3"),
        ({"git": "https://example.org"}, None),
        ("--index-url x", None),
    ],
)
def test_poetry_constraints(value: object, requirement: str | None) -> None:
    assert poetry_requirement("a", value) == requirement


def test_plan_of_a_poetry_project_pins_what_its_lock_pins(tmp_path: Path) -> None:
    project = project_of(
        tmp_path,
        {
            "pyproject.toml": """
                [tool.poetry]
                name = "mine"
                [tool.poetry.dependencies]
                python = "^3.11"
                click = "^8"
                [tool.poetry.group.dev.dependencies]
                pytest = "^8.0"
                [tool.poetry.group.docs.dependencies]
                sphinx = "*"
            """,
            "poetry.lock": "".join(
                f'[[package]]\nname="{name}"\nversion="{version}"\n'
                for name, version in (("pytest", "8.1.1"), ("x", "1"), ("x", "2"))
            ),
        },
    )
    assert project.python is not None
    found = plan(project.python, root=tmp_path, files=project.files)
    assert found.requirements == ("pytest>=8.0,<9",)
    assert found.wide_requirements == ("sphinx",)
    assert locked_versions(project.python, tmp_path) == ("pytest==8.1.1",)
    assert found.requires_python == ">=3.11,<4"


def test_digest_changes_with_what_is_installed_and_not_with_tool_settings(tmp_path: Path) -> None:
    def digest(text: str) -> str:
        project = project_of(tmp_path, {"pyproject.toml": text})
        assert project.python is not None
        return plan(project.python, root=tmp_path, files=project.files).digest

    start = "[project]\nname='x'\ndependencies=['a']\n"
    assert digest(start) == digest(start + "[tool.ruff]\nline-length=99\n")
    assert digest(start) != digest(start.replace("'a'", "'a','b'"))
    assert digest(start) != digest(start + "[dependency-groups]\ndev=['c']\n")


def test_what_tox_installs_is_installed(tmp_path: Path) -> None:
    files = {
        "setup.py": "from setuptools import setup\nsetup(name='x')\n",
        "tox.ini": "[testenv]\ndeps =\n  pytest\n  py27: mock\n  {env:X}\n",
    }
    project = project_of(tmp_path, files)
    assert project.python is not None
    found = plan(project.python, root=tmp_path, files=project.files)
    assert found.test_requirements == ("pytest",)
    assert project.python.dependencies == {"pytest"}
    assert found.editable


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("tests/test_a.py", True),
        ("a_test.py", True),
        ("src/tests/unit/case.py", True),
        ("src/attest.py", False),
        ("tests/data.txt", False),
    ],
)
def test_what_looks_like_a_test(path: str, expected: bool) -> None:
    assert has_tests([path]) is expected


def test_a_setup_cfg_with_a_key_and_no_value_declares_nothing(tmp_path: Path) -> None:
    (tmp_path / "setup.cfg").write_text("[options]\ninstall_requires\n[options.extras_require]\ndev\n")
    python = detect(tmp_path, ["setup.cfg"]).python
    assert python is not None
    assert python.dependencies == frozenset()


def test_a_setup_cfg_that_python_itself_fails_on_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "setup.cfg").write_text("[options]\ninstall_requires\n  a>=1\n[flake8]\nmax-line-length = 99\n")
    python = detect(tmp_path, ["setup.cfg"]).python
    assert python is not None
    assert (python.dependencies, "flake8" in python.ini_sections) == (frozenset(), True)
