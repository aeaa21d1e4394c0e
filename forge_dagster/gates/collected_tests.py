"""A change that touches tests, or what they run under, has the tests of base and head listed by the runner itself.

Tests that the head's runner leaves out though their source is there ask for a person. Only for a runner that lists its tests
without running them (`lists`, ports.Selection.listing), and only where the suite passed; for all others the comparison of
sources (domain/tampering/suites.py) has to do.
"""

import json
from dataclasses import replace
from pathlib import Path

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.foreign import load_json
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.suite_configuration import says_of_tests
from forge_dagster.domain.tampering.collected import left_out
from forge_dagster.domain.tampering.files import is_test_code
from forge_dagster.errors import ForgeError, Interrupted, Superseded
from forge_dagster.gates.attribution import KEPT, Ask, base_place
from forge_dagster.gates.changed_files import regular
from forge_dagster.gates.examined import Examined
from forge_dagster.gates.kept import keep, kept
from forge_dagster.gates.overlaid import asked_over, finding_of, with_more
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
    head = ask(replace(context, scratch=_folder(context, "head-tests"), base=None), choice, _LISTING).report
    if head.outcome is not Outcome.PASSED:  # though it ran them: what it will not list is for a person to look at
        return with_more(examined, _unlisted(choice, head.reason))
    try:
        base = _of_base(context, choice, ask, examined.run.version)
    except (Interrupted, Superseded):
        raise
    except ForgeError as error:
        return with_more(examined, _unlisted(choice, f"those of the base cannot be had: {error.message}"))
    if base is None:
        context.log(f"{choice.tool.name}: the base's own tests cannot be listed, so there is nothing to compare with")
        return examined
    root = context.root
    findings = left_out(
        base,
        head.tests,
        renamed={file.previous_path: file.path for file in context.change.files if file.previous_path is not None},
        changed=set(context.change.paths),
        text=lambda path: regular(root, path)[0].decode("utf-8", "replace") if (root / path).is_file() else None,
    )
    return with_more(examined, *findings)


def _unlisted(choice: Choice, why: str) -> Finding:
    message = f"{choice.tool.name} ran the tests, but does not list them for a comparison with the base: {why}"
    return finding_of("unexaminable", message, fix="a person looks whether all the tests still run")


def _of_base(context: GateContext, choice: Choice, ask: Ask, version: str) -> tuple[str, ...] | None:
    """The base's tests, from an earlier run or now."""
    place = base_place(context, choice, version, _LISTING)
    content = kept(place) if place is not None else None
    if content is not None:
        try:
            known = load_json(content)
        except (ValueError, RecursionError):
            known = None
        if isinstance(known, list) and all(isinstance(test, str) for test in known):
            return tuple(known)
    answer = asked_over(context, choice, ask, selection=_LISTING, over=False)
    if answer is None or answer.report.outcome is not Outcome.PASSED:
        return None
    if place is not None:
        keep(place, json.dumps(answer.report.tests).encode(), count=KEPT)
    return answer.report.tests


def _folder(context: GateContext, name: str) -> Path:
    place = context.scratch / name
    place.mkdir(parents=True, exist_ok=True)
    return place
