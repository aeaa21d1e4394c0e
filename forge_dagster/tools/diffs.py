"""Reading the unified diffs that formatters print."""

from dataclasses import dataclass

from forge_dagster.tools.reading import Unreadable

_SHOWN = 120
"""Characters of a line that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first place where a file differs from what the formatter makes of it. `line` counts in the file as it is."""

    path: str
    line: int
    before: str
    after: str

    def __str__(self) -> str:
        if self.before.strip() and self.after.strip() and self.before != self.after:
            return f"`{self.before}` would become `{self.after}`"
        if self.before.strip() and not self.after.strip():
            return f"`{self.before}` would go"
        added = self.after.strip() and not self.before.strip()
        return f"`{self.after}` would be added" if added else "blank lines or line ends differ"


def first_differences(diff: str) -> tuple[Difference, ...]:
    """The first difference of each file, in order. Raises Unreadable for a diff that is cut off or contradicts itself."""
    from unidiff.errors import UnidiffParseError
    from unidiff.patch import PatchSet

    try:
        patches = PatchSet(diff)
    except (UnidiffParseError, ValueError, LookupError) as error:
        raise Unreadable(f"the diff cannot be read ({error})") from error
    found: dict[str, Difference] = {}
    for patch in patches:
        changed = next(((hunk, number) for hunk in patch for number, line in enumerate(hunk) if not line.is_context), None)
        if changed is not None and patch.source_file not in found:
            found[patch.source_file] = _difference(patch.source_file, list(changed[0]), changed[1], changed[0].source_start)
    return tuple(found.values())


def _difference(path: str, lines: list, first: int, start: int) -> Difference:  # type: ignore[type-arg]
    run = lines[first:]
    end = next((number for number, line in enumerate(run) if line.is_context), len(run))
    before = next((line.value for line in run[:end] if line.is_removed and line.value.strip()), "")
    after = next((line.value for line in run[:end] if line.is_added and line.value.strip()), "")
    at = start + sum(not line.is_added for line in lines[:first])
    return Difference(path=path, line=max(at, 1), before=before.rstrip("\r\n")[:_SHOWN], after=after.rstrip("\r\n")[:_SHOWN])


def first_change(before: str, after: str, path: str) -> Difference | None:
    """The first line in which two versions of a file differ, or None where they are equal."""
    old, new = before.split("\n"), after.split("\n")
    for number in range(max(len(old), len(new))):
        pair = [side[number] if number < len(side) else "" for side in (old, new)]
        if pair[0] != pair[1] or number >= min(len(old), len(new)):
            return Difference(path=path, line=min(number + 1, len(old)), before=pair[0][:_SHOWN], after=pair[1][:_SHOWN])
    return None
