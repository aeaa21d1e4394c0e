"""A git host that is a folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.repositories import TestRepository


class FolderHost:
    """What a workspace needs of a GitHost: a repository's address, the credentials and the tip of a branch."""

    def __init__(self, repository: TestRepository) -> None:
        self._repository = repository
        self.fetches = 0

    def git_url(self, repository: str) -> str:
        self.fetches += 1
        return str(self._repository.path)

    def git_environment(self) -> Mapping[str, str]:
        return {}

    def branch_head(self, repository: str, branch: str) -> str | None:
        try:
            return self._repository.git("rev-parse", "--verify", f"refs/heads/{branch}")
        except AssertionError:
            return None

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a checkout does not need {name}")


def host_of(path: Path) -> FolderHost:
    """The host of the repository at `path`."""
    return FolderHost(TestRepository(path))
