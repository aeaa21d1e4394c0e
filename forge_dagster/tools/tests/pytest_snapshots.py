"""What syrupy says of snapshots at the end of pytest's output.

syrupy 3 to 7 makes pytest end with 1 for a snapshot that no test uses, while every test passed and JUnit knows of no fault; the
summary that it prints is what explains it. A missing snapshot fails its test. Only `--snapshot-update` writes any.
"""

import posixpath
import re
from collections.abc import Collection
from dataclasses import dataclass

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Severity

_HEAD = re.compile(r"^-+ snapshot report summary -+$", re.MULTILINE)
_COUNT = re.compile(r"(\d{1,9}) snapshots? (passed|failed|unused|generated|updated)\b")
_DELETED = re.compile(r"(\d{1,9}) unused snapshots? deleted\b")
_DETAIL = re.compile(r"^(Unused|Generated|Updated|Deleted) (.+) \(([^()\n]+)\)$", re.MULTILINE)
_LINES = 4_000
"""Lines of details that are read."""
_FIX = {
    "snapshot-obsolete": "delete it: python -m pytest --snapshot-update, and look at what that changes",
    "snapshot-written": "take --snapshot-update out of the configuration, and commit the snapshot with the change",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshots:
    """What became of a suite's snapshots. `unused` counts what syrupy itself said; the findings leave out what was not run."""

    compared: int = 0
    unused: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def metrics(self) -> dict[str, float]:
        """Under the names that gate `snapshot` reads; nothing where there are no snapshots."""
        obsolete = sum(finding.rule == "snapshot-obsolete" for finding in self.findings)
        counts = {
            "snapshots": self.compared,
            "snapshots_obsolete": obsolete,
            "snapshots_written": len(self.findings) - obsolete,
        }
        return {name: float(count) for name, count in counts.items() if self.compared or self.unused or self.findings}


def read_snapshots(printed: str, *, left_out: Collection[str] = ()) -> Snapshots | None:
    """Read syrupy's summary; None when there is none. `left_out` are test files that were not run: theirs are not unused."""
    heads = list(_HEAD.finditer(printed))
    if not heads:
        return None
    text = printed[heads[-1].end() :]
    summary = text.lstrip("\n").partition("\n")[0]
    counts = {word: int(number) for number, word in _COUNT.findall(summary)}
    deleted = _DELETED.search(summary)
    stems = {posixpath.basename(path).removesuffix(".py") for path in left_out}
    findings = []
    told = 0
    for kind, names, file in _DETAIL.findall("\n".join(text.splitlines()[:_LINES])):
        told += kind == "Unused"
        if kind == "Unused" and _of(file, stems):
            continue
        rule = "snapshot-obsolete" if kind == "Unused" else "snapshot-written"
        findings += [_finding(rule, kind.lower(), name, file) for name in _split(names)]
    unused = counts.get("unused", 0)
    if unused and not told:
        findings.append(_finding("snapshot-obsolete", "unused", f"{unused} snapshots", None))
    wrote = counts.get("generated", 0) + counts.get("updated", 0) + (int(deleted[1]) if deleted else 0)
    if wrote and not any(finding.rule == "snapshot-written" for finding in findings):
        findings.append(_finding("snapshot-written", "written", f"{wrote} snapshots", None))
    return Snapshots(compared=counts.get("passed", 0) + counts.get("failed", 0), unused=unused, findings=tuple(findings))


def _split(names: str) -> list[str]:
    """Names that are joined by ", ", which a name may hold too, within its brackets."""
    return [name for name in re.split(r", (?![^\[\]]*\])", names) if name][:1_000]


def _of(file: str, stems: Collection[str]) -> bool:
    """Whether a snapshot file belongs to one of these test files: it or its folder is called as they are."""
    parts = file.replace("\\", "/").split("/")
    return any(part.partition(".")[0] in stems for part in parts[-2:])


def _finding(rule: str, what: str, name: str, file: str | None) -> Finding:
    says = f"snapshot {name} is used by no test" if rule == "snapshot-obsolete" else f"the test run {what} snapshot {name}"
    return Finding(
        tool="pytest",
        rule=rule,
        category=Category.TEST,
        severity=Severity.WARNING,
        file=file,
        message=says,
        suggested_fix=_FIX[rule],
        snippet=name,
    )
