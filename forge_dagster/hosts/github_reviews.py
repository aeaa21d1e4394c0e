"""Reads what reviews of a pull request say."""

from forge_dagster.errors import HostError
from forge_dagster.hosts.github_client import GitHubClient
from forge_dagster.hosts.github_models import LineCommentModel, ReviewModel
from forge_dagster.ports import HostRemark


def review_remarks(api: GitHubClient, pull: str) -> tuple[HostRemark, ...]:
    """What stands under the path `pull` of a pull request: whole reviews first, then comments on lines. Raises HostError."""
    found = [
        HostRemark(
            by=one.user.login if one.user is not None else "",
            head_sha=one.commit_id or "",
            body=one.body or "",
            state=one.state.lower(),
        )
        for one in api.each(f"{pull}/reviews", ReviewModel)
    ]
    try:
        comments = list(api.each(f"{pull}/comments", LineCommentModel))
    except HostError as error:
        if error.status != 404:
            raise
        comments = []  # a host that keeps no comments on lines, as the embedded one
    found += [
        HostRemark(
            by=one.user.login if one.user is not None else "",
            head_sha=one.commit_id,
            body=one.body or "",
            file=one.path,
            line=one.line,
        )
        for one in comments
    ]
    return tuple(found)
