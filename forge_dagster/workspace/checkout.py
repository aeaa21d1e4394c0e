"""Checkouts of attempts: fetched into a mirror per repository, merged with the base, written to a tree of their own."""

import contextlib
import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.changes import Attempt, Change
from forge_dagster.domain.graph import Job
from forge_dagster.domain.policy import POLICY_FILE
from forge_dagster.domain.project import Project
from forge_dagster.errors import Conflict, RevisionGone, UsageError, WorkspaceError
from forge_dagster.ports import Checkout, Environments, GitHost, Run
from forge_dagster.workspace.detect import detect, existing
from forge_dagster.workspace.environments import DomainEnvironments
from forge_dagster.workspace.git import GitRepository, init_bare
from forge_dagster.workspace.git_names import checked_ref, checked_sha
from forge_dagster.workspace.local import local_checkout
from forge_dagster.workspace.locking import locked
from forge_dagster.workspace.trees import base_tree, make_tree, read_policy, remove_tree

__all__ = ["LocalWorkspace", "local_checkout", "repository_path"]

_PART = re.compile(r"[A-Za-z0-9._-]{1,100}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def repository_path(repository: str) -> Path:
    """`owner/name` as a relative path. Raises UsageError for anything that could leave a folder or be an option."""
    parts = repository.split("/")
    if len(parts) != 2 or any(not _PART.fullmatch(p) or p.startswith((".", "-")) or ".." in p for p in parts):
        raise UsageError(f"{repository!r} is no repository name", hint="it is owner/name, of letters, digits, '.', '_' and '-'")
    return Path(*parts)


class _Made(BaseModel):
    """The record beside a finished checkout: all that is known of it, so that the next gate starts no process."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    change: Change
    project: Project
    policy: str | None
    policy_from: str
    tested_tree: str


class LocalWorkspace:
    """Checkouts under `home`. Threads and processes may share it; a checkout is made by one and used by all."""

    def __init__(self, home: Path, run: Run, *, environments: Environments | None = None) -> None:
        self._home = home
        self._run = run
        self._own_environments = environments
        self.environments: Environments = environments or DomainEnvironments(
            home, run, domains={job.value: home / "checkouts" / job.value for job in Job}
        )
        self._known: dict[Path, _Made] = {}

    def with_run(self, run: Run) -> "LocalWorkspace":
        """The same workspace, its processes started through `run` (so that cancelling `run` ends them)."""
        return LocalWorkspace(self._home, run, environments=self._own_environments)

    def checkout(self, attempt: Attempt, host: GitHost, *, log: Callable[[str], None]) -> Checkout:
        """The attempt's tree (ports.Workspace). Raises RevisionGone, WorkspaceError, HostError, ConfigurationError."""
        folder = self._folder(attempt)
        made = self._known.get(folder)
        if made is None or not (folder / "checkout.json").exists():
            with locked(self._home / "locks" / f"checkout-{_key(attempt)}.lock", self._run):
                made = self._read(folder) or self._make(attempt, host, folder, log)
            self._known[folder] = made
        mirror = GitRepository(self._mirror_path(attempt.repository), self._run)
        base_sha = made.change.base_sha
        policy = read_policy(None if made.policy is None else made.policy.encode(), where=made.policy_from)
        return Checkout(
            root=folder / "tree",
            change=made.change,
            project=made.project.allowing(policy.project.install_scripts),
            policy=policy,
            tested_tree=made.tested_tree,
            base=None
            if base_sha is None
            else base_tree(
                sha=base_sha, objects=mirror.path / "objects", run=self._run, parent=folder / "base", tags=mirror.tags
            ),
        )

    def merged_tree(self, attempt: Attempt, host: GitHost, *, base_sha: str) -> str | None:
        """The tree of the attempt's head merged into `base_sha` (ports.Workspace); None: they conflict."""
        mirror = self._mirror(attempt.repository)
        self._fetch(attempt, base_sha, host, mirror)
        if mirror.holds(base_sha, attempt.head_sha):
            return mirror.tree(base_sha)
        return mirror.merge_tree(base_sha, attempt.head_sha).tree

    def mirror(self, repository: str) -> GitRepository:
        """Forge's bare mirror of `repository`, made if it is not there; hold `mirror_lock` while fetching into it."""
        return self._mirror(repository)

    def mirror_lock(self, repository: str) -> contextlib.AbstractContextManager[None]:
        """The lock of a mirror, between processes and threads."""
        return locked(self._home / "locks" / f"mirror-{'+'.join(repository_path(repository).parts)}.lock", self._run)

    def scratch(self, attempt: Attempt, gate: str) -> Path:
        """A folder for one gate's reports; it stays until Forge's home is tidied."""
        if not _NAME.fullmatch(gate):
            raise UsageError(f"{gate!r} is no gate name", hint="see `forge check --help` for the gates")
        path = self._home / "scratch" / repository_path(attempt.repository) / _key(attempt) / gate
        path.mkdir(parents=True, exist_ok=True)
        return path

    def clean(self, attempt: Attempt) -> None:
        """Remove the checkout; artifacts and reports stay."""
        folder = self._folder(attempt)
        with locked(self._home / "locks" / f"checkout-{_key(attempt)}.lock", self._run):
            self._known.pop(folder, None)
            (folder / "checkout.json").unlink(missing_ok=True)
            remove_tree(folder)

    # --- making

    def _folder(self, attempt: Attempt) -> Path:
        return self._home / "checkouts" / attempt.job.value / repository_path(attempt.repository) / _key(attempt)

    def _mirror_path(self, repository: str) -> Path:
        path = self._home / "mirrors" / repository_path(repository)
        return path.with_name(f"{path.name}.git")

    def _mirror(self, repository: str) -> GitRepository:
        path = self._mirror_path(repository)
        if (path / "HEAD").exists():
            return GitRepository(path, self._run)
        with self.mirror_lock(repository):
            return init_bare(path, self._run)

    def _read(self, folder: Path) -> _Made | None:
        marker = folder / "checkout.json"
        return _Made.model_validate_json(marker.read_bytes()) if marker.exists() else None

    def _make(self, attempt: Attempt, host: GitHost, folder: Path, log: Callable[[str], None]) -> _Made:
        remove_tree(folder)  # what a killed worker left half done
        base_sha = self._base(attempt, host)
        mirror = self._mirror(attempt.repository)
        log(f"fetching {attempt.repository} {attempt.head_sha[:12]}")
        self._fetch(attempt, base_sha, host, mirror)
        commit, tree_sha = attempt.head_sha, ""
        if attempt.job is Job.CHANGE:
            assert base_sha is not None
            commit, tree_sha = self._merge(mirror, base_sha, attempt.head_sha)
            log(f"merged {attempt.head_sha[:12]} into {attempt.base_ref} {base_sha[:12]}: tree {tree_sha[:12]}")
        folder.mkdir(parents=True, exist_ok=True)
        tree = make_tree(folder / "tree", sha=commit, objects=mirror.path / "objects", run=self._run, tags=mirror.tags())
        policy_from = base_sha if attempt.job is Job.CHANGE and base_sha else attempt.head_sha
        policy = mirror.read(policy_from, POLICY_FILE)
        made = _Made(
            change=Change(
                repository=attempt.repository,
                number=attempt.number,
                title=attempt.title,
                base_ref=attempt.base_ref,
                base_sha=base_sha,
                head_sha=attempt.head_sha,
                files=() if base_sha is None else tree.changed_files(base_sha, commit),
                identity=attempt.identity,
            ),
            project=detect(tree.path, existing(tree.path, (name for name, _ in tree.listed_files()))),
            policy=None if policy is None else policy.decode("utf-8", "replace"),
            policy_from=f"of {attempt.repository} at {policy_from[:12]}",
            tested_tree=tree_sha or tree.tree(commit),
        )
        read_policy(policy, where=made.policy_from)
        _write_whole(folder / "checkout.json", made.model_dump_json())
        return made

    def _base(self, attempt: Attempt, host: GitHost) -> str | None:
        checked_sha(attempt.head_sha)
        if attempt.base_sha is not None or attempt.job is Job.RELEASE:
            return None if attempt.base_sha is None else checked_sha(attempt.base_sha)
        tip = host.branch_head(attempt.repository, attempt.base_ref)
        if tip is None:
            raise RevisionGone(
                f"{attempt.repository} has no branch {attempt.base_ref}", hint="choose another base for the change"
            )
        return checked_sha(tip)

    def _merge(self, mirror: GitRepository, base: str, head: str) -> tuple[str, str]:
        merged = mirror.merge_tree(base, head)
        if merged.tree is None:
            names = ", ".join(merged.conflicts[:10]) + (" ..." if len(merged.conflicts) > 10 else "")
            raise Conflict(
                f"{head[:12]} conflicts with its base {base[:12]} in: {names}",
                hint="rebase the branch on its base (or merge the base into it), resolve the conflicts and push again",
            )
        message = f"Forge: {head} merged into {base}\n"
        return mirror.commit_tree(merged.tree, parents=(base, head), message=message), merged.tree

    def _fetch(self, attempt: Attempt, base_sha: str | None, host: GitHost, mirror: GitRepository) -> None:
        """Have head and base in the mirror. Raises RevisionGone when the host has not got them any more."""
        wanted = [sha for sha in (attempt.head_sha, base_sha) if sha is not None]
        if all(mirror.commit(sha) == sha for sha in wanted):
            return
        url, environment = host.git_url(attempt.repository), host.git_environment()
        branch = checked_ref(attempt.base_ref)
        common = (f"+refs/heads/{branch}:refs/heads/{branch}", "+refs/tags/*:refs/tags/*")
        by_name = tuple(f"{sha}:refs/forge/{sha}" for sha in wanted)
        # a server need not give a commit by its name: then its pull request's ref has it; and the base branch may be gone
        ways = [(*common, *by_name), by_name]
        if attempt.number is not None:
            ways.insert(1, (*common, f"+refs/pull/{attempt.number}/head:refs/forge/pull/{attempt.number}"))
        with self.mirror_lock(attempt.repository):
            for refspecs in ways:
                with contextlib.suppress(RevisionGone):
                    mirror.fetch(url, refspecs, environment=environment)
                if all(mirror.commit(sha) == sha for sha in wanted):
                    return
        gone = next(sha for sha in wanted if mirror.commit(sha) != sha)
        raise RevisionGone(
            f"{attempt.repository} no longer has commit {gone[:12]}",
            hint="it was force-pushed away or its branch deleted; push again",
        )


def _key(attempt: Attempt) -> str:
    """Names the attempt in paths. The base's commit is no part of it: the first gate settles it for all."""
    parts = (attempt.repository, attempt.job.value, str(attempt.number), attempt.head_sha, attempt.base_ref, str(attempt.round))
    digest = hashlib.sha256("\0".join((*parts, attempt.policy_digest)).encode()).hexdigest()[:8]
    return f"{attempt.id}-{checked_sha(attempt.head_sha)[:12]}-{digest}"


def _write_whole(path: Path, text: str) -> None:
    temporary = path.with_suffix(".part")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise WorkspaceError(
            f"{path} cannot be written: {error}", hint="free disk space, or correct the permissions"
        ) from error
