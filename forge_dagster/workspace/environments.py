"""Installed environments of repositories, one kind per language, each made once per digest and trust domain."""

from collections.abc import Callable, Mapping
from pathlib import Path

from forge_dagster.domain.project import Language, Project, PythonProject
from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Environment, Run
from forge_dagster.workspace.detect_python import python_project
from forge_dagster.workspace.node_environments import NodeEnvironments
from forge_dagster.workspace.python_environments import PythonEnvironments
from forge_dagster.workspace.python_plan import PythonPlan, has_tests, plan
from forge_dagster.workspace.toolbox import Toolbox


class LocalEnvironments:
    """Environments of one trust `domain` ("local": the user's own tree; "change"; "release") under `home`."""

    def __init__(self, home: Path, run: Run, *, domain: str = "local") -> None:
        self._python = PythonEnvironments(home, run, domain=domain)
        self._node = NodeEnvironments(home, run, domain=domain)
        self._toolbox = Toolbox(home, run, domain=domain)

    def of(self, language: Language, *, root: Path, project: Project, log: Callable[[str], None]) -> Environment:
        """The repository's own environment. Raises WorkspaceError when it cannot be installed."""
        root = root.resolve()
        if language is Language.PYTHON and project.python is not None:
            python, wanted, tests = _planned(project.python, root, project.files)
            return self._python.of(python, wanted, root=root, tests=tests, log=log)
        if language is Language.TYPESCRIPT and project.node is not None:
            return self._node.of(project.node, root=root, scripts=project.install_scripts, log=log)
        raise WorkspaceError(f"{root.name} holds no {language.value} project", hint="this gate does not apply")

    def toolbox(
        self,
        language: Language | None,
        package: str,
        *,
        log: Callable[[str], None],
        root: Path | None = None,  # noqa: ARG002
    ) -> Environment:
        """Forge's own pinned environment holding `package`. Raises WorkspaceError when it cannot be had."""
        return self._toolbox.environment(language, package, log=log)

    def pinned(
        self,
        language: Language,
        requirements: tuple[str, ...],
        *,
        log: Callable[[str], None],
        root: Path | None = None,  # noqa: ARG002
    ) -> Environment:
        """An environment of exactly these requirements, of no repository's. Raises WorkspaceError when it cannot be had."""
        if language is Language.PYTHON:
            return self._python.pinned(requirements, log=log)
        return self._node.pinned(requirements, log=log)

    def digest(self, language: Language, *, root: Path, project: Project) -> str | None:
        """Identifies the environment that `of` would give, installing nothing.

        Where a lock says all, that is known before it is installed; else None as long as it is not. Raises WorkspaceError for
        files that cannot be read.
        """
        root = root.resolve()
        if language is Language.PYTHON and project.python is not None:
            python, wanted, tests = _planned(project.python, root, project.files)
            return self._python.digest(python, wanted, root=root, tests=tests)
        if language is Language.TYPESCRIPT and project.node is not None:
            return self._node.digest(project.node, root=root, scripts=project.install_scripts)
        return None


class DomainEnvironments:
    """Chooses the trust domain by where the tree is: `domains` names the folder of each; elsewhere it is the user's own."""

    def __init__(self, home: Path, run: Run, *, domains: Mapping[str, Path]) -> None:
        self._folders = {name: folder.resolve() for name, folder in domains.items()}
        self._environments = {name: LocalEnvironments(home, run, domain=name) for name in (*domains, "local")}

    def of(self, language: Language, *, root: Path, project: Project, log: Callable[[str], None]) -> Environment:
        """As LocalEnvironments.of, in the domain of `root`."""
        return self._of(root).of(language, root=root, project=project, log=log)

    def toolbox(
        self, language: Language | None, package: str, *, log: Callable[[str], None], root: Path | None = None
    ) -> Environment:
        """As LocalEnvironments.toolbox, for what is run in the domain of `root`."""
        return self._of(root).toolbox(language, package, log=log)

    def pinned(
        self, language: Language, requirements: tuple[str, ...], *, log: Callable[[str], None], root: Path | None = None
    ) -> Environment:
        """As LocalEnvironments.pinned, for what is run in the domain of `root`."""
        return self._of(root).pinned(language, requirements, log=log)

    def digest(self, language: Language, *, root: Path, project: Project) -> str | None:
        """As LocalEnvironments.digest, in the domain of `root`."""
        return self._of(root).digest(language, root=root, project=project)

    def _of(self, root: Path | None) -> LocalEnvironments:
        if root is None:
            return self._environments["local"]
        place = root.resolve()
        domain = next((name for name, folder in self._folders.items() if place.is_relative_to(folder)), "local")
        return self._environments[domain]


def _planned(python: PythonProject, root: Path, files: tuple[str, ...]) -> tuple[PythonProject, PythonPlan, bool]:
    """The project whose environment it is (its workspace's, for a member of one), what to install, whether for tests."""
    if python.workspace is not None:
        try:
            there = {path.name for path in (root / python.workspace).iterdir()}
        except OSError as error:
            raise WorkspaceError(f"{root / python.workspace} cannot be read: {error}", hint="run it again") from error
        python = python_project(root, python.workspace, (), {python.workspace: there}, native_files=python.native_files)
    wanted = plan(python, root=root, files=files)
    return python, wanted, wanted.workspace or has_tests(files)
