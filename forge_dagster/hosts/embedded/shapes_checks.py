"""Check runs, statuses and deployments, in GitHub's shapes."""

from typing import Any

from sqlalchemy import Row

from forge_dagster.hosts.embedded.host import Repository
from forge_dagster.hosts.embedded.shapes import Json, api, iso, iso_or_none, node, user


def check_run(root: str, repo: Repository, row: Row[Any], annotations: int) -> Json:
    """`check-run`; the suite of a commit is numbered after its first check here, since there is one app."""
    url = f"{api(root)}/repos/{repo.full_name}/check-runs/{row.id}"
    return {
        "id": row.id,
        "node_id": node("CR", row.id),
        "head_sha": row.head_sha,
        "external_id": row.external_id,
        "name": row.name,
        "url": url,
        "html_url": f"{root}/{repo.full_name}/commit/{row.head_sha}",
        "details_url": row.details_url,
        "status": row.status,
        "conclusion": row.conclusion,
        "started_at": iso(row.started_at),
        "completed_at": iso_or_none(row.completed_at),
        "output": {
            "title": row.title,
            "summary": row.summary,
            "text": row.text,
            "annotations_count": annotations,
            "annotations_url": f"{url}/annotations",
        },
        "check_suite": None,
        "app": None,
        "pull_requests": [],
    }


def annotation(root: str, repo: Repository, sha: str, body: Json) -> Json:
    """`check-annotation`."""
    return {
        "path": body["path"],
        "blob_href": f"{api(root)}/repos/{repo.full_name}/git/blobs/{sha}",
        "start_line": body["start_line"],
        "end_line": body["end_line"],
        "start_column": body.get("start_column"),
        "end_column": body.get("end_column"),
        "annotation_level": body["annotation_level"],
        "title": body.get("title"),
        "message": body["message"],
        "raw_details": body.get("raw_details"),
    }


def status(root: str, repo: Repository, row: Row[Any], creator: Row[Any] | None = None) -> Json:
    """`status`; without `creator` `simple-commit-status`, as inside the combined one."""
    made = {
        "url": f"{api(root)}/repos/{repo.full_name}/statuses/{row.sha}",
        "avatar_url": f"{root}/favicon.ico",
        "id": row.id,
        "node_id": node("SC", row.id),
        "state": row.state,
        "description": row.description,
        "target_url": row.target_url,
        "context": row.context,
        "created_at": iso(row.created_at),
        "updated_at": iso(row.created_at),
    }
    return made if creator is None else {**made, "creator": user(root, creator)}


def deployment(root: str, repo: Repository, row: Row[Any], creator: Row[Any], updated_at: float) -> Json:
    """`deployment`."""
    base = f"{api(root)}/repos/{repo.full_name}"
    return {
        "url": f"{base}/deployments/{row.id}",
        "id": row.id,
        "node_id": node("DE", row.id),
        "sha": row.sha,
        "ref": row.ref,
        "task": row.task,
        "payload": row.payload,
        "original_environment": row.environment,
        "environment": row.environment,
        "description": row.description,
        "creator": user(root, creator),
        "created_at": iso(row.created_at),
        "updated_at": iso(updated_at),
        "statuses_url": f"{base}/deployments/{row.id}/statuses",
        "repository_url": base,
        "transient_environment": False,
        "production_environment": row.environment == "production",
    }


def deployment_status(root: str, repo: Repository, row: Row[Any], creator: Row[Any]) -> Json:
    """`deployment-status`."""
    base = f"{api(root)}/repos/{repo.full_name}"
    return {
        "url": f"{base}/deployments/{row.deployment_id}/statuses/{row.id}",
        "id": row.id,
        "node_id": node("DES", row.id),
        "state": row.state,
        "creator": user(root, creator),
        "description": row.description,
        "environment": row.environment,
        "target_url": row.log_url,
        "log_url": row.log_url,
        "environment_url": row.environment_url,
        "created_at": iso(row.created_at),
        "updated_at": iso(row.created_at),
        "deployment_url": f"{base}/deployments/{row.deployment_id}",
        "repository_url": base,
    }
