"""What a project's build left is added to an environment, and changes nothing that is there."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from forge_dagster.errors import WorkspaceError
from forge_dagster.workspace.python_overlays import add_built

PACKAGES = "lib/python3.11/site-packages"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    return write(
        tmp_path / "built",
        {
            f"{PACKAGES}/shop.pth": "/tree\n",
            f"{PACKAGES}/shop-1.dist-info/METADATA": "",
            "bin/shop": "#!/builder/bin/python\nprint(1)\n",
            ".lock": "",
        },
    )


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """An environment of which each file is a link."""
    shared = write(tmp_path / "shared", {f"{PACKAGES}/other.py": "good = True\n", "bin/other": "", "pyvenv.cfg": ""})
    for path in [path for path in shared.rglob("*") if path.is_file()]:
        place = tmp_path / "target" / path.relative_to(shared)
        place.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, place)
    return tmp_path / "target"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def listed(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir() or path.is_symlink()}


def test_new_files_come_to_their_places(built: Path, target: Path) -> None:
    before = listed(target)
    add_built(built, target, python=Path("/builder/bin/python"))
    assert listed(target) - before == {f"{PACKAGES}/shop.pth", f"{PACKAGES}/shop-1.dist-info/METADATA", "bin/shop"}
    assert (target / "bin/shop").read_text() == f"#!{target}/bin/python\nprint(1)\n"
    assert os.access(target / "bin/shop", os.X_OK)
    assert not os.access(target / PACKAGES / "shop.pth", os.X_OK)


def test_a_file_that_is_linked_elsewhere_is_copied(built: Path, target: Path, tmp_path: Path) -> None:
    os.link(built / PACKAGES / "shop.pth", tmp_path / "mine")
    add_built(built, target, python=Path("/builder/bin/python"))
    assert (target / PACKAGES / "shop.pth").stat().st_nlink == 1


def _names_a_package(built: Path) -> None:
    write(built, {f"{PACKAGES}/other.py": "poisoned = True\n"})


def _names_a_program(built: Path) -> None:
    write(built, {"bin/other": "poisoned"})


def _settings(built: Path) -> None:
    write(built, {"pyvenv.cfg": "home = /root/bin\n"})


def _note(built: Path) -> None:
    write(built, {"forge-root": "/root\n"})


def _link(built: Path) -> None:
    (built / PACKAGES / "secret.py").symlink_to("/etc/shadow")


def _link_of_a_folder(built: Path) -> None:
    (built / PACKAGES / "secrets").symlink_to("/etc")


def _pipe(built: Path) -> None:
    os.mkfifo(built / PACKAGES / "pipe")


def _many(built: Path) -> None:
    write(built, {f"{PACKAGES}/shop/m{number}.py": "" for number in range(600)})


def _large(built: Path) -> None:
    write(built, {f"{PACKAGES}/large.py": "#" * (2 * 1024 * 1024)})


def _below_a_program(built: Path) -> None:
    write(built, {"bin/folder/x": ""})


@pytest.mark.parametrize(
    "evil",
    [
        _names_a_package,
        _names_a_program,
        _settings,
        _note,
        _link,
        _link_of_a_folder,
        _pipe,
        _many,
        _large,
        _below_a_program,
    ],
)
def test_what_no_project_brings_is_refused_before_anything_is_copied(
    built: Path, target: Path, evil: Callable[[Path], None]
) -> None:
    before = listed(target)
    evil(built)
    with pytest.raises(WorkspaceError):
        add_built(built, target, python=Path("/builder/bin/python"))
    assert listed(target) == before
    assert (target / PACKAGES / "other.py").read_text() == "good = True\n"
