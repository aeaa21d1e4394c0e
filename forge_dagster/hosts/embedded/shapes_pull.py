"""Pull requests and the talk on them, in GitHub's shapes."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from sqlalchemy import Row

from forge_dagster.hosts.embedded.host import Repository
from forge_dagster.hosts.embedded.shapes import Json, api, iso, iso_or_none, node, owner, repository, user


def label(root: str, repo: Repository, row: Row[Any]) -> Json:
    """`label`."""
    return {
        "id": row.id,
        "node_id": node("LA", row.id),
        "url": f"{api(root)}/repos/{repo.full_name}/labels/{quote(row.name, safe='')}",
        "name": row.name,
        "color": "ededed",
        "default": False,
        "description": "",
    }


def _links(root: str, repo: Repository, row: Row[Any]) -> dict[str, str]:
    url = f"{api(root)}/repos/{repo.full_name}"
    return {
        "self": f"{url}/pulls/{row.number}",
        "html": f"{root}/{repo.full_name}/pull/{row.number}",
        "issue": f"{url}/issues/{row.number}",
        "comments": f"{url}/issues/{row.number}/comments",
        "review_comments": f"{url}/pulls/{row.number}/comments",
        "review_comment": f"{url}/pulls/comments{{/number}}",
        "commits": f"{url}/pulls/{row.number}/commits",
        "statuses": f"{url}/statuses/{row.head_sha}",
    }


def simple_pull(root: str, repo: Repository, row: Row[Any], author: Row[Any], labels: Sequence[Row[Any]]) -> Json:
    """`pull-request-simple`: lists, and inside review events. `row` is of table pulls, `author` and labels theirs."""
    links = _links(root, repo, row)
    home = repository(root, repo)
    sides = {
        side: {"label": f"{repo.owner}:{ref}", "ref": ref, "sha": sha, "user": owner(root, repo), "repo": home}
        for side, ref, sha in (("head", row.head_ref, row.head_sha), ("base", row.base_ref, row.base_sha))
    }
    return {
        "url": links["self"],
        "id": row.id,
        "node_id": node("PR", row.id),
        "html_url": links["html"],
        "diff_url": f"{links['html']}.diff",
        "patch_url": f"{links['html']}.patch",
        "issue_url": links["issue"],
        "number": row.number,
        "state": row.state,
        "locked": False,
        "title": row.title,
        "user": user(root, author),
        "body": row.body,
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
        "closed_at": iso_or_none(row.closed_at),
        "merged_at": iso_or_none(row.merged_at),
        "merge_commit_sha": row.merge_sha,
        "assignee": None,
        "assignees": [],
        "requested_reviewers": [],
        "requested_teams": [],
        "labels": [label(root, repo, one) for one in labels],
        "milestone": None,
        "draft": row.draft,
        "commits_url": links["commits"],
        "review_comments_url": links["review_comments"],
        "review_comment_url": links["review_comment"],
        "comments_url": links["comments"],
        "statuses_url": links["statuses"],
        **sides,
        "_links": {name: {"href": address} for name, address in links.items()},
        "author_association": "MEMBER",
        "auto_merge": None,
        "active_lock_reason": None,
    }


def comment(root: str, repo: Repository, number: int, row: Row[Any], author: Row[Any]) -> Json:
    """`issue-comment`."""
    url = f"{api(root)}/repos/{repo.full_name}/issues"
    names = ("+1", "-1", "laugh", "confused", "heart", "hooray", "eyes", "rocket")
    return {
        "url": f"{url}/comments/{row.id}",
        "html_url": f"{root}/{repo.full_name}/pull/{number}#issuecomment-{row.id}",
        "issue_url": f"{url}/{number}",
        "id": row.id,
        "node_id": node("IC", row.id),
        "user": user(root, author),
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
        "author_association": "MEMBER",
        "performed_via_github_app": None,
        "body": row.body,
        "reactions": {"url": f"{url}/comments/{row.id}/reactions", "total_count": 0, **dict.fromkeys(names, 0)},
    }


def issue(root: str, repo: Repository, pull: Json, comments: int) -> Json:
    """The issue that a pull request also is, inside comment events."""
    url = f"{api(root)}/repos/{repo.full_name}/issues/{pull['number']}"
    names = ("+1", "-1", "laugh", "confused", "heart", "hooray", "eyes", "rocket")
    same = ("html_url", "number", "title", "user", "labels", "state", "locked", "assignee", "assignees", "milestone")
    more = ("created_at", "updated_at", "closed_at", "author_association", "active_lock_reason", "draft", "body")
    return {
        **{name: pull[name] for name in (*same, *more)},
        "url": url,
        "repository_url": f"{api(root)}/repos/{repo.full_name}",
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "id": pull["id"],
        "node_id": pull["node_id"],
        "comments": comments,
        "pull_request": {name: pull[name] for name in ("url", "html_url", "diff_url", "patch_url")},
        "performed_via_github_app": None,
        "reactions": {"url": f"{url}/reactions", "total_count": 0, **dict.fromkeys(names, 0)},
    }


def review(root: str, repo: Repository, number: int, row: Row[Any], author: Row[Any]) -> Json:
    """`pull-request-review`; state in capitals, as REST has it (webhooks write it small)."""
    html = f"{root}/{repo.full_name}/pull/{number}#pullrequestreview-{row.id}"
    pull = f"{api(root)}/repos/{repo.full_name}/pulls/{number}"
    return {
        "id": row.id,
        "node_id": node("PRR", row.id),
        "user": user(root, author),
        "body": row.body,
        "state": row.state,
        "html_url": html,
        "pull_request_url": pull,
        "author_association": "MEMBER",
        "_links": {"html": {"href": html}, "pull_request": {"href": pull}},
        "submitted_at": iso(row.submitted_at),
        "commit_id": row.commit_id,
    }
