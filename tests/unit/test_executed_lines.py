"""Which tests execute which lines: what coverage.py saw, by the statements that faults are planted into."""

import json
import subprocess
import sys
from pathlib import Path

from coverage import CoverageData

from forge_dagster.tools.analysis.cosmic_ray import EXECUTED

CODE = """\
import math


def wait(a, b):
    if (
        a > 0
        and math.isfinite(b)
    ):
        return max(
            a,
            b,
        )
    return 0
"""


def executed(folder: Path, lines: dict[str, list[int]]) -> dict[str, list[str]]:
    """Line -> test files, where each of the contexts executed such lines."""
    (folder / "a.py").write_text(CODE)
    data = CoverageData(str(folder / "coverage.data"))
    for context, numbers in lines.items():
        data.set_context(context)
        data.add_lines({str(folder / "a.py"): numbers})
    data.write()
    question = {"folder": str(folder), "data": str(folder / "coverage.data"), "files": {"a.py": list(range(1, 14))}}
    done = subprocess.run(
        [sys.executable, str(EXECUTED)], input=json.dumps(question), capture_output=True, text=True, check=True, timeout=60
    )
    found: dict[str, list[str]] = json.loads(done.stdout)["files"]["a.py"]
    return found


def test_a_condition_over_several_lines_is_executed_with_any_of_them(tmp_path: Path) -> None:
    """Python 3.11 reports no line `if (`: only those of the condition."""
    found = executed(tmp_path, {"tests/test_a.py::test_one|run": [6, 7, 10], "tests/test_b.py::test_two|run": [6, 13]})
    assert found["5"] == ["tests/test_a.py", "tests/test_b.py"]
    assert found["7"] == ["tests/test_a.py"]
    assert found["9"] == ["tests/test_a.py"]
    assert found["13"] == ["tests/test_b.py"]
    assert found.keys() == {"5", "6", "7", "9", "10", "13"}, "what is inside of a statement says nothing of it"


def test_what_an_import_executes_belongs_to_no_test(tmp_path: Path) -> None:
    assert executed(tmp_path, {"": [1, 4]}) == {"1": [""], "4": [""]}
