"""Takes the scripts out of single-file components (.vue, .svelte, .astro), for a scanner that reads scripts only.

Run as `component_scripts.py FOLDER FILE...` by any Python from 3.8 on, with the standard library alone. Of each FILE it writes
`FOLDER/FILE.ts`, of the same size: all but the scripts is blank, so that lines and columns stay what they are. Scripts are what
stands between `<script ...>` and the next `</script` (vuejs.org, "SFC Syntax Specification"; svelte.dev, ".svelte files"), and
what Astro has between its fences (docs.astro.build, "Astro components"). What is commented out is none.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

LARGEST = 5_000_000
"""Bytes of a file; a larger one is not read, and the scanner is given a file that it leaves out for its size."""
_BEGIN = re.compile(r"<!--|<(script)(?=[\s>/])", re.IGNORECASE)
_END = re.compile(r"</script", re.IGNORECASE)
_TAG_END = re.compile(r"""[^>"']*(?:"[^"]*"|'[^']*')?""")
_FENCE = re.compile(r"\s*---[^\S\n]*\n")
_CLOSING = re.compile(r"^---[^\S\n]*$", re.MULTILINE)
_BUT_LINES = re.compile(r"[^\r\n]")


def scripts_of(text: str, *, astro: bool = False) -> str:
    """`text` with everything blank but its scripts. Takes time linear in its length."""
    kept, position = [], 0
    for first, last in _places(text, astro=astro):
        kept += [_BUT_LINES.sub(" ", text[position:first]), text[first:last]]
        position = last
    return "".join([*kept, _BUT_LINES.sub(" ", text[position:])])


def _places(text: str, *, astro: bool) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    position = 0
    fence = _FENCE.match(text) if astro else None
    if fence is not None:
        closing = _CLOSING.search(text, fence.end())
        position = len(text) if closing is None else closing.end()
        found.append((fence.end(), len(text) if closing is None else closing.start()))
    while True:
        begin = _BEGIN.search(text, position)
        if begin is None:
            return found
        if begin.group(1) is None:
            end = text.find("-->", begin.end())
            position = len(text) if end < 0 else end + 3
            continue
        first = _after_tag(text, begin.end())
        closing = _END.search(text, first)
        position = len(text) if closing is None else closing.end()
        found.append((first, len(text) if closing is None else closing.start()))


def _after_tag(text: str, position: int) -> int:
    """Where the tag ends whose attributes begin at `position`; a `>` in quotes does not end it."""
    while position < len(text) and text[position] != ">":
        matched = _TAG_END.match(text, position)
        after = position if matched is None else matched.end()
        position = after if after > position else position + 1
    return min(position + 1, len(text))


def main() -> None:
    """Write the files."""
    folder, *files = sys.argv[1:]
    for name in files:
        source, target = Path(name), Path(folder, f"{name}.ts")
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.stat().st_size > LARGEST:
            with target.open("wb") as large:
                large.truncate(LARGEST + 1)
            continue
        with source.open(encoding="utf-8", errors="replace", newline="") as stream:
            text = stream.read()
        with target.open("w", encoding="utf-8", newline="") as stream:
            stream.write(scripts_of(text, astro=source.suffix == ".astro"))


if __name__ == "__main__":
    main()
