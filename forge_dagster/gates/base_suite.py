"""A change that touches what its tests run under has them run once more under the base's version of that: of conftest.py, of
setup files, of the runner's configuration and scripts. What fails only there asks for a person: honest fixtures do that too.

Only a suite that passed is run again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Outcome, Severity
from forge_dagster.domain.plain_text import one_line
from forge_dagster.domain.project import Language
from forge_dagster.domain.suite_configuration import is_loaded, loaded_by, put_back, says_of_tests
from forge_dagster.errors import ForgeError, Interrupted, Superseded
from forge_dagster.gates.attribution import Ask
from forge_dagster.gates.changed_files import regular
from forge_dagster.gates.examined import Examined
from forge_dagster.gates.overlaid import asked_over, finding_of, with_more
from forge_dagster.gates.selection import Choice
from forge_dagster.ports import GateContext, Selection

_MOST_FILES, _MOST_READ, _NAMED = 40, 2_000, 5
_FIX = "a person says whether the tests are judged as strictly as before"


def under_base_suite(context: GateContext, choice: Choice, examined: Examined, ask: Ask, selection: Selection) -> Examined:
    """What was examined, with what fails under the base's version besides. Raises Interrupted and Superseded."""
    language = choice.tool.language
    if context.gate != "unit" or language is None or context.base is None or context.change.base_sha is None:
        return examined
    if examined.run.outcome is not Outcome.PASSED:
        return examined
    try:
        texts = _put_back(context, language)
        if not texts:
            return examined
        shown = one_line(", ".join(texts), 200)
        context.log(f"{choice.tool.name}: running the tests once more under the base's version of {shown}")
        answer = asked_over(context, choice, ask, texts=texts, selection=replace(selection, measure=False))
    except (Interrupted, Superseded):
        raise
    except ForgeError as error:
        return with_more(examined, _unknown(choice, "what the tests run under", error.message))
    except ValueError as error:
        return with_more(examined, _unknown(choice, "what the tests run under", str(error)))
    if answer is None or answer.report.outcome is Outcome.SKIPPED:
        return examined
    if answer.report.outcome is Outcome.ERRORED:
        return with_more(examined, _unknown(choice, shown, answer.report.reason))
    errors = [finding for finding in answer.report.findings if finding.severity is Severity.ERROR]
    return with_more(examined, _loosened(choice, texts, errors)) if errors else examined


def _put_back(context: GateContext, language: Language) -> Mapping[str, str | None]:
    """Path -> text, of what the change touches and the tests run under, as it was on the base. Raises ValueError."""
    assert context.base is not None
    changed = {file.path: file for file in context.change.files}
    with context.base() as base:
        touched = touched_surroundings(context, (base, context.root), language)
        if len(touched) > _MOST_FILES:
            raise ValueError(f"the change touches {len(touched)} files that say how tests run, more than {_MOST_FILES}")
        found: dict[str, str | None] = {}
        for path in touched:
            file = changed[path]
            old = None if file.status == "added" else _text(base, file.previous_path or path)
            new = None if file.status == "removed" else _text(context.root, path)
            moved = file.previous_path if file.previous_path != path else None
            text = None if moved is not None else put_back(path, old, new)
            if moved is not None:
                found[moved] = old
            if text != new:
                found[path] = text
    return found


def touched_surroundings(context: GateContext, roots: Iterable[Path], language: Language) -> list[str]:
    """The files of the change that tests of this language run under, by the configuration in these trees. Raises ValueError."""
    loaded = loaded_by(_configuration(context, tuple(roots), language), language)
    paths = [file.path for file in context.change.files]
    return [path for path in paths if says_of_tests(path, language) or is_loaded(path, loaded, language)]


def _configuration(context: GateContext, roots: Iterable[Path], language: Language) -> Mapping[str, str]:
    paths = [path for path in context.project.files if says_of_tests(path, language)]
    if len(paths) > _MOST_READ:
        raise ValueError(f"{len(paths)} files say how tests run, more than {_MOST_READ}")
    texts = ((path, [text for root in roots if (text := _text(root, path)) is not None]) for path in paths)
    return {path: "\n".join(both) for path, both in texts}


def _text(root: Path, path: str) -> str | None:
    if not (root / path).is_file():
        return None
    return regular(root, path)[0].decode("utf-8", "replace")


def _loosened(choice: Choice, texts: Mapping[str, str | None], errors: list[Finding]) -> Finding:
    shown = one_line(", ".join(texts), 200)
    named = "; ".join(one_line(finding.message, 120) for finding in errors[:_NAMED])
    more = f", and {len(errors) - _NAMED} more" if len(errors) > _NAMED else ""
    count = "1 fault" if len(errors) == 1 else f"{len(errors)} faults"
    message = f"under the base's version of {shown}, {choice.tool.name} finds {count} that it does not find now: {named}{more}"
    return finding_of("loosened-tests", message, file=next(iter(texts)), fix=_FIX)


def _unknown(choice: Choice, shown: str, why: str) -> Finding:
    return finding_of(
        "unexaminable", f"{choice.tool.name} gives no answer under the base's version of {shown}: {why}", fix=_FIX
    )
