"""REST calls on check runs, statuses and deployments. Forge writes them; agents may only read what was judged."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field
from starlette.routing import Route

from forge_dagster.hosts.embedded import checks, deployments
from forge_dagster.hosts.embedded.refusals import not_found
from forge_dagster.server.rest import FORGE, PEOPLE, Answer, Call, RestApi

_TEXT = 65_535
"""Characters of a summary or text (docs.github.com, "Create a check run")."""


class _Annotation(BaseModel):
    path: str = Field(min_length=1)
    start_line: int
    end_line: int
    start_column: int | None = None
    end_column: int | None = None
    annotation_level: Literal["notice", "warning", "failure"]
    message: str = Field(min_length=1, max_length=65_536)
    title: str | None = Field(default=None, max_length=255)
    raw_details: str | None = Field(default=None, max_length=65_536)


class _Output(BaseModel):
    title: str | None = None
    summary: str = Field(max_length=_TEXT)
    text: str | None = Field(default=None, max_length=_TEXT)
    annotations: list[_Annotation] = []


class _CheckChange(BaseModel):
    name: str | None = Field(default=None, min_length=1)
    details_url: str | None = None
    external_id: str | None = None
    status: Literal["queued", "in_progress", "completed"] | None = None
    conclusion: Literal["action_required", "cancelled", "failure", "neutral", "success", "skipped", "timed_out"] | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    output: _Output | None = None


class _NewCheck(_CheckChange):
    name: str = Field(min_length=1)
    head_sha: str


class _Status(BaseModel):
    state: Literal["error", "failure", "pending", "success"]
    target_url: str | None = None
    description: str | None = Field(default=None, max_length=1_000)
    context: str = Field(default="default", min_length=1, max_length=255)


class _Deployment(BaseModel):
    ref: str
    task: str = "deploy"
    payload: dict[str, Any] | str = ""
    environment: str = Field(default="production", min_length=1, max_length=255)
    description: str | None = ""


class _DeploymentStatus(BaseModel):
    state: Literal["error", "failure", "inactive", "in_progress", "queued", "pending", "success"]
    target_url: str = ""
    log_url: str = ""
    description: str = Field(default="", max_length=140)
    environment: str = ""
    environment_url: str = ""


def routes(rest: RestApi) -> list[Route]:
    """All of them."""
    repo = "/repos/{owner}/{repo}"
    check, deployment = f"{repo}/check-runs/{{check:int}}", f"{repo}/deployments/{{deployment:int}}"
    return [
        rest.route("POST", f"{repo}/check-runs", _create_check, allow=FORGE),
        rest.route("GET", check, _get_check),
        rest.route("PATCH", check, _change_check, allow=FORGE),
        rest.route("GET", f"{check}/annotations", _annotations),
        rest.route("GET", f"{repo}/commits/{{ref:path}}/check-runs", _list_checks),
        rest.route("GET", f"{repo}/commits/{{ref:path}}/status", _combined_status),
        rest.route("POST", f"{repo}/statuses/{{sha}}", _create_status, allow=PEOPLE),
        rest.route("GET", f"{repo}/deployments", _list_deployments),
        rest.route("POST", f"{repo}/deployments", _create_deployment, allow=FORGE),
        rest.route("GET", f"{deployment}/statuses", _deployment_statuses),
        rest.route("POST", f"{deployment}/statuses", _add_deployment_status, allow=FORGE),
    ]


def _columns(wanted: _CheckChange) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Columns of table checks that the body gives, and the annotations."""
    given = wanted.model_dump(exclude_unset=True, exclude={"output"}, exclude_none=True)
    values = {name: value.timestamp() if isinstance(value, datetime) else value for name, value in given.items()}
    if wanted.output is None:
        return values, []
    values |= {name: value for name in ("title", "summary", "text") if (value := getattr(wanted.output, name)) is not None}
    return values, [one.model_dump(exclude_none=True) for one in wanted.output.annotations]


def _create_check(call: Call) -> Answer:
    values, annotations = _columns(call.parse(_NewCheck))
    made = checks.create_check(call.host, call.repository, values, annotations, by=call.by, root=call.root)
    return Answer(body=made, status=201)


def _change_check(call: Call) -> Answer:
    values, annotations = _columns(call.parse(_CheckChange))
    check = int(call.path["check"])
    return Answer(body=checks.change_check(call.host, call.repository, check, values, annotations, root=call.root))


def _get_check(call: Call) -> Answer:
    return Answer(body=checks.get_check(call.host, call.repository, int(call.path["check"]), root=call.root))


def _annotations(call: Call) -> Answer:
    offset, limit = call.page
    check = int(call.path["check"])
    shown, total = checks.list_annotations(call.host, call.repository, check, offset=offset, limit=limit, root=call.root)
    return call.listed(shown, total)


def _sha(call: Call) -> str:
    found = call.git.resolve(call.path["ref"])
    if found is None:
        raise not_found()
    return found


def _list_checks(call: Call) -> Answer:
    found = checks.list_checks(
        call.host,
        call.repository,
        _sha(call),
        name=call.query.get("check_name"),
        status=call.query.get("status"),
        latest=call.query.get("filter", "latest") == "latest",
        root=call.root,
    )
    return call.listed(found, key="check_runs")


def _combined_status(call: Call) -> Answer:
    return Answer(body=checks.combined_status(call.host, call.repository, _sha(call), root=call.root))


def _create_status(call: Call) -> Answer:
    values = call.parse(_Status).model_dump()
    made = checks.create_status(call.host, call.repository, call.path["sha"], values, by=call.by, root=call.root)
    return Answer(body=made, status=201)


def _list_deployments(call: Call) -> Answer:
    filters = {name: call.query[name] for name in ("sha", "ref", "task", "environment") if name in call.query}
    return call.listed(deployments.list_deployments(call.host, call.repository, filters, root=call.root))


def _create_deployment(call: Call) -> Answer:
    values = call.parse(_Deployment).model_dump()
    return Answer(
        body=deployments.create_deployment(call.host, call.repository, values, by=call.by, root=call.root), status=201
    )


def _deployment_statuses(call: Call) -> Answer:
    found = deployments.list_deployment_statuses(call.host, call.repository, int(call.path["deployment"]), root=call.root)
    return call.listed(found)


def _add_deployment_status(call: Call) -> Answer:
    values = call.parse(_DeploymentStatus).model_dump()
    values["log_url"] = values["log_url"] or values.pop("target_url")
    values.pop("target_url", None)
    made = deployments.add_deployment_status(
        call.host, call.repository, int(call.path["deployment"]), values, by=call.by, root=call.root
    )
    return Answer(body=made, status=201)
