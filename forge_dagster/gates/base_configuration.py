"""A change that touches the configuration of tools is judged under the base's version of it, too.

What a tool finds in the change's own files only there, the change has loosened away: a person looks at it.
"""

from forge_dagster.domain.attribution import mark
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Outcome, Severity
from forge_dagster.domain.plain_text import one_line
from forge_dagster.domain.tool_configuration import is_configuration
from forge_dagster.errors import ForgeError, Interrupted, Superseded
from forge_dagster.gates.attribution import Ask
from forge_dagster.gates.examined import Examined
from forge_dagster.gates.overlaid import asked_over, finding_of, with_more
from forge_dagster.gates.selection import Choice
from forge_dagster.ports import GateContext

_GATES = frozenset({"format", "lint", "types"})
"""Gates whose tools are quick, and do nothing but what their configuration says."""
_DECLARES = ("package.json",)
"""Configuration that also says what is installed: with the base's, the head's code would lack what it needs."""
_MOST = 20


def under_base_configuration(context: GateContext, choice: Choice, examined: Examined, ask: Ask) -> Examined:
    """What was examined, with what the tool says of the change under the base's configuration besides.

    Raises Interrupted and Superseded.
    """
    touched = tuple(path for path in context.change.paths if is_configuration(path) and not path.endswith(_DECLARES))
    if context.gate not in _GATES or not touched or context.base is None or context.change.base_sha is None:
        return examined
    if examined.run.outcome not in (Outcome.PASSED, Outcome.FAILED):
        return examined
    context.log(f"{choice.tool.name}: asking it once more under the base's version of {one_line(', '.join(touched))}")
    try:
        answer = asked_over(context, choice, ask, kept=touched)
    except (Interrupted, Superseded):
        raise
    except ForgeError as error:
        return with_more(examined, _unknown(choice, error.message))
    if answer is None:
        return examined
    if answer.report.outcome is Outcome.ERRORED:
        return with_more(examined, _unknown(choice, answer.report.reason))
    known = {mark(finding) for finding in examined.report.findings}
    own = set(context.change.paths)
    errors = [f for f in answer.report.findings if f.severity is Severity.ERROR and f.file in own and mark(f) not in known]
    return with_more(examined, *(_loosened(finding) for finding in errors[:_MOST]))


def _loosened(finding: Finding) -> Finding:
    message = f"only the base's configuration lets {finding.tool} say: {finding.message}"
    fix = "mend it, and leave the rule as it is"
    return finding_of("loosened-configuration", message, file=finding.file, line=finding.line, fix=fix)


def _unknown(choice: Choice, why: str) -> Finding:
    message = f"{choice.tool.name} gives no answer under the base's configuration: {why}"
    return finding_of("unexaminable", message, fix="a person looks at what the change does to the configuration")
