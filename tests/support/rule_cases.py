"""The cases of the rules that ship with Forge: code in `tests/rules/`, in which comments say what each line is to give.

`# ruleid: a, b` (`//` in JavaScript): the next line is found by the rules a and b, and by no other; `# ok: a`: not by a. The
files end in .txt, so that no linter takes them for code of this repository.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from forge_dagster.tools.analysis.semgrep import RULES

CASES = Path(__file__).parents[1] / "rules"
_SAYING = re.compile(r"\s*(?:#|//) (ruleid|ok): ([\w, -]+)$")


@dataclass(frozen=True, kw_only=True)
class Saying:
    """What a comment says of `line` (the one after it) of `file`: `rule` finds it, or does not."""

    file: str
    line: int
    rule: str
    found: bool


def files() -> dict[str, str]:
    """Name -> text of every file of cases."""
    return {path.name.removesuffix(".txt"): path.read_text("utf-8") for path in sorted(CASES.glob("*.txt"))}


def sayings() -> Iterator[Saying]:
    for name, text in files().items():
        for number, line in enumerate(text.splitlines(), 1):
            match = _SAYING.match(line)
            for rule in match[2].split(", ") if match else ():
                yield Saying(file=name, line=number + 1, rule=rule, found=match is not None and match[1] == "ruleid")


def rules() -> list[dict[str, Any]]:
    """Every rule, with the folder it is in as "folder"."""
    found: list[dict[str, Any]] = []
    for path in sorted(RULES.rglob("*.yaml")):
        found += [{**rule, "folder": path.parent.name} for rule in yaml.safe_load(path.read_text("utf-8"))["rules"]]
    return found
