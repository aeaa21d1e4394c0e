"""The embedded host, driven by the real git: clones, refused pushes, changes pushed for review, hostile input, webhooks."""

import base64
import contextlib
import random
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from forge_dagster.errors import ConfigurationError
from forge_dagster.hosts.embedded import EmbeddedHost
from forge_dagster.hosts.github import GitHubHost
from tests.support.serving import REPOSITORY, Clone, Served, first_import, served_host
from tests.support.waiting import wait_until
from tests.support.webhook_target import SECRET, Target, github_example, schema_errors, webhook_target

AGENT, OTHER = "forge/builder-01", "forge/builder-02"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with served_host(tmp_path / "home") as host:
        yield host


@pytest.fixture
def clone(served: Served, tmp_path: Path) -> Clone:
    return first_import(served, tmp_path / "clone")


def _page(served: Served) -> str:
    """The first pull request's, as a reader sees it."""
    headers = {"Authorization": f"Bearer {served.tokens['reader']}"}
    return httpx.get(f"{served.url}/{REPOSITORY}/pull/1", headers=headers).raise_for_status().text


def _client(served: Served, login: str = "forge") -> GitHubHost:
    return GitHubHost(api_url=served.api, git_url=served.url, token=lambda: served.tokens[login])


def _refs(served: Served, clone: Clone) -> dict[str, str]:
    lines = clone.git("ls-remote", served.git_url("reader")).stdout.splitlines()
    return {ref: sha for sha, _, ref in (line.partition("\t") for line in lines)}


# --- access


def test_clone_and_fetch_need_a_token(served: Served, clone: Clone, tmp_path: Path) -> None:
    fresh = Clone(tmp_path / "fresh")
    fresh.git("clone", "--quiet", served.git_url("reader"), ".")
    assert (fresh.root / "src/shop.py").read_text() == "PRICE = 1\n"
    anonymous = fresh.git("ls-remote", f"{served.url}/{REPOSITORY}.git", check=False)
    wrong = fresh.git("ls-remote", served.git_url("reader").replace("forge_read", "forge_wrong"), check=False)
    assert anonymous.returncode != 0
    assert wrong.returncode != 0
    assert "Authentication failed" in wrong.stderr


def test_a_revoked_token_is_worth_nothing(served: Served, clone: Clone) -> None:
    assert served.host.accounts.revoke(served.tokens[AGENT])
    assert not served.host.accounts.revoke(served.tokens[AGENT])
    clone.commit({"a.txt": "a"}, "A")
    assert clone.push(served.git_url(AGENT), "HEAD:refs/for/main", check=False).returncode != 0


def test_tokens_are_kept_as_digests_only(served: Served) -> None:
    stored = b"".join(path.read_bytes() for path in served.host.folder.glob("host.db*"))
    assert b"forge/builder-01" in stored
    assert not [login for login, token in served.tokens.items() if token.encode() in stored]


def test_an_agents_login_is_no_persons(served: Served) -> None:
    with pytest.raises(ConfigurationError):
        served.host.accounts.create_token(AGENT, "operator")
    for login in ("", "a/b/c", "../x", "a b", "-x", "x.lock"):
        with pytest.raises(ConfigurationError):
            served.host.accounts.create_token(login, "agent")
    for name in ("noslash", "../etc", "a/..", "a/b.git", "-a/b", "a/.b", "a b/c"):
        with pytest.raises(ConfigurationError):
            served.host.create_repository(name)


def test_a_read_token_pushes_nothing(served: Served, clone: Clone) -> None:
    clone.commit({"a.txt": "a"}, "A")
    before = _refs(served, clone)
    assert clone.push(served.git_url("reader"), "HEAD:refs/heads/x", check=False).returncode != 0
    assert _refs(served, clone) == before


def test_only_the_smart_protocol_is_served(served: Served, clone: Clone) -> None:
    auth = ("x", served.tokens["forge"])
    for path in ("HEAD", "config", "objects/info/packs", "info/refs", "info/refs?service=git-upload-archive", "../../host.db"):
        assert httpx.get(f"{served.url}/{REPOSITORY}.git/{path}", auth=auth).status_code in (403, 404)
    assert httpx.get(f"{served.url}/acme/none.git/info/refs?service=git-upload-pack", auth=auth).status_code == 404


def test_the_clients_git_environment_authenticates_without_the_token_in_the_address(served: Served, clone: Clone) -> None:
    client = _client(served)
    environment = client.git_environment()
    assert served.tokens["forge"] not in client.git_url(REPOSITORY) + environment["GIT_CONFIG_KEY_0"]
    header = environment["GIT_CONFIG_VALUE_0"]
    done = clone.git("-c", f"{environment['GIT_CONFIG_KEY_0']}={header}", "ls-remote", client.git_url(REPOSITORY))
    assert "refs/heads/main" in done.stdout


# --- protected branches


@pytest.mark.parametrize("login", [AGENT, "olga"])
@pytest.mark.parametrize("branch", ["main", "staging"])
def test_a_direct_push_is_refused_and_told_what_to_do(served: Served, clone: Clone, login: str, branch: str) -> None:
    before = _refs(served, clone)
    clone.commit({"a.txt": "a"}, "A")
    done = clone.push(served.git_url(login), f"HEAD:refs/heads/{branch}", check=False)
    assert done.returncode != 0
    assert f"{branch} is protected" in done.stderr
    assert f'git push origin HEAD:refs/for/{branch} -o title="..."' in done.stderr
    assert _refs(served, clone) == before


def test_force_and_deletion_do_not_help(served: Served, clone: Clone) -> None:
    before = _refs(served, clone)
    clone.git("commit", "--quiet", "--amend", "-m", "Other history")
    for refspec in ("+HEAD:refs/heads/main", ":refs/heads/main"):
        for login in (AGENT, "olga", "forge"):
            assert clone.push(served.git_url(login), refspec, check=False).returncode != 0
    assert _refs(served, clone) == before


def test_forge_moves_main_forward(served: Served, clone: Clone) -> None:
    head = clone.commit({"a.txt": "a"}, "A")
    clone.push(served.git_url("forge"), "HEAD:refs/heads/main")
    assert _refs(served, clone)["refs/heads/main"] == head


def test_the_first_import_is_an_operators(served: Served, tmp_path: Path) -> None:
    empty = Clone(tmp_path / "empty")
    empty.git("init", "--quiet", "--initial-branch=main")
    empty.commit({"a.txt": "a"}, "A")
    agent = empty.push(served.git_url(AGENT), "HEAD:refs/heads/main", check=False)
    staging = empty.push(served.git_url("olga"), "HEAD:refs/heads/staging", check=False)
    first = empty.push(served.git_url("olga"), "HEAD:refs/heads/main", check=False)
    empty.commit({"b.txt": "b"}, "B")
    second = empty.push(served.git_url("olga"), "HEAD:refs/heads/main", check=False)
    assert [d.returncode != 0 for d in (agent, staging, first, second)] == [True, True, False, True]


@pytest.mark.parametrize(
    "ref",
    [
        "refs/pull/1/head",
        "refs/notes/x",
        "refs/tags/v1",
        "refs/heads/agents/forge/builder-02/x",
        "refs/heads/forge/environments",
        "refs/heads/users/olga/x",
        "refs/for/no-such-branch",
        f"refs/replace/{'0123456789' * 4}",
    ],
)
def test_refs_an_agent_may_not_write(served: Served, clone: Clone, ref: str) -> None:
    before = _refs(served, clone)
    clone.commit({"a.txt": "a"}, "A")
    assert clone.push(served.git_url(AGENT), f"HEAD:{ref}", check=False).returncode != 0
    assert _refs(served, clone) == before


def test_an_agent_does_not_push_to_anothers_pull_request(served: Served, clone: Clone) -> None:
    clone.commit({"a.txt": "a"}, "A")
    clone.push(served.git_url("olga"), "HEAD:refs/heads/feature")
    headers = {"Authorization": f"Bearer {served.tokens['olga']}"}
    body = {"title": "Feature", "head": "feature", "base": "main"}
    assert httpx.post(f"{served.api}/repos/{REPOSITORY}/pulls", json=body, headers=headers).status_code == 201
    clone.commit({"b.txt": "b"}, "B")
    refused = clone.push(served.git_url(AGENT), "HEAD:refs/heads/feature", check=False)
    assert "is the head of a pull request by olga" in refused.stderr
    clone.push(served.git_url("olga"), "HEAD:refs/heads/feature")
    assert _client(served).pull_request(REPOSITORY, 1).head_sha == clone.head


# --- changes


def test_a_change_is_opened_and_updated(served: Served, clone: Clone) -> None:
    first = clone.commit({"a.txt": "a"}, "Add a\n\nAgent-By: forge/builder-01\nTask-ID: T-17\n")
    opened = clone.push(
        served.git_url(AGENT), "HEAD:refs/for/main", "title=Add the letter a", "description=one", "description=two"
    )
    assert f"pull request #1 opened: {served.url}/{REPOSITORY}/pull/1" in opened.stderr
    second = clone.commit({"a.txt": "b"}, "Better a\n\nTask-ID: T-17\n")
    updated = clone.push(served.git_url(AGENT), "HEAD:refs/for/main")
    assert "pull request #1 updated" in updated.stderr
    again = clone.push(served.git_url(AGENT), "HEAD:refs/for/main", "title=Add a letter")
    assert "pull request #1 updated" in again.stderr
    pull = _client(served).pull_request(REPOSITORY, 1)
    assert (pull.title, pull.head_sha, pull.head_ref) == ("Add a letter", second, "agents/forge/builder-01/t-17")
    assert _refs(served, clone)["refs/pull/1/head"] == second
    page = _page(served)
    assert "one\ntwo" in page
    assert first != second


def test_an_amended_change_replaces_its_head(served: Served, clone: Clone) -> None:
    clone.commit({"a.txt": "a"}, "Add a")
    clone.push(served.git_url(AGENT), "HEAD:refs/for/main")
    clone.git("commit", "--quiet", "--amend", "-m", "Add a", "-m", "Better said.")
    updated = clone.push(served.git_url(AGENT), "HEAD:refs/for/main")
    assert "pull request #1 updated" in updated.stderr
    assert _client(served).pull_request(REPOSITORY, 1).head_sha == clone.head


def test_a_push_to_the_head_branch_updates_too(served: Served, clone: Clone) -> None:
    clone.commit({"a.txt": "a"}, "Add a")
    clone.push(served.git_url(AGENT), "HEAD:refs/for/main", "topic=t")
    clone.git("commit", "--quiet", "--amend", "-m", "Rewritten")
    clone.push(served.git_url(AGENT), "+HEAD:refs/heads/agents/forge/builder-01/t")
    pull = _client(served).pull_request(REPOSITORY, 1)
    assert (pull.head_sha, pull.state) == (clone.head, "open")
    clone.push(served.git_url(AGENT), ":refs/heads/agents/forge/builder-01/t")
    assert _client(served).pull_request(REPOSITORY, 1).state == "closed"


def test_nothing_to_merge_opens_nothing(served: Served, clone: Clone) -> None:
    before = _refs(served, clone)
    done = clone.push(served.git_url(AGENT), "HEAD:refs/for/main", check=False)
    assert done.returncode != 0
    assert "No commits between main and" in done.stderr
    assert _refs(served, clone) == before


def test_a_head_reset_to_main_is_closed_and_not_merged(served: Served, clone: Clone) -> None:
    start = clone.head
    clone.commit({"a.txt": "a"}, "Add a")
    clone.push(served.git_url(AGENT), "HEAD:refs/for/main", "topic=t")
    clone.push(served.git_url(AGENT), f"+{start}:refs/heads/agents/forge/builder-01/t")
    pull = _client(served).pull_request(REPOSITORY, 1)
    assert (pull.state, pull.merged) == ("closed", False)


def test_a_merge_whose_end_was_lost_is_recognised(served: Served, clone: Clone) -> None:
    head = clone.commit({"a.txt": "a"}, "Add a")
    clone.push(served.git_url(AGENT), "HEAD:refs/for/main")
    clone.git("checkout", "--quiet", "--detach", "HEAD~1")
    clone.git("merge", "--quiet", "--no-ff", "-m", "Merge", head)
    clone.push(served.git_url("forge"), "HEAD:refs/heads/main")
    assert _client(served).merge(REPOSITORY, 1, head_sha=head, title="t") == clone.head


def test_many_agents_at_once(served: Served, clone: Clone, tmp_path: Path) -> None:
    """Each gets a pull request of its own; the same topic pushed twice at once ends in one, at one of the two heads."""
    start = clone.head
    clones = [Clone(tmp_path / f"agent-{n}") for n in range(6)]
    for n, one in enumerate(clones):
        one.git("clone", "--quiet", served.git_url("reader"), ".")
        one.commit({f"{n}.txt": str(n)}, f"Change {n}")
    jobs = [(one, AGENT if n % 2 else OTHER, f"topic={n}" if n < 4 else "topic=same") for n, one in enumerate(clones)]
    jobs[5] = (clones[5], OTHER, "topic=same")
    codes: dict[int, int] = {}

    def push(n: int) -> None:
        one, login, option = jobs[n]
        codes[n] = one.push(served.git_url(login), "HEAD:refs/for/main", option, check=False).returncode

    threads = [threading.Thread(target=push, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pulls = _client(served).open_pull_requests(REPOSITORY)
    refs = _refs(served, clone)
    assert [codes[n] for n in range(4)] == [0, 0, 0, 0]
    assert 0 in (codes[4], codes[5])
    assert sorted(p.number for p in pulls) == [1, 2, 3, 4, 5]
    assert all(refs[f"refs/heads/{p.head_ref}"] == refs[f"refs/pull/{p.number}/head"] == p.head_sha for p in pulls)
    assert {p.head_sha for p in pulls} >= {one.head for one in clones[:4]}
    assert refs["refs/heads/main"] == start


# --- hostile input

HOSTILE = [
    "$(touch /tmp/pwned)",
    "`id`; rm -rf /",
    "<script>alert(1)</script>",
    "\x1b[2J\x1b]0;owned\x07 hello",
    "\u202eevil\u202c title",
    "'; DROP TABLE pulls; --",
    "../../../etc/passwd",
    "a" * 5_000,
    "-o title=x",
    "refs/heads/main",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_titles_and_topics_are_data(served: Served, clone: Clone, text: str) -> None:
    clone.commit({"a.txt": "a"}, "Add a")
    option = text.replace("\n", " ")
    done = clone.push(
        served.git_url(AGENT), "HEAD:refs/for/main", f"title={option}", f"topic={option}", f"description={option}"
    )
    pull = _client(served).pull_request(REPOSITORY, 1)
    assert pull.title
    assert len(pull.title) <= 256
    assert not set(pull.title) & set("\x1b\x07\u202e\n")
    prefix = "agents/forge/builder-01/"
    assert pull.head_ref.startswith(prefix)
    assert set(pull.head_ref.removeprefix(prefix)) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-")
    assert "\x1b" not in done.stderr
    page = _page(served)
    assert "<script>" not in page
    assert "\x1b" not in pull.title
    assert set(_refs(served, clone)) == {"HEAD", "refs/heads/main", f"refs/heads/{pull.head_ref}", "refs/pull/1/head"}


def test_a_hostile_subject_and_file_names(served: Served, clone: Clone) -> None:
    names = {"-rf": "x", "a b'\"$(id).txt": "x", "tab\there.txt": "x", "ünï\ncode.txt": "x", "<img src=x>.txt": "x"}
    clone.commit(names, "$(id) <b>\x1b[31m red")
    clone.push(served.git_url(AGENT), "HEAD:refs/for/main")
    headers = {"Authorization": f"Bearer {served.tokens['forge']}"}
    files = httpx.get(f"{served.api}/repos/{REPOSITORY}/pulls/1/files", headers=headers).json()
    assert {f["filename"] for f in files} == set(names)
    assert "<b>" not in _page(served)


def test_a_tree_that_would_write_into_git_folders_is_refused(served: Served, clone: Clone) -> None:
    blob = clone.git("hash-object", "-w", "README.md").stdout.strip()
    listing = clone.root / "entries"
    listing.write_text(f"100644 blob {blob}\t.git\n")
    with listing.open() as entries:
        made = subprocess.run(["git", "mktree"], cwd=clone.root, stdin=entries, capture_output=True, text=True, check=True)
    commit = clone.git("commit-tree", made.stdout.strip(), "-p", "HEAD", "-m", "Evil").stdout.strip()
    done = clone.push(served.git_url(AGENT), f"{commit}:refs/for/main", check=False)
    assert done.returncode != 0
    assert "hasDotgit" in done.stderr


def test_a_large_push_arrives_whole(served: Served, clone: Clone, tmp_path: Path) -> None:
    """Longer than every buffer on the way, and sent in chunks."""
    noise = random.Random(1).randbytes(40_000_000)
    (clone.root / "noise.bin").write_bytes(noise)
    clone.commit({}, "Noise")
    clone.push(served.git_url(AGENT), "HEAD:refs/for/main")
    fresh = Clone(tmp_path / "fresh")
    fresh.git("clone", "--quiet", "--branch", "agents/forge/builder-01/noise", served.git_url("reader"), ".")
    assert (fresh.root / "noise.bin").read_bytes() == noise


def test_a_client_that_goes_away_leaves_nothing_running(served: Served, clone: Clone) -> None:
    address = httpx.URL(served.url)
    basic = base64.b64encode(f"x:{served.tokens[AGENT]}".encode()).decode()
    head = (
        f"POST /{REPOSITORY}.git/git-receive-pack HTTP/1.1\r\nHost: {address.host}\r\nAuthorization: Basic {basic}\r\n"
        "Content-Type: application/x-git-receive-pack-request\r\nContent-Length: 1000000\r\n\r\n0094"
    )

    def children() -> list[str]:
        names = []
        for one in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):  # it may end while it is looked at
                names.append(one.name())
        return [name for name in names if name.startswith("git")]

    with socket.create_connection((address.host, address.port or 0)) as connection:
        connection.sendall(head.encode())
        wait_until(children, timeout_s=30)
    wait_until(lambda: not children(), timeout_s=30)
    clone.commit({"a.txt": "a"}, "Add a")
    clone.push(served.git_url(AGENT), "HEAD:refs/for/main")


def test_an_oversized_push_is_refused(tmp_path: Path) -> None:
    with served_host(tmp_path / "home", push_limit=200_000) as served:
        clone = first_import(served, tmp_path / "clone")
        before = _refs(served, clone)
        noise = random.Random(1).randbytes(2_000_000)
        (clone.root / "noise.bin").write_bytes(noise)
        clone.commit({}, "Noise")
        done = clone.push(served.git_url(AGENT), "HEAD:refs/for/main", check=False)
        assert done.returncode != 0
        assert "413" in done.stderr
        assert _refs(served, clone) == before
        clone.git("reset", "--quiet", "--hard", "HEAD~1")
        clone.commit({"small.txt": "s"}, "Small")
        clone.push(served.git_url(AGENT), "HEAD:refs/for/main")


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"[" * 200_000, 400),
        (b'{"title": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
        (b"{broken", 400),
        (b"[1]", 400),
        (b'{"title": "\\ud800", "head": "x", "base": "main"}', 422),
        (b'{"title": "x", "head": "../../x", "base": "main"}', 422),
        (b'{"title": "x", "head": "-x", "base": "main"}', 422),
        (b'{"a": "' + b"x" * 5_000_000 + b'"}', 413),
    ],
)
def test_rest_bodies_that_are_no_requests(served: Served, clone: Clone, content: bytes, status: int) -> None:
    headers = {"Authorization": f"Bearer {served.tokens[AGENT]}"}
    answer = httpx.post(f"{served.api}/repos/{REPOSITORY}/pulls", content=content, headers=headers)
    assert (answer.status_code, "message" in answer.json()) == (status, True)
    assert _client(served).open_pull_requests(REPOSITORY) == ()


@pytest.mark.parametrize("ref", ["main~1", "HEAD", "main@{0}", ":/Start", "--output=/tmp/x", "main..x", "@", "main^{tree}"])
def test_only_names_and_hashes_are_revisions(served: Served, clone: Clone, ref: str) -> None:
    headers = {"Authorization": f"Bearer {served.tokens['reader']}"}
    answer = httpx.get(f"{served.api}/repos/{REPOSITORY}/commits/{httpx.QueryParams({'r': ref})['r']}", headers=headers)
    assert answer.status_code in (404, 422)


@pytest.mark.parametrize(
    "path", ["..", "../../../../etc/passwd", "%00", ":(glob)*", "--help", "src/../README.md", "/", ".git/config"]
)
def test_only_paths_of_the_tree_have_contents(served: Served, clone: Clone, path: str) -> None:
    headers = {"Authorization": f"Bearer {served.tokens['reader']}"}
    answer = httpx.get(f"{served.api}/repos/{REPOSITORY}/contents/{path.replace('..', '%2e%2e')}", headers=headers)
    assert answer.status_code == (200 if path == "/" else 404)


def test_no_or_wrong_credentials_by_rest(served: Served) -> None:
    url = f"{served.api}/repos/{REPOSITORY}"
    assert httpx.get(url).status_code == 401
    assert httpx.get(url, headers={"Authorization": "Bearer forge_wrong"}).json()["message"] == "Bad credentials"
    reader = {"Authorization": f"Bearer {served.tokens['reader']}"}
    assert httpx.get(url, headers=reader).status_code == 200
    assert httpx.post(f"{url}/pulls", json={}, headers=reader).status_code == 403
    assert httpx.get(f"{served.api}/repos/acme/none", headers=reader).status_code == 404
    assert httpx.get(f"{served.url}/healthz").json() == {"status": "ok"}


# --- webhooks


@pytest.fixture
def target(served: Served) -> Iterator[Target]:
    with webhook_target() as target:
        served.host.add_webhook(target.url, SECRET)
        yield target


NOT_OURS = {
    "installation",
    "organization",
    "enterprise",
    "repository.master_branch",
    "repository.organization",
    "repository.stargazers",
    "repository.owner.name",
    "repository.owner.email",
    "head_commit.author.username",
    "head_commit.committer.username",
}
"""What GitHub's example bodies have and ours have not: apps, organizations, accounts of commit authors."""


def missing(example: Mapping[str, Any], ours: Mapping[str, Any], place: str = "") -> set[str]:
    """Fields of GitHub's own body that ours lacks."""
    found = {f"{place}{name}" for name in example.keys() - ours.keys()}
    for name in example.keys() & ours.keys():
        if isinstance(example[name], dict) and isinstance(ours[name], dict):
            found |= missing(example[name], ours[name], f"{place}{name}.")
    return found


def test_events_have_githubs_shapes(served: Served, clone: Clone, target: Target) -> None:
    head = clone.commit({"a.txt": "a"}, "Add a")
    clone.push(served.git_url(AGENT), "HEAD:refs/for/main", "topic=t")
    target.wait_for("pull_request.opened")
    second = clone.commit({"a.txt": "b"}, "Better a")
    clone.push(served.git_url(AGENT), "HEAD:refs/for/main", "topic=t", "title=Better")
    moved = target.wait_for("pull_request.synchronize")
    url, headers = f"{served.api}/repos/{REPOSITORY}", {"Authorization": f"Bearer {served.tokens['olga']}"}
    httpx.post(f"{url}/issues/1/comments", json={"body": "fine"}, headers=headers)
    httpx.post(f"{url}/pulls/1/reviews", json={"event": "APPROVE"}, headers=headers)
    httpx.patch(f"{url}/pulls/1", json={"state": "closed"}, headers=headers)
    httpx.patch(f"{url}/pulls/1", json={"state": "open"}, headers=headers)
    httpx.post(f"{url}/hooks/1/pings", headers=headers)
    landed = _client(served).merge(REPOSITORY, 1, head_sha=second, title="t")
    target.wait_for("push", 3)
    target.wait_for("ping")
    assert {(name, tuple(schema_errors(name, body))) for name, (_, body) in zip(target.names, target.got, strict=True)} == {
        (name, ()) for name in (
            "ping", "push", "issue_comment.created", "pull_request.opened", "pull_request.synchronize", "pull_request.edited",
            "pull_request.closed", "pull_request.reopened", "pull_request_review.submitted",
        )
    }  # fmt: skip
    assert (moved["before"], moved["after"], moved["pull_request"]["head"]["sha"]) == (head, second, second)
    assert (moved["sender"]["login"], moved["sender"]["type"]) == (AGENT, "Bot")
    review = target.wait_for("pull_request_review.submitted")
    assert (review["review"]["state"], review["review"]["commit_id"], review["sender"]["login"]) == ("approved", second, "olga")
    merged = next(body for _, body in target.got[::-1] if body.get("ref") == "refs/heads/main")
    assert (merged["after"], merged["sender"]["login"]) == (landed, "forge")
    closed = target.wait_for("pull_request.closed", 2)
    assert (closed["pull_request"]["merged"], closed["pull_request"]["merge_commit_sha"]) == (True, landed)
    for name in ("push", "pull_request.opened", "pull_request_review.submitted", "issue_comment.created"):
        assert missing(github_example(name), target.wait_for(name)) <= NOT_OURS
    surplus = {**closed, "surplus": 1}
    assert schema_errors("pull_request.closed", surplus) != []
    guids = [headers["x-github-delivery"] for headers, _ in target.got]
    assert len(set(guids)) == len(guids)


def test_deliveries_are_repeated_and_recorded(served: Served, clone: Clone, target: Target) -> None:
    target.answers += [500, 503]
    clone.commit({"a.txt": "a"}, "Add a")
    clone.push(served.git_url(AGENT), "HEAD:refs/for/main")
    target.wait_for("push", 1)
    assert target.names[:3] == ["pull_request.opened"] * 3
    assert len({headers["x-github-delivery"] for headers, _ in target.got[:3]}) == 1
    headers = {"Authorization": f"Bearer {served.tokens['forge']}"}
    first = httpx.get(f"{served.api}/app/hook/deliveries", headers=headers).json()[-1]
    assert (first["event"], first["status"], first["status_code"]) == ("pull_request", "OK", 202)
    httpx.post(f"{served.api}/app/hook/deliveries/{first['id']}/attempts", headers=headers)
    target.wait_for("pull_request.opened", 4)
    assert target.got[-1][0]["x-github-delivery"] == first["guid"]


def test_a_dead_receiver_holds_up_no_push_and_a_refusing_one_is_asked_once(
    served: Served, clone: Clone, target: Target
) -> None:
    target.answers += [400]
    served.host.add_webhook("http://127.0.0.1:9/nobody", "s")
    clone.commit({"a.txt": "a"}, "Add a")
    clone.push(served.git_url(AGENT), "HEAD:refs/for/main")
    target.wait_for("push", 1)
    assert target.names.count("pull_request.opened") == 1
    headers = {"Authorization": f"Bearer {served.tokens['forge']}"}
    listed = httpx.get(f"{served.api}/app/hook/deliveries", headers=headers).json()
    assert [d["status"] for d in listed if d["status_code"] == 400] == ["failed"]
    assert [d["status"] != "OK" for d in listed if d["status_code"] == 0 and d["event"] == "pull_request"] == [True]


def test_a_push_whose_end_nobody_told_is_noticed(tmp_path: Path) -> None:
    """The branch moved while no server was there to hear of it: as after a server killed in the middle of a push."""
    home = tmp_path / "home"
    with served_host(home) as served:
        clone = first_import(served, tmp_path / "clone")
        head = clone.commit({"a.txt": "a"}, "Add a")
        clone.push(served.git_url(AGENT), "HEAD:refs/for/main", "title=Keep me")
        newer = clone.commit({"a.txt": "b"}, "Better a")
        clone.push(served.git_url("olga"), "HEAD:refs/heads/elsewhere")
    bare = str(home / "host/repositories/acme/shop.git")
    clone.git("--git-dir", bare, "update-ref", "refs/heads/agents/forge/builder-01/keep-me", newer, head)
    with served_host(home) as served, webhook_target() as target:
        served.host.add_webhook(target.url, SECRET)
        pull = _client(served).pull_request(REPOSITORY, 1)
        told = target.wait_for("pull_request.synchronize")
    assert (pull.title, pull.state, pull.head_sha) == ("Keep me", "open", newer)
    assert (told["before"], told["after"], told["sender"]["login"]) == (head, newer, "ghost")


def test_the_request_log_holds_no_token(served: Served, clone: Clone, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    clone.git("ls-remote", served.git_url(AGENT))
    httpx.get(
        f"{served.api}/rate_limit?access_token={served.tokens[AGENT]}",
        headers={"Authorization": f"token {served.tokens[AGENT]}"},
    )
    mine = [record.getMessage() for record in caplog.records if record.name.startswith("forge")]
    assert any(AGENT in line for line in mine)
    assert not any(served.tokens[AGENT] in line for line in mine)


def test_an_administrators_view_needs_no_server(tmp_path: Path) -> None:
    host = EmbeddedHost(tmp_path)
    host.create_repository("acme/shop")
    host.create_repository("acme/shop")
    token = host.accounts.create_token("olga", "operator")
    login = host.accounts.login_of(token)
    assert (host.repositories(), login is not None and login.login) == (("acme/shop",), "olga")
    assert host.accounts.revoke_all("olga") == 1
    assert host.accounts.login_of(token) is None
