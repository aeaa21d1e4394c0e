"""schemathesis: the running application answers as its OpenAPI document says.

Exit codes (schemathesis.readthedocs.io, "Command-Line Interface"): 0 nothing found, 1 failures (also: the application could not
be reached), 2 usage, or a document that cannot be loaded. Its JSON report says how many operations were tested and whether the
run is complete; the events (NDJSON) hold each failed check with the request that failed it.

The gate starts the application and tells where it and its document are (domain/openapi.py). The repository's own
schemathesis.toml is used; else the one beside this file.
"""

import base64
import binascii
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.openapi import API_DOCUMENT, API_URL
from forge_dagster.domain.outcomes import Category, Outcome, Severity
from forge_dagster.domain.policy_gates import IntegrationSection
from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.evidence import python_sign
from forge_dagster.tools.reading import Unreadable, careful, complaint, counted, json_object, report, text

_CONFIGURATION = "schemathesis.toml"
_OWN_CONFIGURATION = Path(__file__).with_suffix(".toml")
_RUN, _EVENTS = "run.json", "events.ndjson"
_SEED = 1
"""Of all examples that are generated, so that base and change are asked the same."""
_REQUEST_LIMIT_S = 10
_BODY = 400
"""Characters of a request's body that a reproduction shows."""
_SAID = 600
"""Characters of what a check says that a finding shows."""
_LOADING = frozenset({"Schema Loading Error", "Schema Error"})
"""Titles of errors that are about the document itself."""
_WARNINGS = {
    "unresolvable_reference": "refers to something that the document does not have",
    "missing_auth": "only ever refused for want of credentials, so nothing of it was tested",
    "missing_test_data": "only ever answered that there is no such thing, so little of it was tested",
}
_SHOWN_HEADERS = frozenset({"accept", "content-type"})
"""Others may hold credentials."""


class Schemathesis(BaseModel):
    """The adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "schemathesis"
    gate: str = "integration"
    language: Language | None = None
    default: bool = True
    program: str = "schemathesis"
    package: str = "schemathesis"

    def chosen(self, project: Project) -> str | None:
        """By its configuration, or as a declared dependency."""
        if _CONFIGURATION in project.files:
            return f"there is a {_CONFIGURATION}"
        return python_sign(project, package=self.package)

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """One run over all operations; none where the gate has started no application."""
        url, document = request.variables.get(API_URL), request.variables.get(API_DOCUMENT)
        if not url or not document:
            return ()
        own = _CONFIGURATION in request.project.files
        argv = (
            str(request.executable),
            *("--config-file", str(request.root / _CONFIGURATION if own else _OWN_CONFIGURATION), "--no-color"),
            *("run", f"{url}{document}" if document.startswith("/") else str(request.root / document), "--url", url),
            *("--seed", str(_SEED), "--max-examples", str(_section(request).max_examples), "--workers", "1"),
            *("--request-timeout", str(_REQUEST_LIMIT_S), "--generation-database", "none", "--suppress-health-check", "all"),
            *("--report", "json,ndjson", "--report-json-path", str(request.report / _RUN)),
            *("--report-ndjson-path", str(request.report / _EVENTS)),
        )
        # it leaves what it learned in the folder it runs in, which is not to be the tree
        variables = {"HYPOTHESIS_STORAGE_DIRECTORY": str(request.cache or request.report), "NO_PROXY": "*", "no_proxy": "*"}
        cwd = request.cache or request.report
        return (Command(argv=argv, cwd=cwd, environment=variables, timeout_s=request.timeout_s),)

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """A finding per operation and failed check, with the request that shows it."""
        output = outputs[-1]
        code = output.result.exit_code
        run = json_object(output.reports.get(_RUN, b""), "schemathesis' report")
        if run["exit_code"] != code or code not in (0, 1, 2):
            raise Unreadable(f"schemathesis ended with {code}, and its report says {run['exit_code']}: {complaint(output)}")
        errors = [str(error["title"]) for error in run["errors"]]
        document = _file(request)
        if code == 2:
            return self._not_loaded(output, errors, document)
        if run["complete"] is not True:
            raise Unreadable(f"schemathesis stopped early ({run['stop_reason']}): {complaint(output)}")
        tested = counted(run["operations"]["tested"])
        findings = tuple(self._failures(output, document, request.variables.get(API_URL, "")))
        failures = sum(counted(failure["count"]) for failure in run["failures"])
        if bool(findings) != bool(failures) or (code == 1) != bool(failures or errors):
            raise Unreadable(
                f"schemathesis ended with {code}, and reported {failures} failures and {len(findings)} failed checks"
            )
        metrics = {"operations": float(counted(run["operations"]["total"])), "operations_tested": float(tested)}
        warnings = tuple(self._warnings(run["warnings"], document))
        if findings:
            reason = f"{len(findings)} of the document's promises are not kept"
            return report(Outcome.FAILED, output, reason=reason, examined=tested, findings=findings + warnings, metrics=metrics)
        if errors:
            raise Unreadable(f"schemathesis could not test the application: {', '.join(dict.fromkeys(errors))[:300]}")
        cases = counted(run["test_cases"]["generated"])
        reason = f"{tested} operations answer as documented ({cases} requests)"
        return report(Outcome.PASSED, output, reason=reason, examined=tested, findings=warnings, metrics=metrics)

    def _not_loaded(self, output: ToolOutput, errors: list[str], document: str | None) -> ToolReport:
        said = complaint(ToolOutput(result=output.result), limit=_SAID)
        if document is None or not errors or not _LOADING.issuperset(errors):
            raise Unreadable(f"schemathesis could not begin: {said}")
        finding = Finding(
            tool=self.name,
            rule="document",
            category=Category.TEST,
            file=document,
            message=f"{document} cannot be read as an OpenAPI document: {said}",
            snippet=document,
        )
        return report(Outcome.FAILED, output, reason=f"{document} cannot be read", findings=(finding,))

    def _failures(self, output: ToolOutput, document: str | None, url: str) -> Iterator[Finding]:
        seen: set[tuple[str, str]] = set()
        for recorder in _recorders(output.reports.get(_EVENTS, b"")):
            for case_id, checks in recorder.get("checks", {}).items():
                for check in checks:
                    case = recorder["cases"][case_id]["value"]
                    operation = f"{case['method']} {case['path']}"
                    if check["status"] != "failure" or (operation, check["name"]) in seen:
                        continue
                    seen.add((operation, check["name"]))
                    failure = check["failure_info"]["failure"]
                    request = recorder["interactions"][case_id]["request"]
                    yield self._finding(operation, str(check["name"]), failure, _curl(request, url), document)

    def _finding(self, operation: str, check: str, failure: Mapping[str, Any], curl: str, document: str | None) -> Finding:
        details = " ".join(str(failure["message"]).split())[:_SAID]
        message = f"{operation}: {failure['title']}" + (f": {details}" if details else "")
        return Finding(
            tool=self.name,
            rule=check,
            category=Category.TEST,
            file=document,
            message=message,
            suggested_fix=f"with the application at $APP, see it by: {curl}",
            snippet=f"{operation} {check}",
        )

    def _warnings(self, warnings: Mapping[str, Any], document: str | None) -> Iterator[Finding]:
        for name, meaning in _WARNINGS.items():
            operations = [str(operation)[:200] for operation in warnings.get(name) or ()]
            for operation in operations[:20]:
                yield Finding(
                    tool=self.name,
                    rule=name,
                    category=Category.TEST,
                    severity=Severity.WARNING,
                    file=document,
                    message=f"{operation}: {meaning}",
                    snippet=operation,
                )


def _section(request: ToolRequest) -> IntegrationSection:
    return request.policy.section("integration", IntegrationSection)


def _file(request: ToolRequest) -> str | None:
    """The document, where it is a file of the tree."""
    document = request.variables.get(API_DOCUMENT, "")
    return document if document and not document.startswith("/") else None


def _recorders(content: bytes) -> Iterator[Mapping[str, Any]]:
    """What was recorded of each scenario that is over. Raises Unreadable where the events end early."""
    finished = False
    for line in content.splitlines():
        event = json_object(line, "a line of schemathesis' events")
        finished = finished or "EngineFinished" in event
        recorder = event.get("ScenarioFinished", {}).get("recorder")
        if recorder is not None:
            yield recorder
    if not finished:
        raise Unreadable("schemathesis' events end before the run does")


def _curl(request: Mapping[str, Any], url: str) -> str:
    """The request as a command line; `$APP` stands for the application's address, and only harmless headers are shown."""
    uri = str(request["uri"])
    words = ["curl", "-X", str(request["method"]), '"$APP"' + shlex.quote(uri.removeprefix(url))]
    for name, values in request.get("headers", {}).items():
        shown = ", ".join(map(str, values)) if str(name).lower() in _SHOWN_HEADERS else "..."
        words += ["-H", shlex.quote(f"{name}: {shown}")]
    body = request.get("body")
    if body:
        words += ["-d", shlex.quote(_body(body))]
    return " ".join(words)[:1_000]


def _body(body: Any) -> str:
    try:
        content = base64.b64decode(body["$base64"], validate=True) if isinstance(body, Mapping) else json.dumps(body).encode()
    except (KeyError, TypeError, binascii.Error):
        return "..."
    shown = text(content)
    return shown if len(shown) <= _BODY else f"{shown[:_BODY]}..."


ADAPTER = Schemathesis()
