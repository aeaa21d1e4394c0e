"""What a repository is made of, as read from its files (nothing is executed to find out)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Language(StrEnum):
    """Languages Forge has gates for. TYPESCRIPT stands for JavaScript too."""

    PYTHON = "python"
    TYPESCRIPT = "typescript"


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Task(_Value):
    """A command line that the repository's own task runner runs ("tox environment typing"), as it is written there."""

    source: str
    text: str


class PythonProject(_Value):
    """A Python project rooted at `directory` (relative; "" is the repository's root).

    `workspace`: folder of the workspace it is a member of, whose lock and environment it shares; None: it stands alone.
    """

    directory: str = ""
    workspace: str | None = None
    manager: str
    """uv, poetry, pdm or pip: who installs it."""
    pyproject: Mapping[str, Any] = Field(default_factory=dict)
    configuration_files: frozenset[str] = frozenset()
    """Names of tool configuration files that exist beside it: ruff.toml, mypy.ini, setup.cfg, tox.ini, pytest.ini ..."""
    ini_sections: frozenset[str] = frozenset()
    """Sections of setup.cfg and tox.ini, such as "flake8", "tool:pytest", "mypy"."""
    requirement_files: tuple[str, ...] = ()
    lock_file: str | None = None
    """Name of the lock beside it; a member of a workspace has none of its own."""
    dependencies: frozenset[str] = frozenset()
    """Normalised names of every declared dependency: runtime, extras, groups, requirement files, tox, nox and Hatch."""
    tasks: tuple[Task, ...] = ()
    """What tox, nox, Hatch, make and the like run."""
    native_files: tuple[str, ...] = ()
    """Sources that installing it (or its workspace) compiles, so that a change in one needs a new environment."""


class NodeProject(_Value):
    """A JavaScript or TypeScript project rooted at `directory`. `workspace` as for PythonProject."""

    directory: str = ""
    workspace: str | None = None
    manager: str
    """npm, pnpm, yarn or bun."""
    package: Mapping[str, Any] = Field(default_factory=dict)
    """package.json."""
    configuration_files: frozenset[str] = frozenset()
    lock_file: str | None = None
    dependencies: frozenset[str] = frozenset()
    forces_colours: bool = False
    """Whether the repository's workflows set FORCE_COLOR: its tests may compare what is printed in colours."""

    @property
    def scripts(self) -> Mapping[str, str]:
        """package.json's scripts."""
        scripts = self.package.get("scripts")
        return scripts if isinstance(scripts, dict) else {}


class Hook(_Value):
    """A hook of .pre-commit-config.yaml. `repository` is an address, "local" or "meta" ("" where it is not known), `rev` the
    tag that it is pinned to ("" for local hooks; for a commit with its tag in a comment, that tag).
    """

    id: str
    repository: str = ""
    rev: str = ""
    args: tuple[str, ...] = ()
    sets_args: bool = False
    """Whether the repository gives it `args` at all, be they none."""
    additional_dependencies: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    """Patterns of the files it is for, of which each must be found in a path, and none of those excluded."""
    names_files: bool = True
    """Whether it is given the files (`pass_filenames`)."""


class Sign(_Value):
    """Something that was detected, and the file that shows it: for `forge check --explain`."""

    what: str
    because: str


class Project(_Value):
    """A detected repository. `files` are the tracked (in a work tree also the untracked, not ignored) paths, sorted.

    `parts` are its further projects (members of a workspace, a front end beside a service): each with only its own `files`, its
    paths still from the repository's root, and no parts of its own.
    """

    files: tuple[str, ...] = ()
    python: PythonProject | None = None
    node: NodeProject | None = None
    pre_commit_hooks: frozenset[str] = frozenset()
    """Ids of the hooks in .pre-commit-config.yaml, such as "ruff-format"."""
    hooks: tuple[Hook, ...] = ()
    """The same hooks with what they are pinned to."""
    parts: tuple["Project", ...] = ()
    signs: tuple[Sign, ...] = ()
    """What was detected and why, in words."""
    install_scripts: bool = False
    """Whether the policy lets packages run their install scripts ([project] install_scripts in forge.toml)."""

    def allowing(self, install_scripts: bool) -> "Project":
        """The project, its parts included, under a policy that says this of install scripts."""
        if install_scripts == self.install_scripts:
            return self
        parts = tuple(part.allowing(install_scripts) for part in self.parts)
        return self.model_copy(update={"install_scripts": install_scripts, "parts": parts})

    @property
    def directory(self) -> str:
        """Folder of the (first) language's project; "" for the root."""
        found = self.python or self.node
        return found.directory if found is not None else ""

    @property
    def languages(self) -> tuple[Language, ...]:
        """Recognised languages, Python first."""
        pairs = ((Language.PYTHON, self.python), (Language.TYPESCRIPT, self.node))
        return tuple(language for language, found in pairs if found is not None)

    def files_ending(self, *suffixes: str) -> tuple[str, ...]:
        """The files with one of these endings, such as ".py"."""
        return tuple(path for path in self.files if path.endswith(suffixes))
