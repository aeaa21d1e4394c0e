"""Merging a pull request: the judged head onto the base branch as it is, in one atomic step."""

from sqlalchemy import update

from forge_dagster.hosts.embedded import events, pulls, schema
from forge_dagster.hosts.embedded.accounts import Login
from forge_dagster.hosts.embedded.host import EmbeddedHost, Repository
from forge_dagster.hosts.embedded.refusals import Refused, forbidden
from forge_dagster.hosts.embedded.rules import one_line


def merge(
    host: EmbeddedHost,
    repository: Repository,
    number: int,
    *,
    by: Login,
    sha: str | None,
    title: str | None,
    message: str | None,
    method: str,
    root: str,
) -> str:
    """Merge; the merge commit. Refused: 403 for anybody but Forge, 405 not mergeable, 409 head moved.

    Safe to be killed anywhere: the branch moves first, and `pulls.follow` recognises a landed head later.
    """
    if by.kind != "forge":
        raise forbidden("only Forge merges: it does so once its gates let the change through")
    git = host.git(repository)
    with host.locked(repository):
        pulls.follow(host, repository, root=root)
        row = pulls.pull_row(host, repository, number)
        if row.state != "open" or row.draft:
            raise Refused("Pull Request is not mergeable", status=405)
        if method != "merge":
            raise Refused(f"{method.capitalize()} merges are not allowed on this repository.", status=405)
        if sha is not None and sha != row.head_sha:
            raise Refused("Head branch was modified. Review and try the merge again.", status=409)
        tree = pulls.conflict_free(git, row)
        subject = one_line(title or f"Merge pull request #{number} from {row.head_ref}")
        text = f"{subject}\n\n{message}\n" if message else f"{subject}\n"
        landed = git.commit_tree(tree, (row.base_sha, row.head_sha), text, name=by.login, at=host.now())
        try:
            git.update_refs((f"refs/heads/{row.base_ref}", landed, row.base_sha))
        except Refused as moved:
            raise Refused("Base branch was modified. Review and try the merge again.", status=405) from moved
        now = host.now()
        with host.database.writing() as connection:
            values = {"state": "closed", "closed_at": now, "merged_at": now, "merge_sha": landed, "merged_by_id": by.id}
            connection.execute(update(schema.pulls).where(schema.pulls.c.id == row.id).values(updated_at=now, **values))
            pulls.tell_closed(host, connection, repository, number, by=by, root=root)
        commits = git.commits(f"{row.base_sha}..{landed}", limit=20)
        ref = f"refs/heads/{row.base_ref}"
        events.push(
            host, repository, ref=ref, before=row.base_sha, after=landed, forced=False, commits=commits, by=by, root=root
        )
        pulls.follow(host, repository, root=root, by=by)
    return landed
