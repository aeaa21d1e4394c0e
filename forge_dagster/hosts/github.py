"""The one client of GitHub-shaped hosts: github.com, GitHub Enterprise, and Forge's embedded host alike."""

import base64
import binascii
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx

from forge_dagster.errors import HeadMoved, HostError, RevisionGone
from forge_dagster.hosts.github_client import GitHubClient
from forge_dagster.hosts.github_models import (
    AnnotationModel,
    CheckModel,
    CommentModel,
    CommitModel,
    ContentModel,
    DeploymentModel,
    DeploymentStatusModel,
    MergeModel,
    PullModel,
    RefModel,
    RepositoryModel,
    StatusModel,
    UserModel,
    ViewerModel,
)
from forge_dagster.hosts.github_reviews import review_remarks
from forge_dagster.hosts.github_text import BATCH, annotation, cut
from forge_dagster.ports import CheckRun, Commit, HostRemark, PullRequest

_STATUS_LIMIT = 140
"""Characters of a description of a status or deployment."""


class GitHubHost:
    """ports.GitHost over REST. `agents`: host login -> agent name, for hosts where an agent's login is not its name.

    `repositories`: what to serve; empty: everything the token sees. The rest is for tests: a client, waiting, clocks.
    """

    def __init__(
        self,
        *,
        api_url: str,
        git_url: str,
        token: Callable[[], str],
        agents: Mapping[str, str] | None = None,
        repositories: Sequence[str] = (),
        client: httpx.Client | None = None,
        write_interval_s: float | None = None,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._git_url = git_url.rstrip("/")
        self._token = token
        self._agents = dict(agents or {})
        self._repositories = tuple(repositories)
        self._own: str | None = None
        self._api = GitHubClient(
            api_url=api_url, token=token, client=client, write_interval_s=write_interval_s, now=now, sleep=sleep
        )

    # --- reading

    def pull_request(self, repository: str, number: int) -> PullRequest:
        """Raises HostError (404 when there is none)."""
        return self._pull(repository, self._api.get(f"{_at(repository)}/pulls/{number}", PullModel))

    def open_pull_requests(self, repository: str) -> tuple[PullRequest, ...]:
        """All of them, oldest first."""
        found = self._api.each(f"{_at(repository)}/pulls", PullModel, state="open", sort="created", direction="asc")
        return tuple(self._pull(repository, one) for one in found)

    def repositories(self) -> tuple[str, ...]:
        """Those named at construction, else all that the token sees."""
        if self._repositories:
            return self._repositories
        return tuple(one.full_name for one in self._api.each("/user/repos", RepositoryModel))

    def commit(self, repository: str, ref: str) -> Commit:
        """Raises RevisionGone when it does not exist (any more)."""
        try:
            found = self._api.get(f"{_at(repository)}/commits/{quote(ref, safe='/')}", CommitModel)
        except HostError as error:
            raise _gone(error, repository, ref) from None
        return Commit(sha=found.sha, message=found.commit.message, parents=tuple(p.sha for p in found.parents))

    def branch_head(self, repository: str, branch: str) -> str | None:
        """Commit at the tip, or None when there is no such branch (or the repository is empty: GitHub answers 409)."""
        try:
            found = self._api.get_or_none(f"{_at(repository)}/git/ref/heads/{quote(branch, safe='/')}", RefModel)
        except HostError as error:
            if error.status == 409:
                return None
            raise
        return None if found is None else found.object.sha

    def file_text(self, repository: str, path: str, ref: str) -> str | None:
        """The file's text at `ref`, or None when it is absent. Raises RevisionGone when `ref` is."""
        found = self._api.get_or_none(f"{_at(repository)}/contents/{quote(path)}", ContentModel, ref=ref)
        if found is None:
            self.commit(repository, ref)
            return None
        if found.type != "file" or found.encoding != "base64":
            raise HostError(f"{repository}: {path} is no file of at most 1 MB", hint="make it a plain, smaller file")
        try:
            return base64.b64decode(found.content).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise HostError(f"{repository}: {path} is not UTF-8 text", hint="save it as UTF-8") from error

    def _pull(self, repository: str, found: PullModel) -> PullRequest:
        user = found.user or UserModel(login="ghost")
        return PullRequest(
            repository=repository,
            number=found.number,
            title=found.title,
            state="open" if found.state == "open" else "closed",
            merged=found.is_merged,
            draft=found.draft,
            head_sha=found.head.sha,
            head_ref=found.head.ref,
            base_ref=found.base.ref,
            base_sha=found.base.sha,
            author=self._agents.get(user.login, user.login),
            author_is_agent=user.login in self._agents or user.type == "Bot",
            merge_sha=found.merge_commit_sha if found.is_merged else None,
        )

    # --- checks, statuses, comments

    def put_check_run(self, repository: str, check: CheckRun) -> None:
        """Create or update the run with this head and key (its external_id); annotations in batches of 50.

        Annotations can only be added. So a half-written run is continued where it stopped, and one that says something
        else by now is followed by a new run of the same name, which hosts show in its stead.
        """
        annotations = [annotation(f) for f in check.annotations if f.file is not None]
        output = {"title": check.title or check.name, "summary": cut(check.summary or check.title or check.name)}
        body: dict[str, Any] = {"name": check.name, "external_id": check.key, "status": check.status, "output": output}
        if check.details_url:
            body["details_url"] = check.details_url
        if check.conclusion is not None:
            body["conclusion"] = check.conclusion
        known = self._known_check(repository, check)
        written = 0 if known is None else self._written(repository, known, annotations)
        if known is None or written is None:
            first = {**body, "head_sha": check.head_sha, "output": {**output, "annotations": annotations[:BATCH]}}
            answer = self._api.write("POST", f"{_at(repository)}/check-runs", first)
            run, written = self._api.read(answer, CheckModel).id, BATCH
        else:
            run = known.id
            batch = {**body, "output": {**output, "annotations": annotations[written : written + BATCH]}}
            self._api.write("PATCH", f"{_at(repository)}/check-runs/{run}", batch)
            written += BATCH
        for start in range(written, len(annotations), BATCH):
            more = {"output": {**output, "annotations": annotations[start : start + BATCH]}}
            self._api.write("PATCH", f"{_at(repository)}/check-runs/{run}", more)

    def _known_check(self, repository: str, check: CheckRun) -> CheckModel | None:
        path = f"{_at(repository)}/commits/{check.head_sha}/check-runs"
        found = self._api.each(path, CheckModel, key="check_runs", check_name=check.name, filter="all")
        same = [one for one in found if one.external_id == check.key]
        return max(same, key=lambda one: one.id, default=None)

    def _written(self, repository: str, known: CheckModel, wanted: Sequence[Mapping[str, Any]]) -> int | None:
        """How many of `wanted` the run has already; None when what it has is something else."""
        if known.output.annotations_count == 0:
            return 0
        if known.output.annotations_count > len(wanted):
            return None
        there = [
            (a.path, a.start_line, a.message)
            for a in self._api.each(f"{_at(repository)}/check-runs/{known.id}/annotations", AnnotationModel)
        ]
        same = there == [(a["path"], a["start_line"], a["message"]) for a in wanted[: len(there)]]
        return len(there) if same else None

    def put_status(self, repository: str, sha: str, *, state: str, context: str, description: str, url: str = "") -> None:
        """Add a status, unless the newest of this context says the same."""
        body = {"state": state, "context": context, "description": description[:_STATUS_LIMIT]}
        if url:
            body["target_url"] = url
        statuses = self._api.each(f"{_at(repository)}/commits/{sha}/status", StatusModel, key="statuses")
        now = next((one for one in statuses if one.context == context), None)
        if now is None or {k: v for k, v in now.model_dump().items() if v} != body:
            self._api.write("POST", f"{_at(repository)}/statuses/{sha}", body)

    def put_comment(self, repository: str, number: int, *, marker: str, body: str) -> None:
        """The one comment of ours that starts with the hidden `marker`: created or replaced. Others' comments never count."""
        text = cut(body if body.startswith(marker) else f"{marker}\n{body}")
        path = f"{_at(repository)}/issues/{number}/comments"
        for comment in self._api.each(path, CommentModel):
            if (comment.body or "").startswith(marker) and self._is_own(comment.user):
                if comment.body != text:
                    self._api.write("PATCH", f"{_at(repository)}/issues/comments/{comment.id}", {"body": text})
                return
        self._api.write("POST", path, {"body": text})

    def _is_own(self, user: UserModel | None) -> bool:
        """Whether it is the account of our token. An app's token may not ask GET /user; GraphQL's viewer answers it."""
        if self._own is None:
            try:
                self._own = self._api.get("/user", UserModel).login
            except HostError as error:
                if error.status != 403:
                    raise
                answer = self._api.write("POST", "/graphql", {"query": "{ viewer { login } }"})
                self._own = self._api.read(answer, ViewerModel).data.viewer.login
        return user is not None and user.login == self._own

    def remarks(self, repository: str, number: int) -> tuple[HostRemark, ...]:
        """Reviews, then their comments on lines (a host that keeps none answers 404)."""
        return review_remarks(self._api, f"{_at(repository)}/pulls/{number}")

    # --- merging, deployments

    def merge(self, repository: str, number: int, *, head_sha: str, title: str) -> str:
        """Merge exactly `head_sha`; the merge commit. State is read before and after every doubtful answer."""
        landed = self._landed(repository, number, head_sha)
        if landed is not None:
            return landed
        body = {"sha": head_sha, "commit_title": title[:256], "merge_method": "merge"}
        try:
            answer = self._api.write("PUT", f"{_at(repository)}/pulls/{number}/merge", body)
        except HostError as error:
            landed = None if error.status in (401, 404) else self._landed(repository, number, head_sha)
            if landed is not None:
                return landed
            if error.status == 409:
                raise HeadMoved(error.message, hint="the new head is judged anew", status=409) from None
            raise
        merged = self._api.read(answer, MergeModel)
        if not merged.merged:
            raise HostError(f"{repository}#{number} was not merged, though the host said yes", status=502)
        return merged.sha

    def _landed(self, repository: str, number: int, head_sha: str) -> str | None:
        """Merge commit if `head_sha` has been merged, None while the request is open at it. Raises HeadMoved, HostError."""
        found = self._api.get(f"{_at(repository)}/pulls/{number}", PullModel)
        if found.head.sha != head_sha:
            raise HeadMoved(
                f"{repository}#{number} is at {found.head.sha[:12]} by now, not at {head_sha[:12]}",
                hint="the new head is judged anew",
                status=409,
            )
        if found.is_merged:
            return found.merge_commit_sha
        if found.state != "open":
            raise HostError(f"{repository}#{number} was closed without merging", hint="reopen it first", status=405)
        return None

    def close(self, repository: str, number: int) -> None:
        """Close without merging; no-op when it is closed."""
        if self.pull_request(repository, number).state == "open":
            self._api.write("PATCH", f"{_at(repository)}/pulls/{number}", {"state": "closed"})

    def create_deployment(self, repository: str, *, sha: str, environment: str, description: str) -> int:
        """Its number; the same commit, environment and description again give the same deployment."""
        path, text = f"{_at(repository)}/deployments", description[:_STATUS_LIMIT]
        for known in self._api.each(path, DeploymentModel, sha=sha, environment=environment):
            if (known.description or "") == text:
                return known.id
        body = {"ref": sha, "environment": environment, "description": text, "auto_merge": False, "required_contexts": []}
        return self._api.read(self._api.write("POST", path, body), DeploymentModel).id

    def put_deployment_status(self, repository: str, deployment: int, *, state: str, url: str, description: str) -> None:
        """Add a status, unless the newest says the same."""
        path = f"{_at(repository)}/deployments/{deployment}/statuses"
        body = {"state": state, "description": description[:_STATUS_LIMIT], "environment_url": url, "auto_inactive": False}
        now = next(iter(self._api.each(path, DeploymentStatusModel)), None)
        same = ("state", "description", "environment_url")
        if now is None or any((getattr(now, name) or "") != body[name] for name in same):
            self._api.write("POST", path, body)

    # --- git

    def git_url(self, repository: str) -> str:
        """Where to fetch and push with git; holds no token."""
        return f"{self._git_url}/{repository}.git"

    def git_environment(self) -> Mapping[str, str]:
        """git reads this as configuration (git-config(1), GIT_CONFIG_COUNT): a header for this host's addresses only."""
        basic = base64.b64encode(f"x-access-token:{self._token()}".encode()).decode("ascii")
        return {
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{self._git_url}/.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
        }


def _at(repository: str) -> str:
    return f"/repos/{quote(repository, safe='/')}"


def _gone(error: HostError, repository: str, ref: str) -> HostError:
    if error.status not in (404, 409, 422):
        return error
    return RevisionGone(f"{repository} has no {ref[:60]} (any more)", hint="push it again", status=error.status)
