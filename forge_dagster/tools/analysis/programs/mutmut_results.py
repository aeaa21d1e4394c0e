"""Tells what mutmut planted and what became of it: a program for the Python of the repository that has mutmut, from 3.9 on.

Reads {"folder": ..., "files": {path: [lines]}} and prints every mutant of those lines that mutmut wrote down below `mutants/`:
`<path>.meta` holds what became of each, `<path>` the functions as mutmut changed them beside the original ones, from which line
and difference follow (mutmut itself knows functions only). Forge judges it (forge_dagster/tools/analysis/mutmut.py).
"""

from __future__ import annotations

import ast
import difflib
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SCHEMA = "forge.mutmut/1"
LIMIT = 64 * 1024 * 1024
NAME = re.compile(r"(?P<stem>x(?:_|ǁ.+ǁ)(?P<function>\w+?))__mutmut_(?P<number>\d+)$")
ORIGINAL = "__mutmut_orig"


def main() -> None:
    """Print one object."""
    asked = json.load(sys.stdin)
    os.chdir(asked["folder"])
    found: list[dict[str, Any]] = []
    for path, lines in sorted(asked["files"].items()):
        meta, mutated = Path("mutants") / f"{path}.meta", Path("mutants") / path
        if not meta.is_file() or not mutated.is_file() or mutated.stat().st_size > LIMIT:
            continue
        codes = json.loads(meta.read_bytes())["exit_code_by_key"]
        found += _mutants(path, set(lines), codes, mutated.read_text("utf-8"))
    seconds = _seconds()
    for mutant in found:
        mutant["seconds"] = seconds.get(mutant["key"].rpartition("__mutmut_")[0], 0.0)
    sys.stdout.write(json.dumps({"schema": SCHEMA, "mutants": found}))


def _seconds() -> dict[str, float]:
    """mutmut's name of a function -> what the tests of it take."""
    try:
        stats = json.loads(Path("mutants/mutmut-stats.json").read_bytes())
    except OSError:
        return {}
    times = stats["duration_by_test"]
    return {
        name: sum(times.get(test, 0.0) for test in tests) for name, tests in stats["tests_by_mangled_function_name"].items()
    }


def _mutants(path: str, lines: set[int], codes: dict[str, Any], mutated: str) -> Iterator[dict[str, Any]]:
    text = mutated.split("\n")
    made = {
        node.name: (node.lineno, text[node.lineno - 1 : node.end_lineno])
        for node in ast.walk(ast.parse(mutated))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    starts = dict(_functions(ast.parse(Path(path).read_text("utf-8")).body, ""))
    for key, code in codes.items():
        name = key.rpartition(".")[2]
        match = NAME.match(name)
        original = made.get(f"{match['stem']}{ORIGINAL}") if match is not None else None
        if match is None or original is None or name not in made or match["stem"] not in starts:
            continue
        before = [line.replace(f"{match['stem']}{ORIGINAL}", match["function"]) for line in original[1]]
        after = [line.replace(name, match["function"]) for line in made[name][1]]
        changed = [op for op in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes() if op[0] != "equal"]
        if not changed:
            continue
        first, last = changed[0][1], max(changed[-1][2], changed[0][1] + 1)
        line = starts[match["stem"]] + first
        if lines.isdisjoint(range(line, line + last - first)):
            continue
        removed = [row for op in changed for row in before[op[1] : op[2]]]
        added = [row for op in changed for row in after[op[3] : op[4]]]
        yield {"key": key, "file": path, "line": line, "removed": removed[:20], "added": added[:20], "code": code}


def _functions(body: list[ast.stmt], inside: str) -> Iterator[tuple[str, int]]:
    """mutmut's name of each function and method -> line of its `def`."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield (f"xǁ{inside}ǁ{node.name}" if inside else f"x_{node.name}"), node.lineno
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node.body, f"{inside}.{node.name}" if inside else node.name)


if __name__ == "__main__":
    main()
