"""A scratch copy of a checkout with one commit more, in which files were changed on purpose; the checkout stays as it is."""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from forge_dagster.domain.changes import Change
from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Checkout, Run
from forge_dagster.workspace.detect import detect, existing
from forge_dagster.workspace.git import GitRepository
from forge_dagster.workspace.trees import base_tree, make_tree, remove_tree


@contextlib.contextmanager
def changed_copy(checkout: Checkout, files: Mapping[str, str], *, run: Run, parent: Path | None = None) -> Iterator[Checkout]:
    """The checkout's commit with `files` (path from its root -> text) committed on top, as a change to be judged against it.

    It lies in `parent` (None: the system's temporary folder), is judged under the checkout's policy, and is gone afterwards.
    The commit has the date of the one below it, so that the same environments serve both. Raises WorkspaceError.
    """
    sha = checkout.head or checkout.change.head_sha
    if sha is None:
        raise WorkspaceError(f"{checkout.root} has no commit to plant faults into", hint="commit what is there first")
    lender = GitRepository(checkout.root, run)
    objects, shallow, prefix = _places(lender)
    if parent is not None:
        parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="forge-planted-", dir=parent))
    try:
        name = checkout.change.repository.rpartition("/")[2] or "tree"
        copy = make_tree(folder / name, sha=sha, objects=objects, run=run, tags=lender.tags(), shallow=shallow)
        written = {f"{prefix}{path}": text.encode("utf-8", "surrogateescape") for path, text in files.items()}
        date = float(copy.git("log", "-1", "--format=%ct", sha).decode().strip())
        commit = copy.commit_files(written, parent=sha, message="Forge: planted faults\n", at=date, scratch=folder)
        copy.git("update-ref", "--no-deref", "HEAD", commit)
        copy.git("read-tree", "-u", "--reset", commit)
        root = copy.path / prefix
        here = GitRepository(root, run)
        listed = (path for path, _ in here.listed_files())
        yield Checkout(
            root=root,
            change=Change(
                repository=checkout.change.repository,
                base_sha=sha,
                head_sha=commit,
                files=here.changed_files(sha, commit, relative=True),
                folder=prefix.rstrip("/"),
            ),
            project=detect(root, existing(root, listed)).allowing(checkout.policy.project.install_scripts),
            policy=checkout.policy,
            tested_tree=copy.tree(commit),
            base=base_tree(
                sha=sha, objects=objects, run=run, parent=parent, prefix=prefix.rstrip("/"), shallow=shallow, tags=lender.tags
            ),
        )
    finally:
        remove_tree(folder)


def _places(repository: GitRepository) -> tuple[Path, Path, str]:
    """(Object store, list of commits without parents, folder within the repository).

    A checkout that itself borrows its objects names the lender: what looks into the copy sees one store, not a chain of them.
    """
    said = repository.git(
        "rev-parse", "--path-format=absolute", "--git-path", "objects", "--git-path", "shallow", "--show-prefix"
    )
    lines = [os.fsdecode(line) for line in said.split(b"\n")]
    objects = Path(lines[0])
    with contextlib.suppress(OSError):
        lent = (objects / "info" / "alternates").read_bytes().split(b"\n", 1)[0]
        if lent:
            objects = Path(os.fsdecode(lent))
    return objects, Path(lines[1]), lines[2]
