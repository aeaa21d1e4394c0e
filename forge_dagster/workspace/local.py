"""The checkout of `forge check PATH`: a work tree as it is, or one commit of it, with no server."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from forge_dagster.domain.changes import Change, ChangedFile
from forge_dagster.domain.policy import POLICY_FILE
from forge_dagster.domain.releases import slug
from forge_dagster.errors import UsageError, WorkspaceError
from forge_dagster.ports import Checkout, Run
from forge_dagster.workspace.detect import READ_LIMIT, detect, existing, walk
from forge_dagster.workspace.git import GitRepository
from forge_dagster.workspace.git_names import is_sha
from forge_dagster.workspace.kept_trees import kept_tree
from forge_dagster.workspace.trees import base_tree, make_tree, read_policy

_BASES = (
    "refs/remotes/origin/HEAD",
    "refs/remotes/origin/main",
    "refs/remotes/origin/master",
    "refs/heads/main",
    "refs/heads/master",
)
_PROJECT_FILES = (POLICY_FILE, "pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "package.json")
_BINARY_SAMPLE = 8000
"""Git's own rule: a file with a NUL in its first 8000 bytes is binary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where in which repository a path is. `head` is None before the first commit."""

    top: Path
    prefix: str
    objects: Path
    shallow: Path
    head: str | None


def local_checkout(path: Path, base: str | None, head: str | None, run: Run, *, kept: Path | None = None) -> Checkout:
    """What `forge check` looks at.

    `head` None: the work tree as it is, untracked files included; else that commit, in a tree of its own that is removed
    with `run`, or kept in the folder `kept` (kept_trees.py).

    `base` None: where the work left origin's default branch (or main, or master); nothing to compare with when
    that is the head itself and nothing is edited. A path inside a repository means the whole repository, unless a project of
    its own is there. A folder that is no repository is checked as it is. Raises UsageError, WorkspaceError, ConfigurationError.
    """
    if not path.is_dir():
        raise UsageError(f"{path} is not a folder", hint="give the folder of a repository")
    path = path.resolve()
    place = _place(GitRepository(path, run, user_configuration=True))
    if place is None:
        if base is not None or head is not None:
            raise UsageError(
                f"{path} is not a git repository, so there is no --base or --head", hint="run git init, or leave them out"
            )
        return _folder(path)
    own_project = any((path / name).is_file() for name in _PROJECT_FILES)
    prefix = place.prefix if own_project else ""
    repository = GitRepository(place.top, run, user_configuration=True)
    revision = place.head if head is None else _revision(repository, head, "--head")
    base_sha = _base(repository, base, revision)
    if head is not None:
        assert revision is not None
        return _commit(repository, place, prefix, base_sha, revision, run, kept)
    return _work_tree(repository, place, prefix, base_sha, run)


def _place(repository: GitRepository) -> _Place | None:
    result = repository.try_git(
        "rev-parse", "--path-format=absolute", "--show-toplevel", "--git-path", "objects", "--git-path", "shallow",
        "--show-prefix", "HEAD",
    )  # fmt: skip
    lines = result.stdout.split(b"\n")
    if len(lines) < 5:
        said = result.stderr.decode("utf-8", "replace").strip()
        if "not a git repository" in said:
            return None
        raise UsageError(f"{repository.path} is not a work tree: {said}", hint="give a folder with files checked out")
    top, objects, shallow = (Path(os.fsdecode(line)) for line in lines[:3])
    head = lines[4].decode("ascii", "replace")
    return _Place(
        top=top, prefix=os.fsdecode(lines[3]).rstrip("/"), objects=objects, shallow=shallow, head=head if is_sha(head) else None
    )


def _revision(repository: GitRepository, name: str, option: str) -> str:
    sha = repository.commit(name)
    if sha is None:
        raise UsageError(f"{option} {name}: there is no such commit in {repository.path}", hint="fetch it, or correct the name")
    return sha


def _base(repository: GitRepository, base: str | None, head: str | None) -> str | None:
    """The commit to compare with: where `head` left `base`; `base` itself where the histories have nothing in common."""
    if head is None:
        return None if base is None else _revision(repository, base, "--base")
    if base is not None:
        tip: str | None = _revision(repository, base, "--base")
    else:
        listed = repository.git("for-each-ref", "--format=%(refname) %(objectname)", *_BASES).decode("utf-8", "replace")
        tips = dict(line.split(" ", 1) for line in listed.splitlines())
        tip = next((tips[name] for name in _BASES if name in tips), None)
    if tip is None or tip == head:
        return tip
    return repository.merge_base(tip, head) or (tip if base is not None else None)


def _work_tree(repository: GitRepository, place: _Place, prefix: str, base_sha: str | None, run: Run) -> Checkout:
    root = place.top / prefix
    here = GitRepository(root, run, user_configuration=True)
    listed = here.listed_files()
    files = existing(root, (name for name, _ in listed))
    changed: tuple[ChangedFile, ...] = ()
    if base_sha is not None:
        changed = tuple(_seen(root, file) for file in here.changed_files(base_sha, relative=True))
        known = {file.path for file in changed}
        untracked = existing(root, (name for name, tracked in listed if not tracked))
        changed += tuple(_added(root, name) for name in untracked if name not in known)
        if not changed and base_sha == place.head:
            base_sha = None
    on_disk = _read(root / POLICY_FILE) if (root / POLICY_FILE).is_file() else None
    if base_sha is not None and POLICY_FILE in {path for file in changed for path in (file.path, file.previous_path)}:
        policy = read_policy(repository.read(base_sha, f"{prefix}/{POLICY_FILE}".lstrip("/")), where=f"at base {base_sha[:12]}")
    else:
        policy = read_policy(on_disk, where=f"in {root}")
    return Checkout(
        root=root,
        change=Change(
            repository=place.top.name,
            base_sha=base_sha,
            head_sha=place.head if base_sha is None or not changed else None,
            files=changed,
            folder=prefix,
        ),
        project=detect(root, files).allowing(policy.project.install_scripts),
        policy=policy,
        tested_tree=None,
        head=place.head,
        base=_base_opener(repository, place, prefix, base_sha, run),
    )


def _base_opener(
    repository: GitRepository, place: _Place, prefix: str, sha: str | None, run: Run
) -> Callable[[], AbstractContextManager[Path]] | None:
    if sha is None:
        return None
    return base_tree(
        sha=sha,
        objects=place.objects,
        run=run,
        parent=None,
        prefix=prefix,
        shallow=place.shallow,
        tags=repository.tags,
    )


def _head_tree(repository: GitRepository, place: _Place, head: str, run: Run, kept: Path | None) -> GitRepository:
    def make(target: Path) -> GitRepository:
        return make_tree(target, sha=head, objects=place.objects, run=run, tags=repository.tags(), shallow=place.shallow)

    found = None if kept is None else kept_tree(kept / f"{slug(str(place.top))}-{head[:12]}", place.top.name, make, run)
    if found is not None:
        return found
    folder = Path(tempfile.mkdtemp(prefix="forge-head-"))
    weakref.finalize(run, shutil.rmtree, folder, ignore_errors=True)
    return make(folder / place.top.name)


def _commit(
    repository: GitRepository,
    place: _Place,
    prefix: str,
    base_sha: str | None,
    head: str,
    run: Run,
    kept: Path | None,
) -> Checkout:
    tree = _head_tree(repository, place, head, run, kept)
    root = tree.path / prefix
    if not root.is_dir():
        raise UsageError(f"{prefix} does not exist at {head[:12]}", hint="give another path or commit")
    here = GitRepository(root, run)
    if base_sha == head:
        base_sha = None
    changed = () if base_sha is None else here.changed_files(base_sha, head, relative=True)
    files = (name for name, _ in here.listed_files())
    source = base_sha or head
    policy = read_policy(repository.read(source, f"{prefix}/{POLICY_FILE}".lstrip("/")), where=f"at {source[:12]}")
    return Checkout(
        root=root,
        change=Change(repository=place.top.name, base_sha=base_sha, head_sha=head, files=changed, folder=prefix),
        project=detect(root, existing(root, files)).allowing(policy.project.install_scripts),
        policy=policy,
        tested_tree=tree.tree(head),
        base=_base_opener(repository, place, prefix, base_sha, run),
    )


def _folder(root: Path) -> Checkout:
    path = root / POLICY_FILE
    policy = read_policy(_read(path) if path.is_file() else None, where=f"in {root}")
    return Checkout(
        root=root,
        change=Change(repository=root.name),
        project=detect(root, existing(root, walk(root))).allowing(policy.project.install_scripts),
        policy=policy,
        tested_tree=None,
    )


def _added(root: Path, name: str) -> ChangedFile:
    """An untracked file: every line of it is new."""
    try:
        content = _read(root / name)
    except WorkspaceError:
        return ChangedFile(path=name, status="added", binary=True)
    binary = b"\0" in content[:_BINARY_SAMPLE]
    lines = content.count(b"\n") + (not content.endswith(b"\n") and content != b"")
    return ChangedFile(
        path=name, status="added", binary=binary, added_lines=frozenset() if binary else frozenset(range(1, lines + 1))
    )


def _seen(root: Path, file: ChangedFile) -> ChangedFile:
    """A text that .gitattributes declare binary would hide its lines: then all of them count as new."""
    path = root / file.path
    if not file.binary or path.is_symlink() or not path.is_file():
        return file
    whole = _added(root, file.path)
    return file if whole.binary else file.model_copy(update={"binary": False, "added_lines": whole.added_lines})


def _read(path: Path) -> bytes:
    with path.open("rb") as stream:
        content = stream.read(READ_LIMIT + 1)
    if len(content) > READ_LIMIT:
        raise WorkspaceError(f"{path} is larger than {READ_LIMIT // 2**20} MiB", hint="make it smaller")
    return content
