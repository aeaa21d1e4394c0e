"""Tells which test files execute which lines: a program for the repository's own Python, from 3.8 on, with its coverage.py.

Reads {"folder": ..., "data": ..., "files": {path: [lines]}} and prints, for each measured file, line -> the contexts of
pytest-cov without the tests' names ("tests/test_a.py"; "" is code that an import executes). Forge judges what it writes
(forge_dagster/tools/analysis/cosmic_ray.py); nothing here decides anything.
"""

from __future__ import annotations

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
        executed = set(data.lines(name) or ())
        found[path] = {
            line: sorted({context.partition("::")[0] if "::" in context else "" for context in contexts.get(line, ())} or {""})
            for line in lines
            if line in executed
        }
    json.dump({"schema": SCHEMA, "files": found}, sys.stdout)


if __name__ == "__main__":
    main()
