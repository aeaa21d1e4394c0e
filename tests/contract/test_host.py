"""What every GitHost promises, shown on the embedded host over real HTTP.

Each request that the client makes and each answer of the server is held against GitHub's own OpenAPI description, so that
what works here works on github.com.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Severity
from forge_dagster.errors import HeadMoved, HostError, RevisionGone
from forge_dagster.hosts.github import GitHubHost
from forge_dagster.hosts.github_text import TEXT_LIMIT
from forge_dagster.ports import CheckRun, GitHost
from tests.support.openapi import DescribedTransport
from tests.support.serving import REPOSITORY, Clone, Served, first_import, served_host


@dataclass(frozen=True, kw_only=True)
class World:
    """A served host, a clone of its repository, Forge's client and a raw one (both validated)."""

    served: Served
    clone: Clone
    forge: GitHost
    transport: DescribedTransport

    def client(self, login: str, *, wrong_requests: bool = False) -> httpx.Client:
        transport = DescribedTransport(httpx.HTTPTransport(), seen=self.transport.seen, wrong_requests=wrong_requests)
        headers = {"Authorization": f"Bearer {self.served.tokens[login]}"}
        return httpx.Client(transport=transport, base_url=f"{self.served.api}/repos/{REPOSITORY}/", headers=headers)

    def host(self, login: str) -> GitHubHost:
        client = httpx.Client(transport=DescribedTransport(httpx.HTTPTransport(), seen=self.transport.seen))
        token = self.served.tokens[login]
        return GitHubHost(api_url=self.served.api, git_url=self.served.url, token=lambda: token, client=client)

    def open(self, topic: str, *, login: str = "forge/builder-01", files: dict[str, str] | None = None) -> tuple[int, str]:
        """A pull request with one commit on top of main; its number and head."""
        self.clone.git("fetch", "--quiet", self.served.git_url("reader"), "main")
        self.clone.git("checkout", "--quiet", "--detach", "FETCH_HEAD")
        head = self.clone.commit(files or {f"{topic}.txt": f"{topic}\n"}, f"Add {topic}")
        said = self.clone.push(self.served.git_url(login), "HEAD:refs/for/main", f"topic={topic}").stderr
        return int(said.partition("pull request #")[2].split()[0]), head


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("host")
    with served_host(folder / "home") as served:
        transport = DescribedTransport(httpx.HTTPTransport())
        token = served.tokens["forge"]
        forge = GitHubHost(
            api_url=served.api, git_url=served.url, token=lambda: token, client=httpx.Client(transport=transport)
        )
        yield World(served=served, clone=first_import(served, folder / "clone"), forge=forge, transport=transport)


def test_a_pull_request_is_told_as_it_is(world: World) -> None:
    number, head = world.open("told")
    pull = world.forge.pull_request(REPOSITORY, number)
    assert (pull.head_sha, pull.head_ref, pull.base_ref) == (head, "agents/forge/builder-01/told", "main")
    assert (pull.author, pull.author_is_agent, pull.state, pull.merged) == ("forge/builder-01", True, "open", False)
    assert pull.base_sha == world.forge.branch_head(REPOSITORY, "main")
    assert number in [p.number for p in world.forge.open_pull_requests(REPOSITORY)]


def test_a_persons_pull_request_is_not_an_agents(world: World) -> None:
    number, _ = world.open("by-olga", login="olga")
    pull = world.forge.pull_request(REPOSITORY, number)
    assert (pull.author, pull.author_is_agent, pull.head_ref) == ("olga", False, "users/olga/by-olga")


def test_absent_things(world: World) -> None:
    with pytest.raises(HostError) as no_pull:
        world.forge.pull_request(REPOSITORY, 9_999)
    assert no_pull.value.status == 404
    assert world.forge.branch_head(REPOSITORY, "none") is None
    with pytest.raises(RevisionGone):
        world.forge.commit(REPOSITORY, "0123456789012345678901234567890123456789")
    with pytest.raises(RevisionGone):
        world.forge.file_text(REPOSITORY, "README.md", "no-such-branch")
    assert world.forge.file_text(REPOSITORY, "no/such.txt", "main") is None


def test_commits_and_files(world: World) -> None:
    number, head = world.open("read", files={"src/ünï.py": "PRICE = 'ü'\n"})
    commit = world.forge.commit(REPOSITORY, head)
    assert (commit.sha, commit.message, len(commit.parents)) == (head, "Add read", 1)
    assert world.forge.file_text(REPOSITORY, "src/ünï.py", head) == "PRICE = 'ü'\n"
    assert world.forge.commit(REPOSITORY, "agents/forge/builder-01/read").sha == head
    with world.client("reader") as client:
        assert [f["filename"] for f in client.get(f"pulls/{number}/files").json()] == ["src/ünï.py"]
        assert [c["sha"] for c in client.get(f"pulls/{number}/commits").json()] == [head]
        compared = client.get(f"compare/main...{head}").json()
        assert (compared["status"], compared["ahead_by"], len(compared["files"])) == ("ahead", 1, 1)
        assert {e["name"] for e in client.get("contents/src?ref=main").json()} >= {"shop.py"}
        assert client.get("branches/main").json()["protected"] is True
        assert client.get(f"{world.served.api}/repos/{REPOSITORY}").json()["full_name"] == REPOSITORY


def test_repositories(world: World) -> None:
    assert world.forge.repositories() == (REPOSITORY,)


def test_a_file_that_is_no_text_is_refused(world: World) -> None:
    world.clone.git("checkout", "--quiet", "--orphan", "binary")
    (world.clone.root / "big.txt").write_bytes(b"x" * 1_100_000)
    (world.clone.root / "blob.bin").write_bytes(b"\xff\xfe\x00")
    world.clone.git("add", "--all")
    world.clone.git("commit", "--quiet", "-m", "Binary")
    world.clone.push(world.served.git_url("olga"), "HEAD:refs/heads/binary")
    for name in ("big.txt", "blob.bin", "src"):
        with pytest.raises(HostError):
            world.forge.file_text(REPOSITORY, name, "binary")


def _finding(line: int) -> Finding:
    return Finding(
        tool="ruff", rule="F401", message=f"unused {line}", category=Category.LINT, file="a.py", line=line, column=2,
        severity=Severity.WARNING, suggested_fix="remove it",
    )  # fmt: skip


def _runs(world: World, head: str, name: str) -> list[dict[str, Any]]:
    with world.client("reader") as client:
        answer = client.get(f"commits/{head}/check-runs", params={"check_name": name, "filter": "all"})
        return list(answer.json()["check_runs"])


def _annotations(world: World, run: dict[str, Any]) -> list[str]:
    with world.client("reader") as client:
        path = f"check-runs/{run['id']}/annotations"
        pages = [client.get(path, params={"per_page": 100, "page": page}).json() for page in (1, 2, 3)]
    return [a["message"] for page in pages for a in page]


def test_a_check_run_with_many_annotations_is_written_once(world: World) -> None:
    _, head = world.open("checked")
    many = tuple(_finding(line) for line in range(1, 124))
    check = CheckRun(
        key="a1:lint", name="lint", head_sha=head, status="completed", conclusion="failure", title="123 findings",
        summary="s" * 70_000, details_url="http://127.0.0.1/run", annotations=many,
    )  # fmt: skip
    queued = CheckRun(key="a1:lint", name="lint", head_sha=head, status="queued")
    for step in (queued, check, check):
        world.forge.put_check_run(REPOSITORY, step)
    [run] = _runs(world, head, "lint")
    assert (run["external_id"], run["status"], run["conclusion"]) == ("a1:lint", "completed", "failure")
    assert len(run["output"]["summary"]) == TEXT_LIMIT
    assert run["output"]["summary"].endswith("(cut: the host takes 65535 characters, this had 70000)")
    assert _annotations(world, run) == [f"unused {line}" for line in range(1, 124)]


def test_a_half_written_check_run_is_continued_and_a_different_one_is_followed_by_another(world: World) -> None:
    _, head = world.open("half")
    first = CheckRun(
        key="k", name="types", head_sha=head, status="completed", conclusion="failure", annotations=(_finding(1), _finding(2))
    )
    world.forge.put_check_run(REPOSITORY, first)
    more = CheckRun(
        key="k", name="types", head_sha=head, status="completed", conclusion="failure",
        annotations=(_finding(1), _finding(2), _finding(3)),
    )  # fmt: skip
    world.forge.put_check_run(REPOSITORY, more)
    [run] = _runs(world, head, "types")
    assert _annotations(world, run) == ["unused 1", "unused 2", "unused 3"]
    other = CheckRun(key="k", name="types", head_sha=head, status="completed", conclusion="failure", annotations=(_finding(9),))
    world.forge.put_check_run(REPOSITORY, other)
    newest, _ = _runs(world, head, "types")
    assert _annotations(world, newest) == ["unused 9"]


def test_more_than_fifty_annotations_at_once_are_refused(world: World) -> None:
    _, head = world.open("fifty-one")
    one = {"path": "a", "start_line": 1, "end_line": 1, "annotation_level": "notice", "message": "m"}
    output = {"title": "t", "summary": "s", "annotations": [one] * 51}
    with world.client("forge", wrong_requests=True) as client:
        answer = client.post("check-runs", json={"name": "n", "head_sha": head, "output": output})
    assert answer.status_code == 422
    assert _runs(world, head, "n") == []


def test_a_completed_check_run_needs_a_conclusion(world: World) -> None:
    _, head = world.open("conclusion")
    with world.client("forge", wrong_requests=True) as client:
        assert client.post("check-runs", json={"name": "n", "head_sha": head, "status": "completed"}).status_code == 422
        run = client.post("check-runs", json={"name": "n", "head_sha": head, "conclusion": "success"}).json()
    assert (run["status"], run["conclusion"]) == ("completed", "success")


def test_status_is_added_once(world: World) -> None:
    _, head = world.open("status")
    for _ in range(2):
        world.forge.put_status(REPOSITORY, head, state="pending", context="forge", description="looking", url="http://x/y")
    world.forge.put_status(REPOSITORY, head, state="success", context="forge", description="fine")
    with world.client("reader") as client:
        combined = client.get(f"commits/{head}/status").json()
    assert (combined["state"], combined["total_count"], combined["statuses"][0]["description"]) == ("success", 1, "fine")
    assert combined["statuses"][0]["id"] > 1


def test_one_comment_of_ours_is_kept_up_to_date(world: World) -> None:
    number, _ = world.open("comment")
    with world.client("forge/builder-01") as agent:
        forged = agent.post(f"issues/{number}/comments", json={"body": "<!-- forge -->\nall is well"})
        assert forged.status_code == 201
        for n in range(34):
            agent.post(f"issues/{number}/comments", json={"body": f"talk {n}"})
    for text in ("first", "second", "second"):
        world.forge.put_comment(REPOSITORY, number, marker="<!-- forge -->", body=text)
    with world.client("reader") as client:
        pages = [client.get(f"issues/{number}/comments", params={"page": page}).json() for page in (1, 2)]
    comments = [c for page in pages for c in page]
    assert len(comments) == 36
    assert [c["body"] for c in comments if c["user"]["login"] == "forge"] == ["<!-- forge -->\nsecond"]
    assert comments[0]["body"] == "<!-- forge -->\nall is well"


def test_merge_lands_the_judged_head_once(world: World) -> None:
    number, head = world.open("merged")
    before = world.forge.branch_head(REPOSITORY, "main")
    sha = world.forge.merge(REPOSITORY, number, head_sha=head, title="Merge $(touch x)\nTask: 1")
    assert world.forge.merge(REPOSITORY, number, head_sha=head, title="again") == sha
    landed = world.forge.commit(REPOSITORY, sha)
    assert (world.forge.branch_head(REPOSITORY, "main"), landed.parents) == (sha, (before, head))
    assert landed.message == "Merge $(touch x) Task: 1"
    pull = world.forge.pull_request(REPOSITORY, number)
    assert (pull.merged, pull.state, pull.merge_sha, pull.head_sha) == (True, "closed", sha, head)


def test_merge_of_a_moved_head_is_refused(world: World) -> None:
    number, head = world.open("moved")
    world.clone.commit({"more.txt": "more"}, "More")
    world.clone.push(world.served.git_url("forge/builder-01"), "HEAD:refs/for/main", "topic=moved")
    with pytest.raises(HeadMoved):
        world.forge.merge(REPOSITORY, number, head_sha=head, title="t")
    with world.client("forge") as client:
        assert client.put(f"pulls/{number}/merge", json={"sha": head}).status_code == 409
    assert not world.forge.pull_request(REPOSITORY, number).merged


def test_merge_of_a_conflict_is_refused(world: World) -> None:
    first, head = world.open("conflict-a", files={"same.txt": "a"})
    second, other = world.open("conflict-b", files={"same.txt": "b"})
    world.forge.merge(REPOSITORY, first, head_sha=head, title="a")
    with pytest.raises(HostError) as refused:
        world.forge.merge(REPOSITORY, second, head_sha=other, title="b")
    assert (refused.value.status, isinstance(refused.value, HeadMoved)) == (405, False)
    with world.client("reader") as client:
        assert client.get(f"pulls/{second}").json()["mergeable"] is False


@pytest.mark.parametrize("login", ["olga", "forge/builder-01"])
def test_only_forge_merges_and_writes_checks(world: World, login: str) -> None:
    number, head = world.open(f"only-forge-{login.replace('/', '-')}")
    with pytest.raises(HostError) as refused:
        world.host(login).merge(REPOSITORY, number, head_sha=head, title="t")
    assert refused.value.status == 403
    with pytest.raises(HostError) as no_check:
        world.host(login).put_check_run(REPOSITORY, CheckRun(key="k", name="verdict", head_sha=head, status="queued"))
    assert no_check.value.status == 403
    assert not world.forge.pull_request(REPOSITORY, number).merged


def test_close_and_reopen(world: World) -> None:
    number, _ = world.open("closed")
    for _ in range(2):
        world.forge.close(REPOSITORY, number)
    assert world.forge.pull_request(REPOSITORY, number).state == "closed"
    with pytest.raises(HostError):
        world.forge.merge(REPOSITORY, number, head_sha=world.forge.pull_request(REPOSITORY, number).head_sha, title="t")
    with world.client("forge/builder-01") as client:
        assert client.patch(f"pulls/{number}", json={"state": "open"}).json()["state"] == "open"
    with world.client("forge/builder-02") as client:
        assert client.patch(f"pulls/{number}", json={"title": "mine now"}).status_code == 403


def test_reviews(world: World) -> None:
    number, head = world.open("reviewed", login="olga")
    review = {"event": "APPROVE", "commit_id": head}
    with world.client("olga") as author:
        assert author.post(f"pulls/{number}/reviews", json=review).status_code == 422
    with world.client("forge/builder-02") as agent:
        assert agent.post(f"pulls/{number}/reviews", json=review).status_code == 403
        assert agent.post(f"pulls/{number}/reviews", json={"event": "COMMENT", "body": "hm"}).status_code == 200
    mine, head = world.open("reviewed-by-olga")
    with world.client("olga") as person:
        made = person.post(f"pulls/{mine}/reviews", json={"event": "APPROVE"}).json()
        assert (made["state"], made["commit_id"], made["user"]["login"]) == ("APPROVED", head, "olga")
        assert person.post(f"pulls/{mine}/reviews", json={"event": "REQUEST_CHANGES"}).status_code == 422
        listed = person.get(f"pulls/{mine}/reviews").json()
    assert [r["state"] for r in listed] == ["APPROVED"]


def test_deployments(world: World) -> None:
    sha = world.forge.branch_head(REPOSITORY, "main") or ""
    first = world.forge.create_deployment(REPOSITORY, sha=sha, environment="production", description="release")
    assert world.forge.create_deployment(REPOSITORY, sha=sha, environment="production", description="release") == first
    for _ in range(2):
        world.forge.put_deployment_status(REPOSITORY, first, state="success", url="http://shop.test/", description="live")
    with world.client("reader") as client:
        statuses = client.get(f"deployments/{first}/statuses").json()
        [deployment] = client.get("deployments", params={"environment": "production"}).json()
    assert [(s["state"], s["environment_url"]) for s in statuses] == [("success", "http://shop.test/")]
    assert (deployment["sha"], deployment["id"]) == (sha, first)


def test_refs(world: World) -> None:
    sha = world.forge.branch_head(REPOSITORY, "main") or ""
    _, newer = world.open("refs")
    with world.client("forge/builder-01") as agent:
        name = "refs/heads/agents/forge/builder-01/by-rest"
        assert agent.post("git/refs", json={"ref": name, "sha": sha}).status_code == 201
        assert agent.post("git/refs", json={"ref": name, "sha": sha}).status_code == 422
        assert agent.patch(f"git/{name}", json={"sha": newer}).json()["object"]["sha"] == newer
        assert agent.patch(f"git/{name}", json={"sha": sha}).status_code == 422
        assert agent.patch(f"git/{name}", json={"sha": sha, "force": True}).status_code == 200
        answer = agent.patch("git/refs/heads/main", json={"sha": newer})
    assert answer.status_code not in (200, 201)
    assert world.forge.branch_head(REPOSITORY, "main") == sha
    with world.client("forge") as client:
        assert client.get("git/ref/heads/main").json()["object"]["sha"] == sha


def test_a_pull_request_by_rest(world: World) -> None:
    _, head = world.open("elsewhere")
    body = {"title": "By REST", "head": "agents/forge/builder-01/by-rest-pr", "base": "main", "body": "why"}
    with world.client("forge/builder-01", wrong_requests=True) as agent:
        assert agent.post("pulls", json=body).status_code == 422
        agent.post("git/refs", json={"ref": f"refs/heads/{body['head']}", "sha": head})
        made = agent.post("pulls", json=body)
        assert (made.status_code, made.json()["head"]["sha"], made.json()["commits"]) == (201, head, 1)
        assert agent.post("pulls", json=body).status_code == 422
        assert agent.post("pulls", json={"title": "x", "head": "main", "base": "main"}).status_code == 422
        assert agent.post("pulls", json={"title": 5}).status_code == 422
    with world.client("olga") as person:
        labels = person.post(f"issues/{made.json()['number']}/labels", json={"labels": ["risk: low"]}).json()
    assert [one["name"] for one in labels] == ["risk: low"]


def test_lists_have_pages(world: World) -> None:
    for n in range(3):
        world.open(f"page-{n}")
    with world.client("reader") as client:
        first = client.get("pulls", params={"state": "all", "per_page": 2})
        second = client.get(first.links["next"]["url"])
        assert [p["number"] for p in first.json()] > [p["number"] for p in second.json()]
        assert {"first", "prev"} <= set(second.links)
        cached = client.get("pulls", params={"state": "all", "per_page": 2}, headers={"If-None-Match": first.headers["etag"]})
    assert (cached.status_code, cached.content) == (304, b"")


def test_what_was_held_against_the_description(world: World) -> None:
    """Last in this file: the calls above really were validated, with successes and refusals."""
    shapes = {(method, status) for method, _, status in world.transport.seen}
    assert {("GET", 200), ("GET", 404), ("POST", 201), ("POST", 422), ("PATCH", 200), ("PUT", 200), ("PUT", 409)} <= shapes
    assert len(world.transport.seen) > 60


def test_the_server_identifies_itself(world: World) -> None:
    headers = {"Authorization": f"token {world.served.tokens['forge']}"}
    transport = DescribedTransport(httpx.HTTPTransport())
    with httpx.Client(transport=transport, base_url=f"{world.served.api}/", headers=headers) as client:
        assert client.get("rate_limit").json()["rate"]["remaining"] > 0
        assert client.get("user").json()["login"] == "forge"
        assert client.get("app/hook/deliveries").json() == []
