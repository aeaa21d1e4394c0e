"""One bare repository, driven by git itself (so that what lands is what the checkout merged: the same merge-ort)."""

import itertools
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from forge_dagster.errors import HostError
from forge_dagster.hosts.embedded.refusals import Refused, not_found
from forge_dagster.hosts.embedded.rules import ZERO, is_ref_name
from forge_dagster.ports import Command, ProcessResult, Run

_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "LC_ALL": "C.UTF-8",
}
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""git knows it without being told: what a first commit is compared with."""
_SHA = re.compile(r"[0-9a-f]{40}")
_COMMIT_FIELDS = ("%H", "%T", "%P", "%an", "%ae", "%aI", "%cn", "%ce", "%cI", "%(trailers:key=Task-ID,valueonly)", "%B")
_STATES = {"A": "added", "D": "removed", "M": "modified", "R": "renamed", "C": "copied", "T": "changed"}


@dataclass(frozen=True, slots=True)
class Person:
    """Who wrote or committed, and when (ISO 8601)."""

    name: str
    email: str
    date: str


@dataclass(frozen=True, slots=True)
class CommitData:
    """One commit. `task` is its Task-ID trailer, empty without one."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    committer: Person
    task: str
    message: str

    @property
    def subject(self) -> str:
        """First line of the message."""
        return self.message.split("\n", 1)[0]


@dataclass(frozen=True, slots=True)
class FileData:
    """One changed file. Binary files count no lines."""

    path: str
    previous: str | None
    state: str
    blob: str
    additions: int
    deletions: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a tree: kind is blob, tree or commit (submodule); mode as git writes it."""

    name: str
    kind: str
    mode: str
    sha: str
    size: int


class BareRepository:
    """git commands in `path`. Every revision passed in must be a full SHA; names go through `resolve` first."""

    def __init__(self, path: Path, run: Run) -> None:
        self.path = path
        self._run = run

    def _git(
        self, *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None, allow: tuple[int, ...] = (0,)
    ) -> ProcessResult:
        command = Command(
            argv=("git", *arguments),
            cwd=self.path,
            environment={**_ENVIRONMENT, "GIT_DIR": str(self.path), **(environment or {})},
            timeout_s=120.0,
            stdin=stdin,
            trusted=True,
        )
        result = self._run.run(command)
        if result.ended != "exited" or result.exit_code not in allow or result.truncated:
            said = result.stderr.decode("utf-8", "replace").strip()[-500:]
            how = f"exit {result.exit_code}" if result.ended == "exited" else result.ended
            raise HostError(f"git {arguments[0]} failed in {self.path.name} ({how}): {said or 'no message'}", status=500)
        return result

    def _text(self, *arguments: str) -> str:
        return self._git(*arguments).stdout.decode("utf-8", "replace")

    def resolve(self, name: str) -> str | None:
        """Commit that a full SHA, branch, tag or full ref name stands for, or None. No other revision syntax."""
        if _SHA.fullmatch(name):
            return self._verify(name)
        if not is_ref_name(name):
            return None
        candidates = (name,) if name.startswith("refs/") else (f"refs/heads/{name}", f"refs/tags/{name}")
        short = name.removeprefix("heads/") if name.startswith("heads/") else None
        return next((s for c in (*candidates, *([f"refs/heads/{short}"] if short else [])) if (s := self._verify(c))), None)

    def _verify(self, revision: str) -> str | None:
        found = self._git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", allow=(0, 1, 128))
        return found.stdout.decode("ascii").strip() or None if found.exit_code == 0 else None

    def commit_of(self, name: str) -> CommitData:
        """The commit `name` stands for. Raises Refused (404)."""
        sha = self.resolve(name)
        if sha is None:
            raise not_found(f"no commit {name[:100]}")
        return self.commits("--no-walk", sha)[0]

    def refs(self, prefix: str) -> dict[str, str]:
        """Full ref name -> object, of all refs below `prefix` (which ends in a slash)."""
        lines = self._text("for-each-ref", "--format=%(objectname) %(refname)", prefix).splitlines()
        return {ref: sha for sha, _, ref in (line.partition(" ") for line in lines)}

    def branches(self) -> dict[str, str]:
        """Branch -> commit at its tip."""
        return {ref.removeprefix("refs/heads/"): sha for ref, sha in self.refs("refs/heads/").items()}

    def commits(self, *range_: str, limit: int = 250) -> list[CommitData]:
        """Commits as `git log` lists them, newest first, at most `limit` (250: GitHub's cap on a pull request's commits)."""
        form = "--format=tformat:" + "%x00".join(_COMMIT_FIELDS)
        fields = self._text("log", "-z", "--encoding=UTF-8", f"--max-count={limit}", form, *range_, "--").split("\0")
        return [_commit(chunk) for chunk in _chunks(fields[:-1], len(_COMMIT_FIELDS))]

    def count(self, base: str, head: str) -> tuple[int, int]:
        """(commits only in `head`, commits only in `base`)."""
        behind, ahead = self._text("rev-list", "--left-right", "--count", f"{base}...{head}").split()
        return int(ahead), int(behind)

    def merge_base(self, base: str, head: str) -> str | None:
        """Best common ancestor; None for unrelated histories."""
        found = self._git("merge-base", base, head, allow=(0, 1))
        return found.stdout.decode("ascii").strip() or None

    def is_ancestor(self, old: str, new: str, environment: Mapping[str, str] | None = None) -> bool:
        """Whether `new` contains `old`. `environment`: where quarantined objects of a push are."""
        return self._git("merge-base", "--is-ancestor", old, new, environment=environment, allow=(0, 1)).exit_code == 0

    def files(self, base: str, head: str) -> list[FileData]:
        """Difference of two commits, renames found."""
        out = self._text(
            "diff-tree", "-r", "-z", "--raw", "--numstat", "--find-renames", "--no-commit-id", "--no-abbrev", base, head
        )
        return list(_files(iter(out.split("\0")[:-1])))

    def merged_tree(self, base: str, head: str) -> str | None:
        """Tree of the two merged, None when they conflict."""
        done = self._git("merge-tree", "--write-tree", "--no-messages", base, head, allow=(0, 1))
        return done.stdout.decode("ascii", "replace").split("\n", 1)[0].strip() if done.exit_code == 0 else None

    def commit_tree(self, tree: str, parents: tuple[str, ...], message: str, *, name: str, at: float) -> str:
        """Store a commit by `name` and return it; no ref moves."""
        who = {"NAME": name, "EMAIL": f"{name.replace('/', '.')}@noreply.forge.invalid", "DATE": f"@{int(at)} +0000"}
        environment = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}
        flags = [part for parent in parents for part in ("-p", parent)]
        text = message.replace("\0", "").encode("utf-8", "replace")
        return self._git("commit-tree", tree, *flags, "-F", "-", stdin=text, environment=environment).stdout.decode().strip()

    def update_refs(self, *updates: tuple[str, str, str]) -> None:
        """Move refs (name, new, old; ZERO: absent), all or none, only if each is still at `old`. Raises Refused (409)."""
        lines = ["start"] + [f"delete {ref} {old}" if new == ZERO else f"update {ref} {new} {old}" for ref, new, old in updates]
        done = self._git("update-ref", "--stdin", stdin="\n".join([*lines, "commit", ""]).encode(), allow=(0, 1, 128))
        if done.exit_code != 0:
            said = done.stderr.decode("utf-8", "replace").strip()[-300:]
            raise Refused(f"{updates[0][0]} could not be moved, it changed meanwhile: {said}", status=409)

    def entry(self, commit: str, path: str) -> Entry | None:
        """What is at `path` (empty: the root) in a commit."""
        if not path:
            return Entry("", "tree", "040000", self._text("rev-parse", f"{commit}^{{tree}}").strip(), 0)
        if "\0" in path or not {"", ".", ".."}.isdisjoint(path.split("/")):
            return None
        return next((e for e in self._entries(commit, path) if e.name == path), None)

    def folder(self, tree: str) -> list[Entry]:
        """Entries of a tree."""
        return self._entries(tree)

    def _entries(self, tree: str, *paths: str) -> list[Entry]:
        entries = []
        for line in self._text("ls-tree", "-z", "-l", "--full-tree", tree, "--", *paths).split("\0")[:-1]:
            meta, _, name = line.partition("\t")
            mode, kind, sha, size = meta.split()
            entries.append(Entry(name, kind, mode, sha, int(size) if size.isdigit() else 0))
        return entries

    def blob(self, sha: str) -> bytes:
        """A file's bytes. Raises HostError above the output limit (32 MiB)."""
        return self._git("cat-file", "blob", sha).stdout


def _chunks(fields: list[str], size: int) -> Iterator[list[str]]:
    return (fields[start : start + size] for start in range(0, len(fields) - size + 1, size))


def _commit(fields: list[str]) -> CommitData:
    sha, tree, parents, an, ae, ad, cn, ce, cd, task, message = fields
    author, committer = Person(an, ae, ad), Person(cn, ce, cd)
    first_task = next(iter(task.split("\n")), "").strip()
    return CommitData(sha.strip(), tree, tuple(parents.split()), author, committer, first_task, message.rstrip("\n"))


def _files(tokens: Iterator[str]) -> Iterator[FileData]:
    """Raw entries (`:modes shas S`, path, and a second path for renames), then as many numstat entries in the same order."""
    raw: list[tuple[str, str, str | None, str]] = []
    first = None
    for token in tokens:
        if not token.startswith(":"):
            first = token
            break
        blob, letter = token.split(" ")[3], token.split(" ")[4][0]
        path = next(tokens)
        previous, path = (path, next(tokens)) if letter in "RC" else (None, path)
        raw.append((_STATES.get(letter, "changed"), blob, previous, path))
    counts = itertools.chain([] if first is None else [first], tokens)
    for state, blob, previous, path in raw:
        added, deleted, name = next(counts).split("\t", 2)
        if not name:
            next(counts), next(counts)
        lines = (int(added), int(deleted)) if added != "-" else (0, 0)
        yield FileData(path, previous, state, blob, *lines)
