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


class PythonProject(_Value):
    """A Python project rooted at `directory` (relative; "" is the repository's root)."""

    directory: str = ""
    manager: str
    """uv, poetry, pdm or pip: who installs it."""
    pyproject: Mapping[str, Any] = Field(default_factory=dict)
    configuration_files: frozenset[str] = frozenset()
    """Names of tool configuration files that exist beside it: ruff.toml, mypy.ini, setup.cfg, tox.ini, pytest.ini ..."""
    ini_sections: frozenset[str] = frozenset()
    """Sections of setup.cfg and tox.ini, such as "flake8", "tool:pytest", "mypy"."""
    requirement_files: tuple[str, ...] = ()
    lock_file: str | None = None
    dependencies: frozenset[str] = frozenset()
    """Normalised names of every declared dependency: runtime, extras, groups, requirement files."""


class NodeProject(_Value):
    """A JavaScript or TypeScript project rooted at `directory`."""

    directory: str = ""
    manager: str
    """npm, pnpm or yarn."""
    package: Mapping[str, Any] = Field(default_factory=dict)
    """package.json."""
    configuration_files: frozenset[str] = frozenset()
    lock_file: str | None = None
    dependencies: frozenset[str] = frozenset()

    @property
    def scripts(self) -> Mapping[str, str]:
        """package.json's scripts."""
        scripts = self.package.get("scripts")
        return scripts if isinstance(scripts, dict) else {}


class Project(_Value):
    """A detected repository. `files` are the tracked (in a work tree also the untracked, not ignored) paths, sorted."""

    files: tuple[str, ...] = ()
    python: PythonProject | None = None
    node: NodeProject | None = None
    pre_commit_hooks: frozenset[str] = frozenset()
    """Ids of the hooks in .pre-commit-config.yaml, such as "ruff-format"."""

    @property
    def languages(self) -> tuple[Language, ...]:
        """Recognised languages, Python first."""
        pairs = ((Language.PYTHON, self.python), (Language.TYPESCRIPT, self.node))
        return tuple(language for language, found in pairs if found is not None)

    def files_ending(self, *suffixes: str) -> tuple[str, ...]:
        """The files with one of these endings, such as ".py"."""
        return tuple(path for path in self.files if path.endswith(suffixes))
