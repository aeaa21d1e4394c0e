"""Trees of a commit on disk that share objects with another repository and can change nothing there."""

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from forge_dagster import registry
from forge_dagster.domain.policy import POLICY_FILE, Policy, parse_policy
from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Run
from forge_dagster.workspace.git import GitRepository
from forge_dagster.workspace.git_names import checked_sha

_CONFIGURATION = "[core]\n\trepositoryformatversion = {version}\n\tbare = false\n\tlogallrefupdates = false\n"
_SHA256 = "[extensions]\n\tobjectformat = sha256\n"
_ATTRIBUTES = "* !diff\n"
"""Overrides what the tree's own .gitattributes say (gitattributes(5), precedence), so that nothing hides from the diff."""


def make_tree(
    target: Path, *, sha: str, objects: Path, run: Run, tags: bytes = b"", shallow: Path | None = None
) -> GitRepository:
    """Write the tree of commit `sha` into the new folder `target`, as a repository that borrows `objects` read-only.

    `tags` are lines "<sha> <ref>", by which many a project knows its version; `shallow` is the lender's list of commits without
    parents. Raises WorkspaceError.
    """
    git = target / ".git"
    try:
        for folder in ("objects/info", "refs/heads", "info"):
            (git / folder).mkdir(parents=True)
        (git / "HEAD").write_text(checked_sha(sha) + "\n")
        long = len(sha) == 64
        (git / "config").write_text(_CONFIGURATION.format(version=int(long)) + (_SHA256 if long else ""))
        (git / "objects/info/alternates").write_bytes(os.fsencode(objects.resolve()) + b"\n")
        (git / "info/attributes").write_text(_ATTRIBUTES)
        (git / "packed-refs").write_bytes(tags)
        if shallow is not None and shallow.is_file():
            shutil.copyfile(shallow, git / "shallow")
    except OSError as error:
        raise WorkspaceError(f"{target} cannot be made: {error}", hint="free disk space, or correct the permissions") from error
    repository = GitRepository(target, run)
    repository.git("read-tree", "-u", "--reset", "HEAD")
    return repository


def remove_tree(path: Path) -> None:
    """Remove a folder whatever its permissions are; what is not there is fine."""

    def writable(_: Callable[..., object], name: str, __: object) -> None:
        with contextlib.suppress(OSError):
            Path(name).parent.chmod(stat.S_IRWXU)
            if Path(name).is_dir() and not Path(name).is_symlink():
                Path(name).chmod(stat.S_IRWXU)
                shutil.rmtree(name, ignore_errors=True)
            else:
                Path(name).unlink()

    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path, onerror=writable)


def base_tree(
    *,
    sha: str,
    objects: Path,
    run: Run,
    parent: Path | None,
    prefix: str = "",
    shallow: Path | None = None,
    tags: Callable[[], bytes] = bytes,
) -> Callable[[], AbstractContextManager[Path]]:
    """What gives a fresh tree of `sha` for a while; `parent` None: in the system's temporary folder."""

    @contextlib.contextmanager
    def opened() -> Iterator[Path]:
        if parent is not None:
            parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="forge-base-", dir=parent))
        try:
            make_tree(folder / "tree", sha=sha, objects=objects, run=run, tags=tags(), shallow=shallow)
            root = folder / "tree" / prefix
            root.mkdir(parents=True, exist_ok=True)
            yield root
        finally:
            remove_tree(folder)

    return opened


def read_policy(content: bytes | None, *, where: str) -> Policy:
    """The policy in a `forge.toml` (None: no such file). Raises ConfigurationError starting with `where`."""
    if content is None:
        return Policy()
    text = content.decode("utf-8", "replace")
    return parse_policy(text, tools=registry.tools(), platforms=registry.platforms(), where=f"{POLICY_FILE} {where}")
