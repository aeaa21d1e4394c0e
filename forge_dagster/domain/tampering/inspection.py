"""All that a change shows of tampering: each family of patterns is asked about the files it knows."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from forge_dagster.domain.component_scripts import COMPONENTS, component_script
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.sources import SOURCE_ENDINGS
from forge_dagster.domain.tampering import (
    answers,
    python_habits,
    python_hooks,
    python_source,
    script_habits,
    script_source,
)
from forge_dagster.domain.tampering.addressed import addressed_signs
from forge_dagster.domain.tampering.command_lines import command_signs, package_signs
from forge_dagster.domain.tampering.files import (
    PYTHON,
    SCRIPTS,
    Changes,
    FilePair,
    is_collected,
    is_test_code,
    is_type_test,
    name,
)
from forge_dagster.domain.tampering.locks import lock_findings
from forge_dagster.domain.tampering.loosening import loosening_signs
from forge_dagster.domain.tampering.places import place_findings
from forge_dagster.domain.tampering.python_source import Unreadable
from forge_dagster.domain.tampering.python_tests import python_tests
from forge_dagster.domain.tampering.script_tests import script_tests
from forge_dagster.domain.tampering.signs import Sign, asks, found, fresh
from forge_dagster.domain.tampering.snapshots import snapshot_findings
from forge_dagster.domain.tampering.suites import TestFact, compare
from forge_dagster.domain.tampering.supply import is_lock, supply_signs
from forge_dagster.domain.tampering.suppressions import suppression_signs
from forge_dagster.domain.tool_configuration import is_configuration

_DEPTH = (RecursionError, MemoryError)
_UNEXAMINED = "a person looks at it, since Forge cannot"


def inspect(changes: Changes) -> tuple[Finding, ...]:
    """Every finding about tampering. Never raises for anything that a file may hold."""
    pairs = changes.pairs
    source_changed = any(_is_source(pair) for pair in pairs)
    old: list[Sign] = []
    new: list[tuple[str, Sign]] = []
    base_tests: dict[str, tuple[TestFact, ...]] = {}
    head_tests: dict[str, tuple[TestFact, ...]] = {}
    findings: list[Finding] = []
    for pair in pairs:
        before, facts_before, _ = _version(pair.before, pair.base, changes)
        after, facts_after, problem = _version(pair.path, pair.head, changes)
        old += before
        new += [(pair.path, sign) for sign in after]
        if facts_before and is_test_code(pair.before):
            base_tests[pair.before] = facts_before
        if facts_after and _still_collected(pair):
            head_tests[pair.path] = facts_after
        findings += [found(sign, pair.path) for sign in (*_between(pair), *_unexamined(pair, problem))]
    findings += fresh(old, new)
    renamed = {pair.path: pair.before for pair in pairs}
    findings += compare(base_tests, head_tests, renamed=renamed, source_changed=source_changed)
    findings += place_findings(pairs, changes.tree)
    findings += lock_findings(pairs)
    findings += snapshot_findings(pairs, source_changed=source_changed)
    findings += (found(replace(sign, line=None), None) for sign in addressed_signs(changes.title))
    if changes.unread:
        message = f"the change touches {changes.unread} files more than are looked into"
        findings.append(found(asks("unexaminable", message, fix="split the change"), None))
    return tuple(findings)


def _is_source(pair: FilePair) -> bool:
    if is_test_code(pair.path) and is_test_code(pair.before):
        return False
    return (
        pair.path.endswith(SOURCE_ENDINGS)
        and not is_configuration(pair.path)
        and (pair.base is not None or pair.head is not None)
    )


def _still_collected(pair: FilePair) -> bool:
    """Whether runners find the tests of the file under its new name as well as they did under the old."""
    return is_test_code(pair.path) and (is_collected(pair.path) or not is_collected(pair.before) or pair.base is None)


def _version(path: str, text: str | None, changes: Changes) -> tuple[list[Sign], tuple[TestFact, ...], str]:
    """The signs in one version of a file, its tests, and why it could not be looked into."""
    if text is None:
        return [], (), ""
    signs = [*command_signs(text, path)]
    if not is_lock(path):
        signs += [*suppression_signs(text), *addressed_signs(text)]
    tests: tuple[TestFact, ...] = ()
    problem = ""
    try:
        if path.endswith(PYTHON):
            tests = _python(path, text, changes, signs)
        elif path.endswith(SCRIPTS) and not path.endswith((".d.ts", ".d.mts", ".d.cts", ".min.js")):
            tests, problem = _script(path, text, changes, signs)
        elif path.endswith(COMPONENTS):
            problem = _component(path, text, changes, signs)
    except Unreadable as error:
        problem = str(error)
    except _DEPTH as error:
        problem = f"it is too intricate: {type(error).__name__}"
    return signs, tests, problem


def _python(path: str, text: str, changes: Changes, signs: list[Sign]) -> tuple[TestFact, ...]:
    tree = python_source.parse(text)
    signs += python_hooks.hook_signs(tree, path)
    signs += python_habits.habit_signs(tree, path)
    if is_test_code(path):
        return python_tests(tree)
    signs += answers.python_answers(tree, changes.tests)
    return ()


def _script(path: str, text: str, changes: Changes, signs: list[Sign]) -> tuple[tuple[TestFact, ...], str]:
    root: Any = script_source.parse(text, path)
    problem = "it is no valid JavaScript or TypeScript" if root.has_error else ""
    signs += script_habits.habit_signs(root, path)
    if is_test_code(path) and not is_type_test(path):
        return script_tests(root), problem
    if not is_test_code(path):
        signs += answers.script_answers(root, changes.tests)
    return (), problem


def _component(path: str, text: str, changes: Changes, signs: list[Sign]) -> str:
    """The scripts of a component are looked at as one. What is no valid script by itself is a matter of its compiler's."""
    script = component_script(text, astro=path.endswith(".astro"))
    root: Any = script_source.parse(script.text, f"{path}{script.ending}")
    signs += script_habits.habit_signs(root, path)
    if not is_test_code(path):
        signs += answers.script_answers(root, changes.tests)
    return "it has a script in another language, or within another script" if script.unread else ""


_BETWEEN: tuple[Callable[[FilePair], Iterable[Sign]], ...] = (loosening_signs, supply_signs)


def _between(pair: FilePair) -> Iterator[Sign]:
    for family in _BETWEEN:
        yield from family(pair)
    if name(pair.path) == "package.json":
        yield from package_signs(pair)


def _unexamined(pair: FilePair, problem: str) -> Iterator[Sign]:
    if pair.cut:
        yield asks("unexaminable", "the file is too large to be looked at as a whole", fix=_UNEXAMINED)
    elif problem and not (problem.startswith("it is no valid") and pair.path.endswith(SCRIPTS) and _was_broken(pair)):
        yield asks("unexaminable", f"the file could not be compared with the base's: {problem}", fix=_UNEXAMINED)


def _was_broken(pair: FilePair) -> bool:
    """Whether the base's version cannot be parsed either: then it is no JavaScript that the grammar knows (Flow)."""
    if pair.base is None:
        return False
    try:
        return script_source.parse(pair.base, pair.before).has_error
    except Unreadable:
        return True
