"""What is said of an installation that failed, and what is not installed since code would run."""

from pathlib import Path

import pytest

from forge_dagster.domain.project import NodeProject
from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Command, ProcessResult
from forge_dagster.workspace.node_installer import Installer, _failure

PNPM = b"""\
 WARN  Unsupported engine: wanted: {"node":"^22"} (current: {"node":"v20.20.2","pnpm":"10.34.9"})
Lockfile is up to date, resolution step is skipped
Progress: resolved 1, reused 0, downloaded 0, added 0
Packages: +119
++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++
""" + b"".join(b"Progress: resolved 119, reused 0, downloaded %d, added 5\n" % number for number in range(20))


def said(stdout: bytes, stderr: bytes = b"") -> str:
    result = ProcessResult(exit_code=1, ended="exited", stdout=stdout, stderr=stderr, duration_s=1.0)
    return _failure(result, ("/x/pnpm", "install"), "pnpm-lock.yaml of the project").message


def test_the_complaint_is_shown_and_not_how_far_it_came() -> None:
    message = said(
        PNPM + b" ERR_PNPM_FETCH_404\xe2\x80\x89 GET https://packages.example/a-1.0.0.tgz: Not Found - 404\nNo authorization\n"
    )
    assert "GET https://packages.example/a-1.0.0.tgz: Not Found" in message
    assert "Progress" not in message


def test_npm_says_at_first_what_is_wrong() -> None:
    message = said(
        b"", b"npm error code E404\nnpm error 404 Not Found\nnpm error A complete log of this run can be found in: /x\n"
    )
    assert message.endswith("npm error code E404\nnpm error 404 Not Found")


def test_without_any_complaint_what_there_is_is_shown() -> None:
    assert "Lockfile is up to date" in said(PNPM)


@pytest.mark.parametrize(
    "said",
    [
        'error semantic-release@25.0.3: The engine "node" is incompatible with this module. Expected version "^22.14.0".',
        "Error [ERR_UNKNOWN_BUILTIN_MODULE]: No such built-in module: node:sqlite",
        "npm error code EBADENGINE",
    ],
    ids=["yarn", "pnpm", "npm"],
)
def test_another_node_than_is_needed_is_what_to_install(said: str) -> None:
    result = ProcessResult(ended="exited", exit_code=1, stderr=said.encode())
    error = _failure(result, ("yarn", "install"), "yarn.lock of the project")
    assert said in error.message
    assert error.hint is not None
    assert "Node.js that the project" in error.hint


class NoRun:
    """Nothing may be started."""

    def run(self, command: Command, **_: object) -> ProcessResult:
        raise AssertionError(command.argv)


SCANNER = "[install.security]\nscanner = 'x'\n"


@pytest.mark.parametrize("kind", ["named", "behind a link", "far down", "not to be read"])
@pytest.mark.parametrize(
    ("manager", "name", "text"), [("bun", "bunfig.toml", SCANNER), ("yarn", ".yarnrc.yml", "plugins:\n  - ./evil.cjs\n")]
)
def test_what_a_manager_would_load_is_refused_however_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manager: str, name: str, text: str, kind: str
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    if kind == "behind a link":
        (tmp_path / "elsewhere").write_text(text)
        (project / name).symlink_to(tmp_path / "elsewhere")
    elif kind == "not to be read":
        (project / name).mkdir()
    else:
        (project / name).write_text(text if kind == "named" else "# far\n" * 50_000 + text)
    run = NoRun()
    installer = Installer(tmp_path, run, domain="change")  # type: ignore[arg-type]
    monkeypatch.setattr(installer, "_manager", lambda *_: tmp_path / "program")
    package = {"packageManager": "yarn@4.9.1"} if manager == "yarn" else {}
    node = NodeProject(manager=manager, package=package)
    with pytest.raises(WorkspaceError, match="run code") as caught:
        installer.install(node, project, what="it", log=lambda _: None)
    assert "install_scripts" in caught.value.hint


@pytest.mark.parametrize("settings", [None, "[install]\nregistry = 'https://registry.example'\n"])
def test_bun_without_a_scanner_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str | None) -> None:
    if settings is not None:
        (tmp_path / "bunfig.toml").write_text(settings)
    installer = Installer(tmp_path, NoRun(), domain="change")  # type: ignore[arg-type]
    monkeypatch.setattr(installer, "_manager", lambda *_: tmp_path / "a/b/c/bun")
    with pytest.raises(AssertionError, match="copyfile"):
        installer.install(NodeProject(manager="bun"), tmp_path, what="it", log=lambda _: None)
