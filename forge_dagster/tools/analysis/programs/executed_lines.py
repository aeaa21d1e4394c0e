"""Tells which test files execute which lines: a program for the repository's own Python, from 3.8 on, with its coverage.py.

Reads {"folder": ..., "data": ..., "files": {path: [lines]}} and prints, for each measured file, line -> the contexts of
pytest-cov without the tests' names ("tests/test_a.py"; "" is code that an import executes). Forge judges what it writes
(forge_dagster/tools/analysis/cosmic_ray.py); nothing here decides anything.
"""

from __future__ import annotations

import ast
import json
import os
import sys

if __name__ == "__main__":
    # the folder of this file
    sys.path[0] = ""

from coverage import CoverageData

SCHEMA = "forge.executed/1"


def main() -> None:
    """Print one object."""
    asked = json.load(sys.stdin)
    data = CoverageData(asked["data"])
    data.read()
    measured = {os.path.realpath(os.path.join(asked["folder"], name)): name for name in data.measured_files()}  # noqa: PTH118
    found = {}
    for path, lines in asked["files"].items():
        name = measured.get(os.path.realpath(os.path.join(asked["folder"], path)))  # noqa: PTH118
        if name is None:
            continue
        contexts = data.contexts_by_lineno(name)
        begins = first_lines(name)
        tests: dict[int, set[str]] = {}
        for line in data.lines(name) or ():
            files = {context.partition("::")[0] if "::" in context else "" for context in contexts.get(line, ())} or {""}
            for each in {line, begins.get(line, line)}:
                tests.setdefault(each, set()).update(files)
        found[path] = {line: sorted(tests[line]) for line in lines if line in tests}
    json.dump({"schema": SCHEMA, "files": found}, sys.stdout)


def first_lines(path: str) -> dict[int, int]:
    """Line -> the first one of the statement that it belongs to, without the statements inside.

    Of an `if (` with its condition on the lines below, Python executes none but those.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    found: dict[int, int] = {}
    for node in ast.walk(tree):  # what is inside comes after what it is in
        if isinstance(node, ast.stmt):
            for line in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                found[line] = node.lineno
    return found


if __name__ == "__main__":
    main()
