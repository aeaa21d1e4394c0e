"""A change that touches tests, or what they run under, has the tests of base and head compared as the runner itself knows them.

Tests that the head's runner leaves out though their source is there ask for a person. Only where the suite passed. A tool says
how it tells its tests:

- `tells_tests`: by the report of the run that has just passed, so that the head costs nothing more;
- `lists`: on request, without running them (ports.Selection.listing). So is the base asked, and the head where its run does
  not tell.

The base of a runner that only reports is run, once for all changes on it. For one that does neither, the comparison of sources
(domain/tampering/suites.py) has to do.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.foreign import load_json
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.project import Language
from forge_dagster.domain.suite_configuration import says_of_tests
from forge_dagster.domain.tampering.collected import left_out, scripts_left_out
from forge_dagster.domain.tampering.files import PYTHON, SCRIPTS, is_test_code
from forge_dagster.errors import ForgeError, Interrupted, Superseded
from forge_dagster.gates.attribution import KEPT, Ask, base_place
from forge_dagster.gates.base_suite import touched_surroundings
from forge_dagster.gates.changed_files import regular
from forge_dagster.gates.examined import Examined
from forge_dagster.gates.kept import keep, kept
from forge_dagster.gates.overlaid import asked_over, finding_of, with_more
from forge_dagster.gates.selection import Choice
from forge_dagster.ports import GateContext, Selection, ToolReport

_SCHEMA = "forge.tests/1"
_ELSE = {Language.PYTHON: SCRIPTS, Language.TYPESCRIPT: PYTHON}
"""Endings of the other language's tests."""
_MOST_FILES = 3_000
"""Test files in which a test is looked for that its runner gives no file of."""
_UNTOLD = "those of the base cannot be had"


def with_collected(context: GateContext, choice: Choice, examined: Examined, ask: Ask, selection: Selection) -> Examined:
    """What was examined (`selection`), with the tests that do not run any more. Raises Interrupted and Superseded."""
    language = choice.tool.language
    if not (_lists(choice) or _tells(choice)) or context.gate != "unit" or language is None:
        return examined
    if examined.run.outcome is not Outcome.PASSED or context.base is None or context.change.base_sha is None:
        return examined
    try:
        if not _is_concerned(context, language):
            return examined
        context.log(f"{choice.tool.name}: comparing the tests of head and base")
        return with_more(examined, *_missed(context, choice, examined, ask, selection))
    except (Interrupted, Superseded):
        raise
    except ForgeError as error:
        return with_more(examined, _unlisted(choice, f"{_UNTOLD}: {error.message}"))


def _lists(choice: Choice) -> bool:
    return bool(getattr(choice.tool, "lists", False))


def _tells(choice: Choice) -> bool:
    return bool(getattr(choice.tool, "tells_tests", False))


def _is_concerned(context: GateContext, language: Language) -> bool:
    """Whether the change touches tests of this language, or what they run under."""
    paths = context.change.paths
    if any((is_test_code(path) and not path.endswith(_ELSE[language])) or says_of_tests(path, language) for path in paths):
        return True
    try:  # where no configuration is touched, the base's is the head's
        return bool(touched_surroundings(context, (context.root,), language))
    except ValueError:  # more of them than are looked at: any may be
        return True


def _missed(context: GateContext, choice: Choice, examined: Examined, ask: Ask, selection: Selection) -> tuple[Finding, ...]:
    """The findings. Raises ForgeError where the base cannot be had."""
    asked = replace(selection if _tells(choice) else Selection(), measure=False, listing=_lists(choice))
    report = examined.report
    if not _tells(choice):
        report = _listed(context, choice, ask, asked)
        if report.outcome is not Outcome.PASSED:  # though it ran them: what it will not list is for a person to look at
            return (_unlisted(choice, report.reason),)
    base = _of_base(context, choice, ask, examined.run.version, asked)
    if base is None:
        context.log(f"{choice.tool.name}: the base's own tests cannot be told, so there is nothing to compare with")
        return ()
    skipped = _excused(context, report.skipped)
    found = _compared(context, choice, base, (*report.tests, *skipped), selection)
    if found and _lists(choice) and report.skipped:
        # a test may skip itself while it runs, which no list of the base's tells: only what is listed as skipped is left out
        listed = set(_listed(context, choice, ask, asked).tests)
        more = [test for test in report.skipped if test in listed and test not in skipped]
        found = _compared(context, choice, base, (*report.tests, *skipped, *more), selection)
    return found


def _excused(context: GateContext, skipped: Sequence[str]) -> tuple[str, ...]:
    """What is skipped in files that the change touches: the comparison of sources tells that."""
    touched = set(context.change.paths)
    return tuple(test for test in skipped if test.partition("::")[0] in touched)


def _compared(
    context: GateContext, choice: Choice, base: Sequence[str], head: Sequence[str], selection: Selection
) -> tuple[Finding, ...]:
    root, files = context.root, (choice.project or context.project).files
    renamed = {file.previous_path: file.path for file in context.change.files if file.previous_path is not None}
    changed = set(context.change.paths)

    def text(path: str) -> str | None:
        return regular(root, path)[0].decode("utf-8", "replace") if (root / path).is_file() else None

    if choice.tool.language is Language.PYTHON:
        return left_out(base, head, renamed=renamed, changed=changed, text=text)
    elsewhere = set(selection.without)  # now run by another gate
    kept_here = [test for test in base if renamed.get(file := test.partition("::")[0], file) not in elsewhere]
    tests = [path for path in files if path.endswith(SCRIPTS) and is_test_code(path) and path not in elsewhere]
    return scripts_left_out(kept_here, head, renamed=renamed, changed=changed, text=text, files=tests[:_MOST_FILES])


def _unlisted(choice: Choice, why: str) -> Finding:
    message = f"{choice.tool.name} ran the tests, but does not list them for a comparison with the base: {why}"
    return finding_of("unexaminable", message, fix="a person looks whether all the tests still run")


def _listed(context: GateContext, choice: Choice, ask: Ask, selection: Selection) -> ToolReport:
    """The head's tests."""
    return ask(replace(context, scratch=_folder(context, "head-tests"), base=None), choice, selection).report


def _of_base(context: GateContext, choice: Choice, ask: Ask, version: str, selection: Selection) -> tuple[str, ...] | None:
    """The base's tests, from an earlier run or now; those of a suite that fails there count as well."""
    place = base_place(context, choice, version, selection, schema=_SCHEMA)
    content = kept(place) if place is not None else None
    if content is not None:
        try:
            known = load_json(content)
        except (ValueError, RecursionError):
            known = None
        if isinstance(known, list) and all(isinstance(test, str) for test in known):
            return tuple(known)
    answer = asked_over(context, choice, ask, selection=selection, over=False)
    if answer is None or answer.report.outcome not in (Outcome.PASSED, Outcome.FAILED):
        return None
    if place is not None:
        keep(place, json.dumps(answer.report.tests).encode(), count=KEPT)
    return answer.report.tests


def _folder(context: GateContext, name: str) -> Path:
    place = context.scratch / name
    place.mkdir(parents=True, exist_ok=True)
    return place
