"""Installed environments of repositories, one kind per language, each made once per digest and trust domain."""

from collections.abc import Callable, Mapping
from pathlib import Path

from forge_dagster.domain.project import Language, Project
from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Environment, Run
from forge_dagster.workspace.node_environments import NodeEnvironments
from forge_dagster.workspace.python_environments import PythonEnvironments
from forge_dagster.workspace.python_plan import has_tests, plan
from forge_dagster.workspace.toolbox import Toolbox


class LocalEnvironments:
    """Environments of one trust `domain` ("local": the user's own tree; "change"; "release") under `home`."""

    def __init__(self, home: Path, run: Run, *, domain: str = "local") -> None:
        self._python = PythonEnvironments(home, run, domain=domain)
        self._node = NodeEnvironments(home, run, domain=domain)
        self._toolbox = Toolbox(home, run)

    def of(self, language: Language, *, root: Path, project: Project, log: Callable[[str], None]) -> Environment:
        """The repository's own environment. Raises WorkspaceError when it cannot be installed."""
        root = root.resolve()
        if language is Language.PYTHON and project.python is not None:
            wanted = plan(project.python, root=root, files=project.files)
            return self._python.of(project.python, wanted, root=root, tests=has_tests(project.files), log=log)
        if language is Language.TYPESCRIPT and project.node is not None:
            return self._node.of(project.node, root=root, log=log)
        raise WorkspaceError(f"{root.name} holds no {language.value} project", hint="this gate does not apply")

    def toolbox(self, language: Language | None, package: str, *, log: Callable[[str], None]) -> Environment:
        """Forge's own pinned environment holding `package`. Raises WorkspaceError when it cannot be had."""
        return self._toolbox.environment(language, package, log=log)


class DomainEnvironments:
    """Chooses the trust domain by where the tree is: `domains` names the folder of each; elsewhere it is the user's own."""

    def __init__(self, home: Path, run: Run, *, domains: Mapping[str, Path]) -> None:
        self._folders = {name: folder.resolve() for name, folder in domains.items()}
        self._environments = {name: LocalEnvironments(home, run, domain=name) for name in (*domains, "local")}

    def of(self, language: Language, *, root: Path, project: Project, log: Callable[[str], None]) -> Environment:
        """As LocalEnvironments.of, in the domain of `root`."""
        place = root.resolve()
        domain = next((name for name, folder in self._folders.items() if place.is_relative_to(folder)), "local")
        return self._environments[domain].of(language, root=root, project=project, log=log)

    def toolbox(self, language: Language | None, package: str, *, log: Callable[[str], None]) -> Environment:
        """As LocalEnvironments.toolbox."""
        return self._environments["local"].toolbox(language, package, log=log)
