"""Gate `integration`: tests against real services pass, and the API keeps its OpenAPI contract.

Services are those of `forge.toml`, else what the repository's files give away (domain/services.py). Tests and application share
them; the base, where it has to be compared with, gets its own, set up by its own migrations: a base that ran on what the
change made of the database would share the change's faults, and excuse them.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.openapi import API_URL, OpenApiDocument
from forge_dagster.domain.outcomes import Attribution, Category, Outcome, worst
from forge_dagster.domain.results import GateResult, gate_result
from forge_dagster.domain.test_kinds import integration_tests
from forge_dagster.errors import ForgeError, Interrupted, ServiceFailed, SetupFailed, Superseded
from forge_dagster.gates.services import Hidden, Surroundings, Variables, document_of, wanted_by
from forge_dagster.gates.suites import drawn, useful_tools, with_coverage
from forge_dagster.gates.tool_runs import RequestExtra
from forge_dagster.gates.tooling import run_tools
from forge_dagster.ports import GateContext, Selection

Start = Callable[[GateContext], AbstractContextManager[Variables]]

_PLACES = "tests/integration/, *_integration_test.py, *.integration.test.ts"
_PROBE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Integration:
    """The gate."""

    name: str = "integration"

    def examine(self, context: GateContext) -> GateResult:
        """Start what is needed, run tests and contracts, stop it all. Raises ForgeError for what is not the change's fault."""
        tests, document = integration_tests(context.project), document_of(context)
        left_out = _left_out(context, document)
        contracts = document is not None and not left_out
        if not tests and not contracts:
            return gate_result(self.name, Outcome.SKIPPED, reason=_nothing(context, left_out))
        around = Surroundings()
        try:
            with around.services(context) as given:
                parts = [self._tests(context, tests, around, given)] if tests else []
                if contracts and document is not None:
                    parts.append(self._contracts(context, document, around, given))
        except SetupFailed as error:
            return _blanked(self._not_set_up(context, error, around), around.hidden)
        return _blanked(_together(self.name, parts, left_out), around.hidden)

    def _tests(self, context: GateContext, tests: tuple[str, ...], around: Surroundings, given: Variables) -> GateResult:
        selection = Selection(only=tests, gate=self.name)
        extra = RequestExtra(selection=selection, variables=given, canary=drawn(), elsewhere=around.services)
        quiet = replace(context, log=lambda line: context.log(around.hidden.blanked(line)))
        result = run_tools(quiet, gate="unit", tools=useful_tools(context.project, context.root), extra=extra)
        if result.outcome is Outcome.SKIPPED:
            reason = f"there are integration tests ({tests[0]}), and nothing that Forge knows runs them: {result.reason}"
            return result.model_copy(update={"outcome": Outcome.ERRORED, "reason": reason})
        return with_coverage(context, result)

    def _contracts(self, context: GateContext, document: OpenApiDocument, around: Surroundings, given: Variables) -> GateResult:
        try:
            with around.application(context, given) as variables:
                if document.served and context.policy.gate(self.name).model_fields_set.isdisjoint({"openapi"}):
                    status = _status(variables[API_URL], document.path)
                    if status == 404:
                        reason = f"the application serves no OpenAPI document at {document.path} ({document.because})"
                        return gate_result(self.name, Outcome.SKIPPED, reason=reason)
                return run_tools(context, extra=RequestExtra(variables=variables, elsewhere=around.whole))
        except ServiceFailed as error:
            return self._not_up(context, error, around)

    def _not_set_up(self, context: GateContext, error: SetupFailed, around: Surroundings) -> GateResult:
        """A migration that fails: the change's fault, unless it fails on the base too."""
        attribution, problem = _whose(context, around.services, SetupFailed)
        finding = Finding(
            tool="setup",
            rule="setup-failed",
            category=Category.TEST,
            message=error.message,
            attribution=attribution,
            snippet=error.message.partition(" ended with")[0],
            suggested_fix="run the setup command on an empty database",
        )
        if attribution is Attribution.PREEXISTING:
            reason = f"baseline red: {error.message}\n  -> it fails on the base too; repair it there first"
            return gate_result(self.name, Outcome.ERRORED, reason=reason, findings=[finding])
        reason = f"{error.message.splitlines()[0]}{problem}"
        return gate_result(self.name, Outcome.FAILED, reason=reason, findings=[finding])

    def _not_up(self, context: GateContext, error: ServiceFailed, around: Surroundings) -> GateResult:
        """The application does not come up: the change's fault where the base's does, else nobody knows whose."""
        attribution, problem = _whose(context, around.whole, ServiceFailed)
        if attribution is not Attribution.NEW:
            return gate_result(self.name, Outcome.ERRORED, reason=f"{error}{problem}")
        finding = Finding(
            tool="application",
            rule="application-down",
            category=Category.TEST,
            message=error.message,
            attribution=attribution,
            snippet="application",
            suggested_fix=f"start it as [deploy] in forge.toml says; {error.hint}",
        )
        reason = f"{error.message.splitlines()[0]}, and the base's does"
        return gate_result(self.name, Outcome.FAILED, reason=reason, findings=[finding])


def _whose(context: GateContext, start: Start, fault: type[ForgeError]) -> tuple[Attribution, str]:
    """Whose doing a `fault` is that `start` raised, by starting the same for the base; and why that could not be found out."""
    if context.base is None:
        return Attribution.UNKNOWN, ""
    context.log("starting the same for the base, to tell what this change brings from what was there")
    try:
        with context.base() as root:
            project = context.detect(root) if context.detect is not None else context.project
            scratch = context.scratch / "base"
            scratch.mkdir(parents=True, exist_ok=True)
            with start(replace(context, root=root, project=project, scratch=scratch, base=None)):
                return Attribution.NEW, ""
    except fault:
        return Attribution.PREEXISTING, "; the same happens on the base"
    except (Interrupted, Superseded):
        raise
    except ForgeError as error:
        return Attribution.UNKNOWN, f"; the base could not be compared with: {error.message}"


def _left_out(context: GateContext, document: OpenApiDocument | None) -> str:
    """Why the contract is not examined though there is a document."""
    if document is None or context.policy.deploy.command:
        return ""
    return f"the API contract was not examined: {document.because}, but forge.toml says under [deploy] no command to start it"


def _nothing(context: GateContext, left_out: str) -> str:
    wanted = wanted_by(context)
    unused = ""
    if context.policy.services:
        names = ", ".join(f"[services.{name}]" for name in wanted.services)
        unused = f"; forge.toml declares {names}, and no test uses them"
    return f"there is no integration test ({_PLACES}){unused}; {left_out or 'there is no OpenAPI document'}"


def _status(url: str, path: str) -> int | None:
    """HTTP status of what the application serves at `path`; None where it does not answer."""
    from http.client import HTTPConnection, HTTPException
    from urllib.parse import urlsplit

    connection = HTTPConnection(urlsplit(url).netloc, timeout=_PROBE_S)
    try:
        connection.request("GET", path, headers={"User-Agent": "forge-integration", "Connection": "close"})
        return connection.getresponse().status
    except (OSError, HTTPException, ValueError):
        return None
    finally:
        connection.close()


def _together(name: str, parts: Iterable[GateResult], left_out: str) -> GateResult:
    known = list(parts)
    outcome = worst([part.outcome for part in known])
    speaking = [part.reason for part in known if part.reason and part.outcome in (outcome, Outcome.SKIPPED)]
    result = gate_result(
        name,
        outcome,
        reason="\n".join([*speaking, *filter(None, [left_out])]),
        findings=[finding for part in known for finding in part.findings],
        tools=tuple(run for part in known for run in part.tools),
        metrics={key: value for part in known for key, value in part.metrics.items()},
        artifacts={key: value for part in known for key, value in part.artifacts.items()},
    )
    total = sum(part.findings_total for part in known)
    truncated = result.truncated or any(part.truncated for part in known)
    return result.model_copy(update={"findings_total": max(total, result.findings_total), "truncated": truncated})


def _blanked(result: GateResult, hidden: Hidden) -> GateResult:
    """The result without the passwords that were drawn for it."""
    findings = tuple(
        finding.model_copy(
            update={"message": hidden.blanked(finding.message), "suggested_fix": hidden.blanked(finding.suggested_fix)}
        )
        for finding in result.findings
    )
    tools = tuple(run.model_copy(update={"reason": hidden.blanked(run.reason)}) for run in result.tools)
    return result.model_copy(update={"reason": hidden.blanked(result.reason), "findings": findings, "tools": tools})


ADAPTER = Integration()
