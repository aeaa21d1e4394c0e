"""The client of GitHub-shaped hosts against recorded answers: pages, limits, conditional reads, doubtful merges."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Attribution, Category, Outcome
from forge_dagster.domain.results import gate_result
from forge_dagster.errors import HeadMoved, HostError, RevisionGone
from forge_dagster.hosts.github import GitHubHost
from forge_dagster.ports import CheckRun

API = "https://api.github.com"
TOKEN = "ghs_a-token-that-must-not-show"
SHA, OTHER = "a" * 40, "b" * 40

Reply = httpx.Response | Exception


def reply(status: int, body: Any = None, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


def pull(number: int = 1, **changes: Any) -> dict[str, Any]:
    made = {
        "number": number,
        "title": "Add a",
        "state": "open",
        "merged": False,
        "merged_at": None,
        "merge_commit_sha": None,
        "user": {"login": "octo-agent[bot]", "type": "Bot"},
        "head": {"ref": "topic", "sha": SHA},
        "base": {"ref": "main", "sha": OTHER},
        "a_field_of_next_year": {"x": 1},
    }
    return {**made, **changes}


@dataclass
class Recorded:
    """Answers in order for each "METHOD path"; the last one stays. Keeps what was asked."""

    answers: Mapping[str, list[Reply]]
    asked: list[httpx.Request] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    time: float = 1_000.0

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        queue = self.answers[f"{request.method} {request.url.path}"]
        answer = queue.pop(0) if len(queue) > 1 else queue[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    def host(self, **more: Any) -> GitHubHost:
        client = httpx.Client(transport=httpx.MockTransport(self.handle))
        settings = {"api_url": API, "git_url": "https://github.com", "token": lambda: TOKEN, **more}
        return GitHubHost(client=client, now=lambda: self.time, sleep=self.sleep, **settings)

    def bodies(self, method: str) -> list[Any]:
        return [json.loads(request.content) for request in self.asked if request.method == method]


PULLS = "GET /repos/acme/shop/pulls"
PULL = "GET /repos/acme/shop/pulls/1"
MERGE = "PUT /repos/acme/shop/pulls/1/merge"


def test_pages_are_followed_to_the_end() -> None:
    following = f'<{API}/repos/acme/shop/pulls?page=2>; rel="next", <{API}/x>; rel="last"'
    recorded = Recorded({PULLS: [reply(200, [pull(1), pull(2)], link=following), reply(200, [pull(3)])]})
    assert [p.number for p in recorded.host().open_pull_requests("acme/shop")] == [1, 2, 3]
    assert recorded.asked[0].url.params["per_page"] == "100"
    assert recorded.asked[1].url.params["page"] == "2"


def test_a_next_page_elsewhere_does_not_get_the_token() -> None:
    recorded = Recorded({PULLS: [reply(200, [pull(1)], link='<https://evil.test/x>; rel="next"')]})
    with pytest.raises(HostError, match="another address"):
        recorded.host().open_pull_requests("acme/shop")
    assert [request.url.host for request in recorded.asked] == ["api.github.com"]


def test_an_agents_login_is_mapped_to_its_name() -> None:
    recorded = Recorded(
        {PULL: [reply(200, pull()), reply(200, pull(user={"login": "carla", "type": "User"})), reply(200, pull(user=None))]}
    )
    host = recorded.host(agents={"octo-agent[bot]": "forge/builder-01"})
    found = [host.pull_request("acme/shop", 1) for _ in range(3)]
    assert [(p.author, p.author_is_agent) for p in found] == [("forge/builder-01", True), ("carla", False), ("ghost", False)]


def test_an_unchanged_answer_is_read_once() -> None:
    recorded = Recorded(
        {PULL: [reply(200, pull(title="First"), etag='W/"1"'), reply(304), reply(200, pull(title="Second"), etag='"2"')]}
    )
    host = recorded.host()
    assert [host.pull_request("acme/shop", 1).title for _ in range(3)] == ["First", "First", "Second"]
    assert [request.headers.get("if-none-match") for request in recorded.asked] == [None, 'W/"1"', 'W/"1"']


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        (reply(429, {"message": "slow down"}, retry_after="17"), 17.0),
        (reply(403, {"message": "You have exceeded a secondary rate limit"}, retry_after="30"), 30.0),
        (reply(403, {"message": "API rate limit exceeded"}, x_ratelimit_remaining="0", x_ratelimit_reset="1300"), 300.0),
        (reply(403, {"message": "You have exceeded a secondary rate limit"}), 60.0),
        (reply(429, {}), 60.0),
        (reply(429, {}, retry_after="0"), 1.0),
        (reply(503, {}, retry_after="5"), 5.0),
        (reply(403, {"message": "Resource not accessible by integration"}, x_ratelimit_remaining="4000"), None),
        (reply(404, {"message": "Not Found"}), None),
    ],
)
def test_limits_are_told_and_not_slept(answer: httpx.Response, wait: float | None) -> None:
    recorded = Recorded({PULL: [answer]})
    with pytest.raises(HostError) as told:
        recorded.host().pull_request("acme/shop", 1)
    assert (told.value.retry_after_s, told.value.status, recorded.slept) == (wait, answer.status_code, [])
    assert len(recorded.asked) == 1


def test_unexplained_limits_double() -> None:
    recorded = Recorded({PULL: [reply(429, {}), reply(429, {}), reply(429, {}), reply(200, pull()), reply(429, {})]})
    host, waits = recorded.host(), []
    for _ in range(5):
        try:
            host.pull_request("acme/shop", 1)
        except HostError as error:
            waits.append(error.retry_after_s)
    assert waits == [60.0, 120.0, 240.0, 60.0]


def test_reading_is_tried_again_and_writing_is_not() -> None:
    trouble = httpx.ConnectError(f"cannot connect with {TOKEN}")
    recorded = Recorded({
        PULL: [trouble, reply(502, {}), reply(200, pull())],
        "POST /repos/acme/shop/statuses/" + SHA: [trouble],
        f"GET /repos/acme/shop/commits/{SHA}/status": [reply(200, {"statuses": []})],
    })  # fmt: skip
    host = recorded.host()
    assert host.pull_request("acme/shop", 1).number == 1
    with pytest.raises(HostError) as failed:
        host.put_status("acme/shop", SHA, state="success", context="forge", description="d")
    assert len([r for r in recorded.asked if r.method == "POST"]) == 1
    assert (failed.value.status, TOKEN in str(failed.value)) == (None, False)


def test_writes_to_github_keep_a_second_apart() -> None:
    posted = "POST /repos/acme/shop/issues/1/comments"
    answers: dict[str, list[Reply]] = {posted: [reply(201, {})], "GET /repos/acme/shop/issues/1/comments": [reply(200, [])]}
    recorded = Recorded(answers)
    host = recorded.host()
    for _ in range(3):
        host.put_comment("acme/shop", 1, marker="<!-- m -->", body="b")
    assert recorded.slept == [1.0, 1.0]
    elsewhere = Recorded({k.replace(" ", " /api/v3"): v for k, v in answers.items()})
    other = elsewhere.host(api_url="http://127.0.0.1:1/api/v3")
    for _ in range(3):
        other.put_comment("acme/shop", 1, marker="<!-- m -->", body="b")
    assert elsewhere.slept == []


def test_the_token_goes_into_the_header_only() -> None:
    recorded = Recorded({PULL: [reply(401, {"message": "Bad credentials"})]})
    host = recorded.host()
    with pytest.raises(HostError) as refused:
        host.pull_request("acme/shop", 1)
    [request] = recorded.asked
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in str(request.url) + str(refused.value) + host.git_url("acme/shop")
    environment = host.git_environment()
    header = environment["GIT_CONFIG_VALUE_0"].removeprefix("Authorization: Basic ")
    assert base64.b64decode(header).decode() == f"x-access-token:{TOKEN}"
    assert environment["GIT_CONFIG_KEY_0"] == "http.https://github.com/.extraHeader"


@pytest.mark.parametrize("body", [b"<html>", b"[" * 100_000, b"{}", b'{"number": "x"}', b"[]"])
def test_an_answer_that_is_no_pull_request_is_the_hosts_fault(body: bytes) -> None:
    recorded = Recorded({PULL: [httpx.Response(200, content=body)]})
    with pytest.raises(HostError):
        recorded.host().pull_request("acme/shop", 1)


# --- merging


def merged(**changes: Any) -> dict[str, Any]:
    return pull(state="closed", merged=True, merged_at="2026-01-01T00:00:00Z", merge_commit_sha=OTHER, **changes)


MOVED = pull(head={"ref": "topic", "sha": OTHER})
YES = reply(200, {"sha": OTHER, "merged": True, "message": "ok"})


@pytest.mark.parametrize(
    ("reads", "answer", "expected"),
    [
        pytest.param([pull()], YES, OTHER, id="merged"),
        pytest.param([merged()], None, OTHER, id="merged already"),
        pytest.param([pull(), merged()], httpx.ReadTimeout("slow"), OTHER, id="no answer, but merged"),
        pytest.param([pull(), merged()], reply(502, {}), OTHER, id="gateway trouble, but merged"),
        pytest.param([pull(), merged()], reply(405, {"message": "not mergeable"}), OTHER, id="refused since merged meanwhile"),
        pytest.param([pull(), pull()], httpx.ReadTimeout("slow"), HostError, id="no answer, not merged"),
        pytest.param([pull(), pull()], reply(405, {"message": "conflict"}), HostError, id="conflict"),
        pytest.param([pull(), pull()], reply(409, {"message": "Head branch was modified"}), HeadMoved, id="moved"),
        pytest.param([pull(), MOVED], reply(409, {"message": "Head branch was modified"}), HeadMoved, id="moved, seen"),
        pytest.param([MOVED], None, HeadMoved, id="moved before"),
        pytest.param([merged(head={"ref": "topic", "sha": OTHER})], None, HeadMoved, id="another head was merged"),
        pytest.param([pull(state="closed")], None, HostError, id="closed"),
        pytest.param([pull(), pull()], reply(403, {"message": "no"}), HostError, id="not allowed"),
    ],
)
def test_merge(reads: list[dict[str, Any]], answer: Reply | None, expected: str | type[HostError]) -> None:
    recorded = Recorded({PULL: [reply(200, body) for body in reads], MERGE: [] if answer is None else [answer]})
    host = recorded.host()

    def merge() -> str:
        return host.merge("acme/shop", 1, head_sha=SHA, title="Merge $(x)")

    if isinstance(expected, str):
        assert merge() == expected
    else:
        with pytest.raises(HostError) as refused:
            merge()
        assert type(refused.value) is expected
    sent = [r for r in recorded.asked if r.method == "PUT"]
    assert len(sent) == (0 if answer is None else 1)
    assert all(json.loads(r.content) == {"sha": SHA, "commit_title": "Merge $(x)", "merge_method": "merge"} for r in sent)


# --- checks and comments

RUNS = f"GET /repos/acme/shop/commits/{SHA}/check-runs"


def _check(count: int, **changes: Any) -> CheckRun:
    found = tuple(
        Finding(tool="ruff", rule="E1", message=f"m{n}", category=Category.LINT, file="a.py", line=n + 1) for n in range(count)
    )
    no_file = Finding(tool="ruff", rule="E2", message="no file", category=Category.LINT)
    made: dict[str, Any] = {"key": "k1", "name": "lint", "head_sha": SHA, "status": "completed", "conclusion": "failure"}
    return CheckRun(**{**made, "annotations": (no_file, *found), **changes})


def test_annotations_go_in_batches_of_fifty() -> None:
    run = {"id": 7, "name": "lint", "external_id": "k1"}
    recorded = Recorded({
        RUNS: [reply(200, {"total_count": 0, "check_runs": []})],
        "POST /repos/acme/shop/check-runs": [reply(201, run)],
        "PATCH /repos/acme/shop/check-runs/7": [reply(200, run)],
    })  # fmt: skip
    recorded.host().put_check_run("acme/shop", _check(123))
    sent = [body["output"]["annotations"] for body in recorded.bodies("POST") + recorded.bodies("PATCH")]
    assert [len(batch) for batch in sent] == [50, 50, 23]
    assert [a["message"] for batch in sent for a in batch] == [f"m{n}" for n in range(123)]
    assert recorded.bodies("POST")[0]["external_id"] == "k1"


def test_what_is_not_the_changes_doing_is_a_notice_and_says_so() -> None:
    run = {"id": 7, "name": "lint", "external_id": "k1"}
    recorded = Recorded({
        RUNS: [reply(200, {"total_count": 0, "check_runs": []})],
        "POST /repos/acme/shop/check-runs": [reply(201, run)],
        "PATCH /repos/acme/shop/check-runs/7": [reply(200, run)],
    })  # fmt: skip
    found = [
        Finding(tool="ruff", rule="E1", message=f"m{n}", category=Category.LINT, file="a.py", line=n + 1, attribution=by)
        for n, by in enumerate([Attribution.PREEXISTING] * 60 + [Attribution.NEW])
    ]
    ordered = gate_result("lint", Outcome.FAILED, findings=found).findings
    recorded.host().put_check_run("acme/shop", _check(0, annotations=ordered))
    batches = [body["output"]["annotations"] for body in recorded.bodies("POST") + recorded.bodies("PATCH")]
    assert [len(batch) for batch in batches] == [50, 11]
    first, second, *_ = batches[0]
    assert (first["annotation_level"], first["title"], first["message"]) == ("failure", "ruff E1", "m60")
    assert (second["annotation_level"], second["title"]) == ("notice", "baseline red: ruff E1")


def test_another_runs_check_is_left_alone() -> None:
    theirs = {"id": 3, "name": "lint", "external_id": "other"}
    recorded = Recorded({
        RUNS: [reply(200, {"total_count": 1, "check_runs": [theirs]})],
        "POST /repos/acme/shop/check-runs": [reply(201, {"id": 4, "name": "lint"})],
    })  # fmt: skip
    recorded.host().put_check_run("acme/shop", _check(0))
    assert recorded.bodies("PATCH") == []


def test_a_long_summary_is_cut_and_says_so() -> None:
    recorded = Recorded({
        RUNS: [reply(200, {"check_runs": []})],
        "POST /repos/acme/shop/check-runs": [reply(201, {"id": 4, "name": "lint"})],
    })  # fmt: skip
    recorded.host().put_check_run("acme/shop", _check(0, summary="x" * 100_000))
    summary = recorded.bodies("POST")[0]["output"]["summary"]
    assert len(summary) == 65_535
    assert "this had 100000" in summary


COMMENTS = "/repos/acme/shop/issues/1/comments"


def test_only_our_own_comment_is_replaced() -> None:
    forged = {"id": 5, "body": "<!-- m -->\nnot ours", "user": {"login": "mallory", "type": "Bot"}}
    quoted = {"id": 6, "body": "see <!-- m -->", "user": {"login": "forge[bot]", "type": "Bot"}}
    ours = {"id": 8, "body": "<!-- m -->\nold", "user": {"login": "forge[bot]", "type": "Bot"}}
    recorded = Recorded({
        f"GET {COMMENTS}": [reply(200, [forged, quoted, ours])],
        "GET /user": [reply(403, {"message": "Resource not accessible by integration"})],
        "POST /graphql": [reply(200, {"data": {"viewer": {"login": "forge[bot]"}}})],
        "PATCH /repos/acme/shop/issues/comments/8": [reply(200, {})],
    })  # fmt: skip
    recorded.host().put_comment("acme/shop", 1, marker="<!-- m -->", body="new")
    assert recorded.bodies("PATCH") == [{"body": "<!-- m -->\nnew"}]
    assert [r.url.path for r in recorded.asked if r.method == "POST"] == ["/graphql"]


@pytest.mark.parametrize("status", [404, 409, 422])
def test_a_vanished_commit(status: int) -> None:
    recorded = Recorded({f"GET /repos/acme/shop/commits/{SHA}": [reply(status, {"message": "No commit found for SHA"})]})
    with pytest.raises(RevisionGone):
        recorded.host().commit("acme/shop", SHA)


def test_names_cannot_leave_the_path() -> None:
    seen: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path.decode())
        return reply(404, {"message": "Not Found"})

    client = httpx.Client(transport=httpx.MockTransport(handle))
    host = GitHubHost(api_url=API, git_url="https://github.com", token=lambda: TOKEN, client=client)
    calls: list[Callable[[], object]] = [
        lambda: host.branch_head("acme/shop", "a?x=1#y"),
        lambda: host.file_text("acme/shop", "a b?c=#.toml", "main&x=1"),
    ]
    assert calls[0]() is None
    with pytest.raises(RevisionGone):
        calls[1]()
    assert seen[0] == "/repos/acme/shop/git/ref/heads/a%3Fx%3D1%23y"
    assert seen[1] == "/repos/acme/shop/contents/a%20b%3Fc%3D%23.toml?ref=main%26x%3D1"
