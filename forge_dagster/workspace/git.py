"""Git, hardened: no hooks, no helpers, no foreign configuration, and no ref or path that git could take for an option."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from forge_dagster.domain.changes import ChangedFile
from forge_dagster.errors import HostError, Interrupted, RevisionGone, UsageError, WorkspaceError
from forge_dagster.ports import Command, ProcessResult, Run
from forge_dagster.workspace.diff import parse_diff, path_text
from forge_dagster.workspace.git_names import checked_ref, checked_sha, checked_url, is_sha

LOCAL_TIMEOUT_S = 120.0
NETWORK_TIMEOUT_S = 600.0
DIFF_LIMIT = 64 * 1024 * 1024
"""Bytes of a diff that are read; a larger change is refused rather than half judged."""

_HARDENED = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.quotePath=true",
    "core.pager=cat",
    "protocol.ext.allow=never",
    "protocol.file.allow=always",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "credential.helper=",
    "commit.gpgSign=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "safe.directory=*",
)
_OPTIONS = tuple(part for setting in _HARDENED for part in ("-c", setting))
_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_EDITOR": "false",
    "LC_ALL": "C",
}
_NO_CONFIGURATION = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_ATTR_NOSYSTEM": "1"}
_IDENTITY = {
    "GIT_AUTHOR_NAME": "Forge",
    "GIT_AUTHOR_EMAIL": "forge@localhost",
    "GIT_COMMITTER_NAME": "Forge",
    "GIT_COMMITTER_EMAIL": "forge@localhost",
}


_DIGITS = 15
"""Of a size in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """Outcome of a merge: its tree, or the paths in conflict."""

    tree: str | None
    conflicts: tuple[str, ...] = ()


class GitRepository:
    """A repository at `path` (bare, or a work tree). Every method raises WorkspaceError when git cannot do it.

    `user_configuration` reads the user's own git configuration too (their ignore file, their LFS filters): right for the work
    tree of the user who asks, never for what others pushed.
    """

    def __init__(self, path: Path, run: Run, *, user_configuration: bool = False) -> None:
        self.path = path
        self._run = run
        self._environment = dict(_ENVIRONMENT)
        if user_configuration and os.environ.get("HOME"):
            self._environment["HOME"] = os.environ["HOME"]
        else:
            self._environment |= _NO_CONFIGURATION

    # --- running

    def try_git(
        self,
        *arguments: str,
        stdin: bytes = b"",
        environment: Mapping[str, str] | None = None,
        network: bool = False,
        output_limit: int = DIFF_LIMIT,
        log: Callable[[str], None] | None = None,
    ) -> ProcessResult:
        """Run git and hand back whatever it answered. Raises WorkspaceError (no git, too slow) and Interrupted."""
        command = Command(
            argv=("git", *_OPTIONS, *arguments),
            cwd=self.path,
            environment={**self._environment, **(environment or {})},
            stdin=stdin,
            network=network,
            timeout_s=NETWORK_TIMEOUT_S if network else LOCAL_TIMEOUT_S,
            output_limit=output_limit,
            trusted=True,
        )
        result = self._run.run(command, log=log)
        if result.ended == "interrupted":
            raise Interrupted(f"git {arguments[0]} was stopped")
        if result.ended == "missing":
            hint = "install git 2.38 or newer" if self.path.is_dir() else "check the path"
            raise WorkspaceError(f"git could not be run in {self.path}: {_first_lines(result.stderr)}", hint=hint)
        if result.ended == "timeout":
            raise WorkspaceError(
                f"git {arguments[0]} took more than {command.timeout_s:.0f} s in {self.path}",
                hint="look at the disk and the host",
            )
        return result

    def git(self, *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None) -> bytes:
        """Run git, which must succeed, and give its output."""
        result = self.try_git(*arguments, stdin=stdin, environment=environment)
        if result.exit_code != 0:
            raise WorkspaceError(f"git {arguments[0]} failed in {self.path}: {_first_lines(result.stderr)}")
        if result.truncated:
            raise WorkspaceError(
                f"git {arguments[0]} in {self.path} wrote more than {DIFF_LIMIT // 2**20} MiB", hint="split the change"
            )
        return result.stdout

    # --- looking

    def commit(self, revision: str) -> str | None:
        """The commit that `revision` (any of git's ways to name one) means here, or None."""
        if not revision or revision.startswith("-") or "\0" in revision:
            return None
        result = self.try_git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        text = result.stdout.decode("ascii", "replace").strip()
        return text if result.exit_code == 0 and is_sha(text) else None

    def tree(self, sha: str) -> str:
        """The tree of a commit."""
        return self.git("rev-parse", "--verify", "--end-of-options", f"{checked_sha(sha)}^{{tree}}").decode().strip()

    def tags(self) -> bytes:
        """All tags, as lines "<object> <ref>"."""
        return self.git("for-each-ref", "--format=%(objectname) %(refname)", "refs/tags")

    def merge_base(self, one: str, other: str) -> str | None:
        """The best common ancestor, or None for unrelated histories."""
        result = self.try_git("merge-base", checked_sha(one), checked_sha(other))
        return result.stdout.decode().strip() if result.exit_code == 0 else None

    def read(self, revision: str, path: str) -> bytes | None:
        """Content of the file at `path` in a commit, or None when there is no such file. Raises RevisionGone."""
        request = f"{checked_sha(revision)}^{{commit}}\n".encode() + f"{revision}:{path}\n".encode("utf-8", "surrogateescape")
        if "\n" in path or "\0" in path:
            raise UsageError(f"{path!r} cannot be read from a revision")
        output = self.git("cat-file", "--batch", stdin=request)
        header, _, rest = output.partition(b"\n")
        if header.endswith(b" missing"):
            raise RevisionGone(f"commit {revision[:12]} does not exist in {self.path.name}", hint="fetch it, or push it again")
        size = header.rpartition(b" ")[2]
        if not size.isdigit() or len(size) > _DIGITS:
            raise WorkspaceError(f"git cat-file gave no answer in {self.path}", hint="run git fsck there")
        rest = rest[int(size) + 1 :]
        header, _, content = rest.partition(b"\n")
        fields = header.split()
        if len(fields) != 3 or fields[1] != b"blob" or not fields[2].isdigit() or len(fields[2]) > _DIGITS:
            return None
        return content[: int(fields[2])]

    def changed_files(self, base: str, head: str | None = None, *, relative: bool = False) -> tuple[ChangedFile, ...]:
        """What differs between two commits, or between `base` and the work tree (tracked files) when `head` is None."""
        options = ["--raw", "--patch", "-U0", "--find-renames", "-l400", "--no-color", "--no-ext-diff", "--no-textconv"]
        options += ["--src-prefix=a/", "--dst-prefix=b/", "--ignore-submodules=dirty", "--submodule=short"]
        options += ["--diff-algorithm=histogram", "--inter-hunk-context=0", "--relative" if relative else "--no-relative"]
        revisions = [checked_sha(base)] if head is None else [checked_sha(base), checked_sha(head)]
        return parse_diff(self.git("diff", *options, *revisions, "--"))

    def listed_files(self) -> tuple[tuple[bytes, bool], ...]:
        """Files of the work tree at or below `path`, relative to it: (name, whether it is tracked), ignored ones left out."""
        output = self.git("ls-files", "-z", "-t", "--cached", "--others", "--exclude-standard")
        entries = [entry for entry in output.split(b"\0") if entry]
        return tuple(dict.fromkeys((entry[2:], not entry.startswith(b"?")) for entry in entries))

    def ignores(self, path: str) -> bool:
        """Whether git ignores `path` here; True outside of a repository, where nothing is seen at all."""
        plain = {"GIT_LITERAL_PATHSPECS": "0"}  # which check-ignore refuses
        return self.try_git("check-ignore", "--quiet", "--", path, environment=plain).exit_code != 1

    # --- making

    def merge_tree(self, base: str, head: str) -> Merged:
        """Base and head merged, without a work tree."""
        result = self.try_git(
            "merge-tree", "--write-tree", "--name-only", "--no-messages", "-z", checked_sha(base), checked_sha(head)
        )
        parts = [part for part in result.stdout.split(b"\0") if part]
        tree = parts[0].decode("ascii", "replace").strip() if parts else ""
        if result.exit_code == 0 and is_sha(tree):
            return Merged(tree=tree)
        if result.exit_code == 1 and parts:
            return Merged(tree=None, conflicts=tuple(dict.fromkeys(path_text(path) for path in parts[1:])))
        raise WorkspaceError(f"git merge-tree failed: {_first_lines(result.stderr)}", hint="is git 2.38 or newer?")

    def holds(self, sha: str, ancestor: str) -> bool:
        """Whether `ancestor` is part of the history of `sha`."""
        return self.try_git("merge-base", "--is-ancestor", checked_sha(ancestor), checked_sha(sha)).exit_code == 0

    def commit_tree(self, tree: str, *, parents: tuple[str, ...], message: str, at: float = 0.0) -> str:
        """A commit of `tree` by Forge, dated `at` (seconds since the epoch), so that equal inputs make an equal commit."""
        date = {"GIT_AUTHOR_DATE": f"@{int(at)} +0000", "GIT_COMMITTER_DATE": f"@{int(at)} +0000"}
        options = [option for parent in parents for option in ("-p", checked_sha(parent))]
        made = self.git("commit-tree", *options, checked_sha(tree), stdin=message.encode(), environment={**_IDENTITY, **date})
        return made.decode().strip()

    def commit_files(
        self, files: Mapping[str, bytes | None], *, parent: str | None, message: str, at: float, scratch: Path
    ) -> str:
        """A commit on `parent` (None: an orphan) that writes `files` (None: removes). `scratch`: a folder for its own index."""
        index = scratch / "index"
        index.unlink(missing_ok=True)
        environment = {"GIT_INDEX_FILE": str(index)}
        if parent is not None:
            self.git("read-tree", checked_sha(parent), environment=environment)
        lines = b""
        for path, content in files.items():
            if content is None:
                lines += b"0 %s\t%s\0" % (b"0" * 40, path.encode())
                continue
            blob = self.git("hash-object", "-w", "--stdin", "--no-filters", stdin=content)
            lines += b"100644 %s\t%s\0" % (blob.strip(), path.encode())
        self.git("update-index", "-z", "--index-info", stdin=lines, environment=environment)
        tree = self.git("write-tree", environment=environment).decode().strip()
        return self.commit_tree(tree, parents=() if parent is None else (parent,), message=message, at=at)

    # --- the host

    def fetch(self, url: str, refspecs: tuple[str, ...], *, environment: Mapping[str, str]) -> None:
        """Fetch. `environment` holds the credentials (GitHost.git_environment). Raises RevisionGone or HostError."""
        result = self.try_git(
            "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--force", "--end-of-options", checked_url(url),
            *refspecs, environment=environment, network=True,
        )  # fmt: skip
        if result.exit_code == 0:
            return
        said = _first_lines(result.stderr)
        if re.search(r"couldn't find remote ref|not our ref|unadvertised object|bad object", said):
            raise RevisionGone(
                f"the host has not got what was asked for: {said}", hint="it was force-pushed or deleted; push again"
            )
        raise HostError(f"git fetch from {url} failed: {said}", hint="check the host's address and the token")

    def push(self, url: str, sha: str, branch: str, *, expected: str | None, environment: Mapping[str, str]) -> bool:
        """Move `branch` on the host from `expected` (None: it must not exist) to `sha`. False when it was elsewhere.

        Raises HostError.
        """
        ref = f"refs/heads/{checked_ref(branch)}"
        result = self.try_git(
            "push", "--quiet", "--porcelain", f"--force-with-lease={ref}:{expected or ''}", "--end-of-options",
            checked_url(url), f"{checked_sha(sha)}:{ref}", environment=environment, network=True,
        )  # fmt: skip
        if result.exit_code == 0:
            return True
        said = result.stdout.decode("utf-8", "replace") + result.stderr.decode("utf-8", "replace")
        if re.search(r"\[rejected\]|stale info|fetch first|non-fast-forward|cannot lock ref|failed to update ref", said):
            return False
        raise HostError(f"git push to {url} failed: {_first_lines(said.encode())}", hint="check the token's rights")

    def tip(self, url: str, branch: str, *, environment: Mapping[str, str]) -> str | None:
        """Fetch `branch` from the host; its commit, or None when there is no such branch. Raises HostError."""
        ref = f"refs/heads/{checked_ref(branch)}"
        try:
            self.fetch(url, (f"+{ref}:{ref}",), environment=environment)
        except RevisionGone:
            return None
        return self.commit(ref)


def init_bare(path: Path, run: Run) -> GitRepository:
    """The bare repository at `path`, made if it is not there."""
    if not (path / "HEAD").exists():
        path.mkdir(parents=True, exist_ok=True)
        repository = GitRepository(path, run)
        repository.git("init", "--quiet", "--bare", "--template=", ".")
        return repository
    return GitRepository(path, run)


def _first_lines(data: bytes, count: int = 4) -> str:
    lines = [line for line in data.decode("utf-8", "replace").splitlines() if line.strip()]
    return " / ".join(lines[:count])[:500] or "it said nothing"
