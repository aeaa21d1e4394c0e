"""JSON in GitHub's shapes, made of rows and git's answers. Pure: one definition serves REST answers and webhook bodies."""

import base64
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from sqlalchemy import Row

from forge_dagster.hosts.embedded.git import CommitData, FileData
from forge_dagster.hosts.embedded.host import Repository

Json = dict[str, Any]


def iso(at: float) -> str:
    """Seconds since the epoch as GitHub writes times."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_or_none(at: float | None) -> str | None:
    """The same for a time that may not have come."""
    return None if at is None else iso(at)


def node(kind: str, number: int) -> str:
    """A `node_id`."""
    return base64.b64encode(f"{kind}:{number}".encode()).decode()


def api(root: str) -> str:
    """REST root below the server's address."""
    return f"{root}/api/v3"


def account(root: str, number: int, login: str, type_: str) -> Json:
    """A user, bot or organization."""
    url = f"{api(root)}/users/{quote(login, safe='')}"
    return {
        "login": login,
        "id": number,
        "node_id": node("U", number),
        "avatar_url": f"{root}/favicon.ico",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{root}/{quote(login)}",
        "followers_url": f"{url}/followers",
        "following_url": f"{url}/following{{/other_user}}",
        "gists_url": f"{url}/gists{{/gist_id}}",
        "starred_url": f"{url}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{url}/subscriptions",
        "organizations_url": f"{url}/orgs",
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events{{/privacy}}",
        "received_events_url": f"{url}/received_events",
        "type": type_,
        "site_admin": False,
    }


def user(root: str, row: Row[Any]) -> Json:
    """An account's row; agents and Forge itself are of type Bot."""
    return account(root, row.id, row.login, "Bot" if row.kind in ("agent", "forge") else "User")


_REPOSITORY_LINKS = {
    "archive_url": "{archive_format}{/ref}",
    "assignees_url": "assignees{/user}",
    "blobs_url": "git/blobs{/sha}",
    "branches_url": "branches{/branch}",
    "collaborators_url": "collaborators{/collaborator}",
    "comments_url": "comments{/number}",
    "commits_url": "commits{/sha}",
    "compare_url": "compare/{base}...{head}",
    "contents_url": "contents/{+path}",
    "contributors_url": "contributors",
    "deployments_url": "deployments",
    "downloads_url": "downloads",
    "events_url": "events",
    "forks_url": "forks",
    "git_commits_url": "git/commits{/sha}",
    "git_refs_url": "git/refs{/sha}",
    "git_tags_url": "git/tags{/sha}",
    "hooks_url": "hooks",
    "issue_comment_url": "issues/comments{/number}",
    "issue_events_url": "issues/events{/number}",
    "issues_url": "issues{/number}",
    "keys_url": "keys{/key_id}",
    "labels_url": "labels{/name}",
    "languages_url": "languages",
    "merges_url": "merges",
    "milestones_url": "milestones{/number}",
    "notifications_url": "notifications{?since,all,participating}",
    "pulls_url": "pulls{/number}",
    "releases_url": "releases{/id}",
    "stargazers_url": "stargazers",
    "statuses_url": "statuses/{sha}",
    "subscribers_url": "subscribers",
    "subscription_url": "subscription",
    "tags_url": "tags",
    "teams_url": "teams",
    "trees_url": "git/trees{/sha}",
}


def owner(root: str, repository: Repository) -> Json:
    """The organization that a repository belongs to: not an account, so its number is made of its name."""
    return account(root, zlib.crc32(repository.owner.encode()), repository.owner, "Organization")


def repository(root: str, repo: Repository, *, open_issues: int = 0) -> Json:
    """A repository as webhooks carry it; `full_repository` is what REST answers."""
    url = f"{api(root)}/repos/{repo.full_name}"
    page = f"{root}/{repo.full_name}"
    return {
        "id": repo.id,
        "node_id": node("R", repo.id),
        "name": repo.name,
        "full_name": repo.full_name,
        "private": True,
        "owner": owner(root, repo),
        "html_url": page,
        "description": None,
        "fork": False,
        "url": url,
        **{name: f"{url}/{path}" for name, path in _REPOSITORY_LINKS.items()},
        "created_at": iso(repo.created_at),
        "updated_at": iso(repo.pushed_at),
        "pushed_at": iso(repo.pushed_at),
        "git_url": f"{page}.git",
        "ssh_url": f"{page}.git",
        "clone_url": f"{page}.git",
        "svn_url": page,
        "homepage": None,
        "size": 0,
        "stargazers_count": 0,
        "watchers_count": 0,
        "language": None,
        "has_issues": False,
        "has_projects": False,
        "has_downloads": False,
        "has_wiki": False,
        "has_pages": False,
        "has_discussions": False,
        "forks_count": 0,
        "mirror_url": None,
        "archived": False,
        "disabled": False,
        "open_issues_count": open_issues,
        "license": None,
        "allow_forking": False,
        "allow_merge_commit": True,
        "allow_squash_merge": False,
        "allow_rebase_merge": False,
        "allow_auto_merge": False,
        "allow_update_branch": False,
        "delete_branch_on_merge": False,
        "is_template": False,
        "web_commit_signoff_required": False,
        "topics": [],
        "visibility": "private",
        "forks": 0,
        "open_issues": open_issues,
        "watchers": 0,
        "default_branch": repo.default_branch,
        "custom_properties": {},
    }


def full_repository(root: str, repo: Repository, *, may_write: bool) -> Json:
    """`full-repository`."""
    rights = {"admin": False, "maintain": False, "push": may_write, "triage": may_write, "pull": True}
    return {**repository(root, repo), "permissions": rights, "network_count": 0, "subscribers_count": 0}


def commit(root: str, repo: Repository, data: CommitData, files: Sequence[FileData] | None = None) -> Json:
    """`commit`; with `files` also what it changed."""
    url = f"{api(root)}/repos/{repo.full_name}"
    page = f"{root}/{repo.full_name}"
    made: Json = {
        "sha": data.sha,
        "node_id": base64.b64encode(data.sha.encode()).decode(),
        "url": f"{url}/commits/{data.sha}",
        "html_url": f"{page}/commit/{data.sha}",
        "comments_url": f"{url}/commits/{data.sha}/comments",
        "commit": {
            "url": f"{url}/git/commits/{data.sha}",
            "author": {"name": data.author.name, "email": data.author.email, "date": data.author.date},
            "committer": {"name": data.committer.name, "email": data.committer.email, "date": data.committer.date},
            "message": data.message,
            "tree": {"sha": data.tree, "url": f"{url}/git/trees/{data.tree}"},
            "comment_count": 0,
            "verification": {"verified": False, "reason": "unsigned", "signature": None, "payload": None, "verified_at": None},
        },
        "author": None,
        "committer": None,
        "parents": [{"sha": sha, "url": f"{url}/commits/{sha}", "html_url": f"{page}/commit/{sha}"} for sha in data.parents],
    }
    if files is not None:
        added, deleted = sum(f.additions for f in files), sum(f.deletions for f in files)
        made["stats"] = {"additions": added, "deletions": deleted, "total": added + deleted}
        made["files"] = [changed_file(root, repo, data.sha, f) for f in files]
    return made


def pushed_commit(root: str, repo: Repository, data: CommitData) -> Json:
    """A commit inside a push event. Files are left out, as GitHub may; who needs them asks."""
    return {
        "id": data.sha,
        "tree_id": data.tree,
        "distinct": True,
        "message": data.message,
        "timestamp": data.committer.date,
        "url": f"{root}/{repo.full_name}/commit/{data.sha}",
        "author": {"name": data.author.name, "email": data.author.email},
        "committer": {"name": data.committer.name, "email": data.committer.email},
        "added": [],
        "removed": [],
        "modified": [],
    }


def changed_file(root: str, repo: Repository, sha: str, data: FileData) -> Json:
    """`diff-entry`, without the patch text."""
    path = quote(data.path)
    made = {
        "sha": data.blob,
        "filename": data.path,
        "status": data.state,
        "additions": data.additions,
        "deletions": data.deletions,
        "changes": data.additions + data.deletions,
        "blob_url": f"{root}/{repo.full_name}/blob/{sha}/{path}",
        "raw_url": f"{root}/{repo.full_name}/raw/{sha}/{path}",
        "contents_url": f"{api(root)}/repos/{repo.full_name}/contents/{path}?ref={sha}",
    }
    return {**made, "previous_filename": data.previous} if data.previous else made


def git_ref(root: str, repo: Repository, ref: str, sha: str) -> Json:
    """`git-ref`."""
    url = f"{api(root)}/repos/{repo.full_name}"
    return {
        "ref": ref,
        "node_id": node(f"REF:{ref}", repo.id),
        "url": f"{url}/git/{quote(ref)}",
        "object": {"type": "commit", "sha": sha, "url": f"{url}/git/commits/{sha}"},
    }
