"""What a nightly run came to, as a check on the commit it judged. Pure."""

from collections.abc import Mapping

from forge_dagster.domain.feedback import CheckView, Conclusion
from forge_dagster.domain.graph import Job, gates_of
from forge_dagster.domain.markdown import code
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.results import GateResult
from forge_dagster.domain.verdict import complete

NIGHTLY_CHECK = "forge/nightly"


def nightly_check(results: Mapping[str, GateResult]) -> CheckView:
    """Red where a gate failed, "cancelled" where one gave no answer (GitHub takes "neutral" for success), else green."""
    whole = complete(gates_of(Job.NIGHTLY), results)
    failed = [result for result in whole.values() if result.outcome is Outcome.FAILED]
    silent = [result for result in whole.values() if not result.outcome.lets_through and result not in failed]
    conclusion: Conclusion = "failure" if failed else "cancelled" if silent else "success"
    title = (failed or silent)[0].summary if failed or silent else "every gate passed"
    lines = [f"- **{result.gate}** {result.outcome.value}: {code(result.summary, 300)}" for result in whole.values()]
    return CheckView(name=NIGHTLY_CHECK, conclusion=conclusion, title=title[:200], summary="\n".join(lines))
