"""Reading what tsc, and programs that print as it does, say with `--pretty false --listFiles --diagnostics`.

`--diagnostics` ends with "Files: 66", which counts the lines of the list, so that a list that was cut off is not believed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category
from forge_dagster.domain.places import inside
from forge_dagster.ports import ToolRequest
from forge_dagster.tools.fast.javascript import node_directory
from forge_dagster.tools.reading import place

_PLACED = re.compile(r"(?P<file>\S.*?)\((?P<line>\d+),(?P<column>\d+)\): error (?P<code>TS-?\d+): (?P<message>.*)")
_GLOBAL = re.compile(r"error (?P<code>TS-?\d+): (?P<message>.*)")
_OURS = re.compile(r"'(noEmit|emitDeclarationOnly|incremental|tsBuildInfoFile|listFiles|diagnostics|skipLibCheck)'")
"""Options that Forge gives: an error that names one of them beside the repository's own is not the change's fault."""
_END = "Total time:"
"""Begins the last line of `--diagnostics`."""
_FILES = re.compile(r"Files: +(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """`findings` are errors that have a place, `configuration` those without, `own` the repository's files looked at.

    `own` is None where the list of files is missing or cut off.
    """

    findings: tuple[Finding, ...]
    configuration: tuple[str, ...]
    own: frozenset[str] | None


def compiled(request: ToolRequest, lines: Sequence[str], *, tool: str) -> Compiled:
    """What the compiler says; indented lines go on with the message before."""
    findings: list[Finding] = []
    configuration: list[str] = []
    open_message = False
    for line in lines:
        match = _PLACED.fullmatch(line)
        if match is not None and match["file"].endswith(".json") and _OURS.search(match["message"]):
            configuration.append(f"{match['code']}: {match['message']}")
            match = None
        elif match is not None:
            findings.append(_finding(request, match, tool))
        elif line.startswith("  ") and open_message:
            last = findings[-1]
            findings[-1] = last.model_copy(update={"message": f"{last.message}\n{line.strip()}"})
            continue
        elif (other := _GLOBAL.fullmatch(line)) is not None:
            configuration.append(f"{other['code']}: {other['message']}")
        open_message = match is not None
    return Compiled(findings=tuple(findings), configuration=tuple(configuration), own=_own(request, lines))


def _finding(request: ToolRequest, match: "re.Match[str]", tool: str) -> Finding:
    return Finding(
        tool=tool,
        rule=match["code"],
        message=match["message"],
        category=Category.TYPE,
        file=place(request, match["file"], directory=node_directory(request)),
        line=max(int(match["line"]), 1),
        column=max(int(match["column"]), 1),
    )


def _own(request: ToolRequest, lines: Sequence[str]) -> frozenset[str] | None:
    """Files of the repository in the list, of every project where there are several; None when a list is not whole."""
    found: set[str] = set()
    tracked = frozenset(request.project.files)
    start, ends = 0, [(at, int(match[1])) for at, line in enumerate(lines) if (match := _FILES.fullmatch(line))]
    for end, count in ends:
        between = lines[start:end]
        listed = [
            line for line in between if not line.startswith(" ") and not _PLACED.fullmatch(line) and not _GLOBAL.fullmatch(line)
        ]
        if len(listed) < count:
            return None
        named = (inside(request.root, line, directory=node_directory(request)) for line in listed)
        found |= {name for name in named if name is not None and name in tracked}
        start = end + 1
    whole = bool(ends) and any(line.startswith(_END) for line in lines[start:])
    return frozenset(found) if whole else None
