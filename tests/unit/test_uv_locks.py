"""Which locks say everything about what is installed, so that environments of it can be shared."""

from pathlib import Path

import pytest

from forge_dagster.workspace.uv_locks import locked_project

HASH = "sha256:" + "0" * 64
WHEEL = f'{{ url = "https://files.example/iniconfig-2.0.0-py3-none-any.whl", hash = "{HASH}" }}'
PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "Shop"
version = "1"
"""


def lock(
    *, source: str = '{ registry = "https://pypi.org/simple" }', wheels: str = WHEEL, own: str = '{ editable = "." }'
) -> str:
    return (
        "version = 1\n"
        f'[[package]]\nname = "iniconfig"\nversion = "2.0.0"\nsource = {source}\nwheels = [{wheels}]\n'
        f'[[package]]\nname = "Shop"\nversion = "1"\nsource = {own}\n'
    )


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def test_what_is_pinned_and_what_is_built(tmp_path: Path) -> None:
    root = write(tmp_path, {"uv.lock": lock(), "pyproject.toml": PYPROJECT})
    found = locked_project(root)
    assert found is not None
    assert found.in_place == (".",)
    assert found.names == {"shop"}
    assert found.packages == {("iniconfig", "2.0.0")}
    assert found.build_requirements == ("editables~=0.3", "hatchling"), "hatchling asks for editables by code"
    assert found.files == {"uv.lock": lock().encode(), "pyproject.toml": PYPROJECT.encode()}


@pytest.mark.parametrize(
    "text",
    [
        lock(source='{ git = "https://example.org/x" }'),
        lock(source='{ url = "https://files.example/iniconfig-2.0.0-py3-none-any.whl" }'),
        lock(source='{ path = "iniconfig-2.0.0-py3-none-any.whl" }'),
        lock(source='{ directory = "iniconfig" }'),
        lock(source='{ registry = "wheels" }'),
        lock(source='{ registry = "https://pypi.org/simple", editable = "." }'),
        lock(source="1"),
        lock(wheels=""),
        lock(wheels='{ url = "https://files.example/iniconfig-2.0.0-py3-none-any.whl" }'),
        lock(wheels=f'{{ path = "iniconfig-2.0.0-py3-none-any.whl", hash = "{HASH}" }}'),
        lock(wheels='{ url = "https://files.example/x.whl", hash = "md5:00" }'),
        lock(wheels=f"{WHEEL}, {{ }}"),
        lock(own='{ editable = "../shop" }'),
        lock(own='{ editable = "/shop" }'),
        lock(own='{ virtual = "member" }'),
        "package = [1]\n",
        "package = 1\n",
        "version = 1\n",
        "[",
    ],
)
def test_a_lock_that_leaves_something_open_is_nobody_elses(tmp_path: Path, text: str) -> None:
    assert locked_project(write(tmp_path, {"uv.lock": text, "pyproject.toml": PYPROJECT})) is None


def test_a_lock_of_bytes_that_are_no_text(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": PYPROJECT})
    (tmp_path / "uv.lock").write_bytes(b"\xff\xfe")
    assert locked_project(tmp_path) is None


@pytest.mark.parametrize("place", ["uv.toml", "../uv.toml", "../pyproject.toml"])
def test_settings_from_elsewhere_have_a_say(tmp_path: Path, place: str) -> None:
    root = write(tmp_path / "x", {"uv.lock": lock(), "pyproject.toml": PYPROJECT})
    assert locked_project(root) is not None
    write(root, {place: ""})
    assert locked_project(root) is None


def test_files_from_outside_of_the_project_are_not_read(tmp_path: Path) -> None:
    root = write(tmp_path / "x", {"uv.lock": lock()})
    write(tmp_path / "elsewhere", {"pyproject.toml": PYPROJECT})
    (root / "pyproject.toml").symlink_to(tmp_path / "elsewhere/pyproject.toml")
    assert locked_project(root) is None


def test_members_of_a_workspace_have_a_say_and_are_built_too(tmp_path: Path) -> None:
    member = '[[package]]\nname = "one"\nversion = "1"\nsource = { editable = "libs/one" }\n'
    files = {
        "uv.lock": lock(own='{ virtual = "." }') + member,
        "pyproject.toml": "[project]\nname = 'shop'\n",
        "libs/one/pyproject.toml": "[build-system]\nrequires = ['flit_core']\n[project]\nname = 'one'\n",
    }
    first = locked_project(write(tmp_path / "first", files))
    assert first is not None
    assert first.in_place == ("libs/one",)
    assert first.names == {"shop", "one"}
    assert first.build_requirements == ("flit_core",)
    other = files["libs/one/pyproject.toml"] + "dependencies = ['iniconfig']\n"
    second = locked_project(write(tmp_path / "second", {**files, "libs/one/pyproject.toml": other}))
    assert second is not None
    assert second.settings != first.settings
    del files["libs/one/pyproject.toml"]
    assert locked_project(write(tmp_path / "third", files)) is None


def test_tools_settings_have_no_say_and_uvs_have(tmp_path: Path) -> None:
    texts = [PYPROJECT, PYPROJECT + "[tool.ruff]\nline-length = 9\n", PYPROJECT + "[tool.uv]\nno-binary = true\n"]
    found = [
        locked_project(write(tmp_path / str(number), {"uv.lock": lock(), "pyproject.toml": text}))
        for number, text in enumerate(texts)
    ]
    plain, ruff, uv = [each.settings for each in found if each is not None]
    assert plain == ruff != uv


@pytest.mark.parametrize(
    "system",
    [
        "[build-system]\nrequires = ['evil @ https://example.org/evil.whl']\n",
        "[build-system]\nrequires = ['./evil']\n",
        "[build-system]\nrequires = [1]\n",
        "[build-system]\nrequires = 'hatchling'\n",
        "[tool.uv]\nbuild-constraint-dependencies = ['hatchling<1']\n",
        "[tool.uv.extra-build-dependencies]\nshop = ['x']\n",
    ],
)
def test_what_cannot_be_built_with_packages_of_the_index(tmp_path: Path, system: str) -> None:
    files = {"uv.lock": lock(), "pyproject.toml": f"[project]\nname = 'shop'\n{system}"}
    found = locked_project(write(tmp_path, files))
    assert found is not None
    assert found.build_requirements is None


def test_a_project_that_does_not_say_what_builds_it(tmp_path: Path) -> None:
    found = locked_project(write(tmp_path, {"uv.lock": lock(), "pyproject.toml": "[project]\nname = 'shop'\n"}))
    assert found is not None
    assert found.build_requirements == ("setuptools>=40.8.0",)
