"""Public repositories that nobody here wrote, cloned when a test asks for them; nothing of them is kept in this one."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

VARIABLE = "FORGE_REAL_REPOSITORIES"
"""Folder with `<owner>+<name>/repo` or `<owner>/<name>.git`, for machines that do not reach github.com."""
_LIMIT_S = 120.0
_IDENTITY = ("-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")


@dataclass(frozen=True, kw_only=True)
class Clone:
    """A clone with a work tree."""

    path: Path

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *_IDENTITY, *arguments], cwd=self.path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def at(self, commit: str) -> str:
        """Check the commit out as branch `main`, alone; its full id."""
        self.git("checkout", "--quiet", "--force", "-B", "main", commit)
        self.git("clean", "-fdxq")
        return self.git("rev-parse", "HEAD")

    def tests_of(self, commit: str, *paths: str) -> tuple[str, str]:
        """The tests of `commit` on the source of its parent, as a commit: (base, head)."""
        base = self.at(f"{commit}~1")
        self.git("checkout", "--quiet", commit, "--", *paths)
        self.git("commit", "--quiet", "--message", "test: what is not built yet")
        return base, self.git("rev-parse", "HEAD")


def clone(repository: str, folder: Path) -> Clone:
    """A clone of `owner/name`; skips the test where the repository is not to be had."""
    target = folder / repository.rpartition("/")[2]
    said = ""
    for source in _sources(repository):
        environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
        command = ["git", "clone", "--quiet", "--no-tags", source, str(target)]
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            said = f"no answer within {_LIMIT_S:.0f} s"
            continue
        if done.returncode == 0:
            found = Clone(path=target)
            # no remote branch may pass for a base that nobody named
            found.git("remote", "remove", "origin")
            return found
        said = done.stderr.strip()
    pytest.skip(f"{repository} is not to be had here ({said}); point {VARIABLE} at a folder with clones")


def _sources(repository: str) -> list[str]:
    named = os.environ.get(VARIABLE)
    owner, _, name = repository.partition("/")
    local = [Path(named) / f"{owner}+{name}" / "repo", Path(named) / owner / f"{name}.git"] if named else []
    return [*(str(path) for path in local if path.is_dir()), f"https://github.com/{repository}.git"]
