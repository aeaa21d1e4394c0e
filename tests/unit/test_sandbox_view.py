"""What of a repository's git folder a sandbox sees, and which registries an installation may reach."""

from pathlib import Path

import pytest

from forge_dagster.ports import Command
from forge_dagster.workspace.sandbox import registries
from forge_dagster.workspace.sandbox import view as view_module
from forge_dagster.workspace.sandbox.view import View, view_of

CONFIG = """[core]
\trepositoryformatversion = 1
\thooksPath = /tmp/hooks
\tfsmonitor = touch owned
[extensions]
\tobjectFormat = sha256
[remote "origin"]
\turl = https://user:token@example.org/x.git
[filter "lfs"]
\tprocess = git-lfs filter-process
[credential]
\thelper = store
[http "https://example.org/"]
\textraheader = AUTHORIZATION: basic token
"""


def seen(folder: Path, **command: object) -> View:
    etc = folder / "etc"
    etc.mkdir(exist_ok=True)
    wanted = Command(argv=("true",), cwd=folder / "tree", **command)  # type: ignore[arg-type]
    return view_of(wanted, Path("/usr/bin/true"), {}, more=(), etc=etc)


def repository(folder: Path, config: str = CONFIG) -> Path:
    git = folder / "tree/.git"
    (git / "objects/info").mkdir(parents=True)
    (git / "config").write_text(config)
    return git


def test_git_is_read_only_and_its_configuration_harmless(tmp_path: Path) -> None:
    git = repository(tmp_path)
    view = seen(tmp_path)
    writable = {bind.target: bind.writable for bind in view.binds}
    assert writable[tmp_path / "tree"]
    assert not writable[git]
    text = view.texts[git / "config"].decode()
    assert "repositoryformatversion = 1" in text
    assert "objectformat = sha256" in text
    for word in ("token", "hooks", "owned", "lfs", "store"):
        assert word not in text


def test_a_configuration_that_cannot_be_read_shows_nothing(tmp_path: Path) -> None:
    git = repository(tmp_path, "token without a section\n[remote\n")
    assert b"token" not in seen(tmp_path).texts[git / "config"]


def test_alternates_are_shown_where_they_are_objects(tmp_path: Path) -> None:
    (tmp_path / "mirror/objects/pack").mkdir(parents=True)
    (tmp_path / "private").mkdir()
    git = repository(tmp_path)
    (git / "objects/info/alternates").write_text(f"{tmp_path}/mirror/objects\n{tmp_path}/private\n")
    targets = {bind.target for bind in seen(tmp_path).binds}
    assert tmp_path / "mirror/objects" in targets
    assert tmp_path / "private" not in targets


def test_parents_come_before_children_and_writing_wins(tmp_path: Path) -> None:
    for name in ("tree", "cache", "cache/own"):
        (tmp_path / name).mkdir()
    view = seen(tmp_path, reads=(tmp_path / "cache",), writes=(tmp_path / "cache/own", tmp_path / "absent"))
    shown = [(bind.target, bind.writable) for bind in view.binds]
    assert shown.index((tmp_path / "cache", False)) < shown.index((tmp_path / "cache/own", True))
    assert tmp_path / "absent" not in {target for target, _ in shown}


def test_the_root_folder_is_never_shown(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "link").symlink_to("/")
    view = seen(tmp_path, reads=(Path("/"),), writes=(tmp_path / "link",))
    assert Path("/") not in {bind.source for bind in view.binds}


def test_registries_are_those_of_this_machines_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registries, "_defaults", lambda: ("https://index.example.org/simple/",))
    monkeypatch.setattr(registries, "_FILES", (str(tmp_path / "pip.conf"), str(tmp_path / "absent")))
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://u:p@Own.example.org:8443/simple\nproxy = http://proxy.example.org\n"
    )
    variables = {
        "UV_INDEX": "named=http://uv.example.org/simple",
        "npm_config_registry": "https://npm.example.org/",
        "HTTPS_PROXY": "http://proxy.example.org:3128",
        "EVIL_REGISTRY": "https://evil.example.org",
    }
    assert registries.registry_hosts(variables, ("More.example.org", "plain.example.org:80", "")) == (
        "index.example.org:443", "more.example.org:443", "npm.example.org:443", "own.example.org:8443", "plain.example.org:80",
        "uv.example.org:80",
    )  # fmt: skip


def test_pip_names_its_own_index() -> None:
    assert len(list(registries._pip_default())) >= 2


@pytest.mark.parametrize("whole", [True, False], ids=["an installation", "a program alone"])
def test_the_node_of_the_path_is_shown_wherever_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, whole: bool
) -> None:
    program = tmp_path / "versions/v22/bin/node"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    if whole:
        (tmp_path / "versions/v22/lib/node_modules").mkdir(parents=True)
    link = tmp_path / "bin/node"
    link.parent.mkdir()
    link.symlink_to(program)
    monkeypatch.setenv("PATH", str(link.parent))
    view_module._forges_own.cache_clear()
    try:
        (tmp_path / "tree").mkdir()
        targets = {bind.target for bind in seen(tmp_path).binds}
    finally:
        view_module._forges_own.cache_clear()
    assert (tmp_path / "versions/v22" if whole else program) in targets
    assert link in targets


def test_the_users_home_is_no_installation_of_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    program = home / "bin/node"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (home / "lib/node_modules").mkdir(parents=True)
    (tmp_path / "lib/node_modules").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setenv("HOME", str(home))
    view_module._forges_own.cache_clear()
    try:
        (tmp_path / "tree").mkdir()
        targets = {bind.target for bind in seen(tmp_path).binds}
    finally:
        view_module._forges_own.cache_clear()
    assert program in targets
    assert not targets & {home, tmp_path}
