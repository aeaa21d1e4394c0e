"""Changes to measure the integrity gate with: histories of real repositories, and judging a change without a checkout."""

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from forge_dagster.domain.changes import Change, ChangedFile
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.integrity import hidden_findings, link_findings, path_findings, protected_findings
from forge_dagster.domain.outcomes import Severity
from forge_dagster.domain.policy import RiskSection
from forge_dagster.domain.sources import is_test
from forge_dagster.domain.tampering.files import Changes, FilePair
from forge_dagster.domain.tampering.inspection import inspect

Texts = Mapping[str, str | bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A change as files of base and head (None: not there). `links`: symbolic links that it adds."""

    name: str
    base: Texts
    head: Texts
    title: str = ""
    renamed: Mapping[str, str] | None = None
    links: Mapping[str, str] | None = None


def judged(example: Example) -> tuple[Finding, ...]:
    """What the gate says of a change, but for its identity: the same rules on the same values."""
    renamed = example.renamed or {}
    gone = set(renamed.values())
    paths = [path for path in {**example.base, **example.head} if path not in gone]
    pairs = [_pair(path, renamed.get(path, path), example) for path in paths]
    changed = tuple(pair for pair in pairs if pair.base != pair.head or pair.previous not in ("", pair.path) or pair.content)
    files = tuple(ChangedFile(path=p.path, previous_path=renamed.get(p.path)) for p in changed)
    tests = tuple(str(text) for path, text in example.head.items() if isinstance(text, str) and is_test(path))
    change = Change(repository="o/r", title=example.title, files=files)
    tree = frozenset(path for path, text in {**example.base, **example.head}.items() if text is not None)
    findings = [*protected_findings(change, RiskSection()), *path_findings(p.path for p in changed)]
    findings += link_findings(example.links or {})
    for pair in changed:
        old = set((pair.base or "").split("\n"))
        new = {n for n, line in enumerate((pair.head or "").split("\n"), 1) if line not in old}
        findings += hidden_findings(pair.path, pair.head or "", new)
    return (*findings, *inspect(Changes(pairs=changed, title=example.title, tree=tree, tests=tests)))


def _pair(path: str, before: str, example: Example) -> FilePair:
    base, head = example.base.get(before), example.head.get(path)
    raw = head if isinstance(head, bytes) else (head or "").encode("utf-8", "replace")
    binary = b"\0" in raw[:8192]
    old = base.decode("utf-8", "replace") if isinstance(base, bytes) and b"\0" not in base[:8192] else base
    return FilePair(
        path=path,
        previous=before if base is not None else "",
        base=old if isinstance(old, str) else None,
        head=None if head is None or binary else raw.decode("utf-8", "replace"),
        content=raw[:8192] if binary and head != base else b"",
    )


def rejected(findings: tuple[Finding, ...]) -> bool:
    """Whether the gate fails."""
    return any(finding.severity is Severity.ERROR for finding in findings)


def asked(findings: tuple[Finding, ...]) -> bool:
    """Whether a person is asked, or the change is rejected."""
    return any(finding.severity is not Severity.NOTE for finding in findings)


def history(repository: Path, *, count: int) -> Iterator[Example]:
    """The last `count` commits of a bare repository that are no merges, each as a change of its parent."""
    listed = _git(repository, "log", "--no-merges", "--min-parents=1", f"--max-count={count}", "--format=%H %s")
    for line in listed.decode("utf-8", "replace").splitlines():
        sha, _, title = line.partition(" ")
        yield _commit(repository, sha, title)


def _commit(repository: Path, sha: str, title: str) -> Example:
    base: dict[str, str | bytes | None] = {}
    head: dict[str, str | bytes | None] = {}
    renamed, links = {}, {}
    fields = _git(repository, "diff-tree", "-r", "-M", "--raw", "-z", "--no-commit-id", sha).split(b"\0")
    position = 0
    while position < len(fields) - 1:
        modes, new_mode, old_blob, new_blob, status = fields[position].decode().split(" ")
        old = new = fields[position + 1].decode("utf-8", "replace")
        position += 2
        if status[0] in "RC":
            new = fields[position].decode("utf-8", "replace")
            position += 1
        if "160000" in (modes.lstrip(":"), new_mode):
            continue
        if status[0] == "R":
            renamed[new] = old
        content = _git(repository, "cat-file", "blob", new_blob) if set(new_blob) != {"0"} else None
        if new_mode == "120000":
            links[new] = (content or b"").decode("utf-8", "replace")
            continue
        base[old] = _git(repository, "cat-file", "blob", old_blob) if set(old_blob) != {"0"} and status[0] != "C" else None
        head[new] = content
    name = f"{repository.parent.name} {sha[:10]} {title}"
    return Example(name=name, base=base, head=head, title=title, renamed=renamed, links=links)


def _git(repository: Path, *arguments: str) -> bytes:
    done = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return done.stdout
