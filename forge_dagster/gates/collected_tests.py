"""A change that touches tests, or what they run under, has the tests of base and head listed by the runner itself.

Tests that the head's runner leaves out though their source is there ask for a person. Only for a runner that lists its tests
without running them (`lists`, ports.Selection.listing), and only where the suite passed; for all others the comparison of
sources (domain/tampering/suites.py) has to do.
"""

from dataclasses import replace
from pathlib import Path

from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.suite_configuration import says_of_tests
from forge_dagster.domain.tampering.collected import left_out
from forge_dagster.domain.tampering.files import is_test_code
from forge_dagster.errors import ForgeError, Interrupted, Superseded
from forge_dagster.gates.attribution import Ask
from forge_dagster.gates.changed_files import regular
from forge_dagster.gates.examined import Examined
from forge_dagster.gates.overlaid import asked_over, with_more
from forge_dagster.gates.selection import Choice
from forge_dagster.ports import GateContext, Selection

_LISTING = Selection(listing=True, measure=False)


def with_collected(context: GateContext, choice: Choice, examined: Examined, ask: Ask) -> Examined:
    """What was examined, with the tests that are not collected any more. Raises Interrupted and Superseded."""
    language = choice.tool.language
    if not getattr(choice.tool, "lists", False) or context.gate != "unit" or language is None:
        return examined
    if examined.run.outcome is not Outcome.PASSED or context.base is None or context.change.base_sha is None:
        return examined
    if not any(is_test_code(path) or says_of_tests(path, language) for path in context.change.paths):
        return examined
    context.log(f"{choice.tool.name}: listing the tests of head and base")
    try:
        head = ask(replace(context, scratch=_folder(context, "head-tests"), base=None), choice, _LISTING)
        base = (
            asked_over(context, choice, ask, selection=_LISTING, over=False) if head.report.outcome is Outcome.PASSED else None
        )
    except (Interrupted, Superseded):
        raise
    except ForgeError as error:
        context.log(f"{choice.tool.name}: the tests could not be listed: {error.message}")
        return examined
    if base is None or base.report.outcome is not Outcome.PASSED:
        context.log(f"{choice.tool.name}: the tests could not be listed: {(base or head).report.reason}")
        return examined
    root = context.root
    findings = left_out(
        base.report.tests,
        head.report.tests,
        renamed={file.previous_path: file.path for file in context.change.files if file.previous_path is not None},
        changed=set(context.change.paths),
        text=lambda path: regular(root, path)[0].decode("utf-8", "replace") if (root / path).is_file() else None,
    )
    return with_more(examined, *findings)


def _folder(context: GateContext, name: str) -> Path:
    place = context.scratch / name
    place.mkdir(parents=True, exist_ok=True)
    return place
