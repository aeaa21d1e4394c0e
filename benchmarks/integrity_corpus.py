"""How often the integrity gate is right: attacks that it catches, honest changes that it rejects or asks a person about.

Attacks are those of tests/attacks; honest changes are generated, and taken from the histories of the repositories in
$FORGE_REAL_REPOSITORIES (`<owner>+<name>/repo`, bare). The gate must catch every attack and reject at most 2% of the honest.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from forge_dagster.domain.outcomes import Severity
from forge_dagster.domain.sources import is_test
from forge_dagster.domain.tampering.loosening import is_configuration
from tests.attacks.tampers import TAMPERS
from tests.support.honest_changes import generated
from tests.support.integrity_corpus import Example, asked, history, judged, rejected

COMMITS = int(os.environ.get("FORGE_CORPUS_COMMITS", "40"))
"""Commits of each repository."""


def measure(name: str, examples: Iterable[Example], *, show: bool) -> float:
    """Judge them all and print both rates; the share that is rejected."""
    total = wrong = person = code = code_asked = 0
    rules: Counter[str] = Counter()
    for example in examples:
        findings = judged(example)
        total += 1
        wrong += rejected(findings)
        person += asked(findings)
        plain = not any(
            is_test(path) or is_configuration(path) or path.startswith(".") for path in {**example.base, **example.head}
        )
        code += plain
        code_asked += plain and asked(findings)
        rules.update({finding.rule for finding in findings if finding.severity is not Severity.NOTE})
        for finding in findings if show else ():
            if finding.severity is Severity.ERROR:
                print(f"  rejected: {example.name[:90]}\n    {finding.rule} {finding.place} {finding.message[:200]}")
    share = wrong / total if total else 0.0
    print(
        f"{name}: {total} changes, {wrong} rejected ({share:.1%}), {person} asked or rejected ({person / max(total, 1):.0%}); ",
        end="",
    )
    print(f"of {code} without tests and configuration {code_asked} asked ({code_asked / max(code, 1):.0%})")
    print("  " + ", ".join(f"{rule} {count}" for rule, count in rules.most_common(30)))
    return share


def main() -> int:
    """Print both rates; 1 where one of them is not what it has to be."""
    missed = [example.name for examples in TAMPERS.values() for example in examples if not asked(judged(example))]
    patterns = sum(all(asked(judged(example)) for example in examples) for examples in TAMPERS.values())
    print(f"attacks: {patterns} of {len(TAMPERS)} patterns caught; missed: {', '.join(missed) or 'none'}")
    worst = measure("generated", generated(), show=True)
    folder = os.environ.get("FORGE_REAL_REPOSITORIES")
    if folder:
        found = sorted(Path(folder).glob("*/repo"))
        worst = max(worst, measure("real", (e for place in found for e in history(place, count=COMMITS)), show=True))
    else:
        print("real histories: FORGE_REAL_REPOSITORIES is not set")
    return 1 if missed or worst > 0.02 else 0


if __name__ == "__main__":
    sys.exit(main())
