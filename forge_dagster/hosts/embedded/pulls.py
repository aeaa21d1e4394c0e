"""Pull requests: opened, followed as their branches move, changed, closed. Merging is in `merging`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from forge_dagster.hosts.embedded import schema, shapes, shapes_pull
from forge_dagster.hosts.embedded.accounts import Login
from forge_dagster.hosts.embedded.events import emit
from forge_dagster.hosts.embedded.git import BareRepository
from forge_dagster.hosts.embedded.host import EmbeddedHost, Repository
from forge_dagster.hosts.embedded.refusals import Refused, forbidden, invalid, not_found
from forge_dagster.hosts.embedded.rules import BODY_LIMIT, ZERO, one_line
from forge_dagster.hosts.embedded.shapes import Json

_T = schema.pulls.c
_FACTS_KEPT = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What a pull request changes, and whether it merges cleanly."""

    commits: int
    additions: int
    deletions: int
    files: int
    mergeable: bool


def pull_row(host: EmbeddedHost, repository: Repository, number: int) -> Row[Any]:
    """Raises Refused (404)."""
    with host.database.reading() as connection:
        return _row(connection, repository, number)


def _row(connection: Connection, repository: Repository, number: int) -> Row[Any]:
    where = (_T.repository_id == repository.id) & (_T.number == number)
    found = connection.execute(select(schema.pulls).where(where)).first()
    if found is None:
        raise not_found(f"no pull request {number}")
    return found


def size_of(host: EmbeddedHost, git: BareRepository, base: str, head: str) -> Size:
    """Asked of git once per pair of commits (so ask before taking the write lock: inside it the answer is at hand)."""
    key = (str(git.path), base, head)
    known: Size | None = host.facts.get(key)
    if known is not None:
        return known
    ahead, _ = git.count(base, head)
    files = git.files(git.merge_base(base, head) or base, head)
    mergeable = git.merged_tree(base, head) is not None
    added, deleted = sum(f.additions for f in files), sum(f.deletions for f in files)
    size = Size(commits=ahead, additions=added, deletions=deleted, files=len(files), mergeable=mergeable)
    if len(host.facts) >= _FACTS_KEPT:
        host.facts.clear()
    host.facts[key] = size
    return size


def simple(host: EmbeddedHost, connection: Connection, repository: Repository, row: Row[Any], *, root: str) -> Json:
    """`pull-request-simple` of a row."""
    labels = connection.execute(select(schema.labels).where(schema.labels.c.pull_id == row.id)).all()
    return shapes_pull.simple_pull(root, repository, row, host.user(connection, row.user_id), labels)


def full(host: EmbeddedHost, connection: Connection, repository: Repository, row: Row[Any], size: Size, *, root: str) -> Json:
    """`pull-request` of a row."""
    talk = select(func.count()).select_from(schema.comments).where(schema.comments.c.pull_id == row.id)
    merger = None if row.merged_by_id is None else shapes.user(root, host.user(connection, row.merged_by_id))
    mergeable = size.mergeable if row.state == "open" else None
    states = {True: "clean", False: "dirty", None: "unknown"}
    return {
        **simple(host, connection, repository, row, root=root),
        "merged": row.merged_at is not None,
        "mergeable": mergeable,
        "rebaseable": False if mergeable is not None else None,
        "mergeable_state": "draft" if row.draft and row.state == "open" else states[mergeable],
        "merged_by": merger,
        "comments": connection.execute(talk).scalar_one(),
        "review_comments": 0,
        "maintainer_can_modify": False,
        "commits": size.commits,
        "additions": size.additions,
        "deletions": size.deletions,
        "changed_files": size.files,
    }


def open_heads(host: EmbeddedHost, repository: Repository) -> dict[str, str]:
    """Head branch of each open pull request -> login of its author."""
    users = schema.users
    query = select(_T.head_ref, users.c.login).join(users, users.c.id == _T.user_id)
    with host.database.reading() as connection:
        found = connection.execute(query.where(_T.repository_id == repository.id, _T.state == "open"))
        return {row.head_ref: row.login for row in found}


def open_pull(
    host: EmbeddedHost,
    repository: Repository,
    *,
    by: Login,
    title: str,
    body: str | None,
    head_ref: str,
    base_ref: str,
    draft: bool = False,
    root: str,
) -> int:
    """Open a pull request for a branch that exists; its number. Raises Refused (422) as GitHub does."""
    git = host.git(repository)
    clean = one_line(title)
    if not clean:
        raise invalid("PullRequest", "title", "title is empty", code="missing_field")
    if body is not None and len(body) > BODY_LIMIT:
        raise invalid("PullRequest", "body", f"body is longer than {BODY_LIMIT} characters")
    with host.locked(repository):
        branches = git.branches()
        for field, branch in (("base", base_ref), ("head", head_ref)):
            if branch not in branches:
                raise invalid("PullRequest", field, f"there is no branch {branch[:100]}")
        head, base = branches[head_ref], branches[base_ref]
        if git.is_ancestor(head, base):
            raise invalid("PullRequest", "head", f"No commits between {base_ref} and {head_ref}", code="custom")
        if git.merge_base(base, head) is None:
            raise invalid("PullRequest", "head", f"{head_ref} shares no history with {base_ref}", code="custom")
        return _insert(
            host, repository, by, root=root, title=clean, body=body, draft=draft,
            head_ref=head_ref, head_sha=head, base_ref=base_ref, base_sha=base,
        )  # fmt: skip


def _insert(host: EmbeddedHost, repository: Repository, by: Login, *, root: str, **values: Any) -> int:
    """Give the next number and tell of it, in one transaction."""
    git, now = host.git(repository), host.now()
    counters = schema.repositories
    size_of(host, git, values["base_sha"], values["head_sha"])
    with host.database.writing() as connection:
        same = (_T.repository_id == repository.id) & (_T.state == "open")
        same &= (_T.head_ref == values["head_ref"]) & (_T.base_ref == values["base_ref"])
        if connection.execute(select(_T.id).where(same)).first() is not None:
            text = f"A pull request already exists for {repository.owner}:{values['head_ref']}."
            raise invalid("PullRequest", "base", text, code="custom")
        number = connection.execute(select(counters.c.next_number).where(counters.c.id == repository.id)).scalar_one()
        connection.execute(update(counters).where(counters.c.id == repository.id).values(next_number=number + 1))
        times = {"created_at": now, "updated_at": now, "state": "open"}
        row = {"repository_id": repository.id, "number": number, "user_id": by.id, **values, **times}
        connection.execute(insert(schema.pulls).values(**row))
        _keep_head(git, number, values["head_sha"])
        _tell(host, connection, repository, number, "opened", git=git, by=by, root=root)
        return int(number)


def _tell(
    host: EmbeddedHost,
    connection: Connection,
    repository: Repository,
    number: int,
    action: str,
    *,
    git: BareRepository,
    by: Login,
    root: str,
    more: Json | None = None,
) -> None:
    row = _row(connection, repository, number)
    pull = full(host, connection, repository, row, size_of(host, git, row.base_sha, row.head_sha), root=root)
    body = {"action": action, "number": number, "pull_request": pull, **(more or {})}
    emit(host, connection, "pull_request", body, root=root, repository=repository, by=by)


def tell_closed(
    host: EmbeddedHost, connection: Connection, repository: Repository, number: int, *, by: Login, root: str
) -> None:
    """Queue `closed` for a pull request that the caller has just closed or merged in this transaction."""
    _tell(host, connection, repository, number, "closed", git=host.git(repository), by=by, root=root)


def _keep_head(git: BareRepository, number: int, sha: str) -> None:
    """refs/pull/<n>/head, which only the host writes."""
    ref = f"refs/pull/{number}/head"
    old = git.refs(f"refs/pull/{number}/").get(ref, ZERO)
    if old != sha:
        git.update_refs((ref, sha, old))


def change_pull(host: EmbeddedHost, repository: Repository, number: int, changes: Json, *, by: Login, root: str) -> None:
    """Title, body, state (open, closed). Agents change their own only. Raises Refused."""
    git = host.git(repository)
    with host.locked(repository):
        row = pull_row(host, repository, number)
        if by.kind == "agent" and row.user_id != by.id:
            raise forbidden("agents change their own pull requests only")
        if "base" in changes and changes["base"] != row.base_ref:
            raise invalid("PullRequest", "base", "the base cannot be changed: open another pull request")
        values, before = _edits(row, changes)
        state = changes.get("state", row.state)
        if state == "open" != row.state:
            _check_reopen(host, repository, git, row)
        with host.database.writing() as connection:
            if values:
                _set(host, connection, row.id, **values)
                _tell(host, connection, repository, number, "edited", git=git, by=by, root=root, more={"changes": before})
            if state != row.state:
                closed_at = host.now() if state == "closed" else None
                _set(host, connection, row.id, state=state, closed_at=closed_at)
                action = "closed" if state == "closed" else "reopened"
                _tell(host, connection, repository, number, action, git=git, by=by, root=root)


def _edits(row: Row[Any], changes: Json) -> tuple[Json, Json]:
    values: Json = {}
    if changes.get("title") is not None:
        values["title"] = one_line(changes["title"])
        if not values["title"]:
            raise invalid("PullRequest", "title", "title is empty", code="missing_field")
    if "body" in changes:
        values["body"] = None if changes["body"] is None else changes["body"][:BODY_LIMIT]
    values = {name: value for name, value in values.items() if value != getattr(row, name)}
    return values, {name: {"from": getattr(row, name) or ""} for name in values}


def _check_reopen(host: EmbeddedHost, repository: Repository, git: BareRepository, row: Row[Any]) -> None:
    if row.merged_at is not None:
        raise invalid("PullRequest", "state", "a merged pull request stays closed")
    if row.head_ref not in git.branches():
        raise invalid("PullRequest", "state", f"its branch {row.head_ref} is gone: push it again")
    if row.head_ref in open_heads(host, repository):
        raise invalid("PullRequest", "state", "another open pull request has this branch")


def _set(host: EmbeddedHost, connection: Connection, pull_id: int, **values: Any) -> None:
    connection.execute(update(schema.pulls).where(_T.id == pull_id).values(updated_at=host.now(), **values))


def follow(host: EmbeddedHost, repository: Repository, *, root: str, by: Login | None = None) -> None:
    """Bring open pull requests up to their branches: `synchronize` for a moved head; `closed` for a branch that was deleted or
    has nothing of its own any more; merged when an unmoved head is in the base by now. `by`: whose deed it is if nobody pushes.

    Called after every push, and before anything is read, so that a push whose end nobody told (a killed server) still shows.
    """
    git = host.git(repository)
    with host.locked(repository):
        with host.database.reading() as connection:
            where = (_T.repository_id == repository.id) & (_T.state == "open")
            rows: Sequence[Row[Any]] = connection.execute(select(schema.pulls).where(where)).all()
        branches = git.branches() if rows else {}
        for row in rows:
            head, base = branches.get(row.head_ref), branches.get(row.base_ref, row.base_sha)
            if head != row.head_sha or base != row.base_sha:
                _follow_one(host, repository, git, row, head=head, base=base, by=by, root=root)


def _follow_one(
    host: EmbeddedHost,
    repository: Repository,
    git: BareRepository,
    row: Row[Any],
    *,
    head: str | None,
    base: str,
    by: Login | None,
    root: str,
) -> None:
    ref = f"refs/heads/{row.head_ref}"
    pusher = host.pushing.get((repository.id, ref, head or ZERO)) or by or host.accounts.ghost()
    moved = head != row.head_sha
    landed = None if head is None or moved else landed_as(git, head, base)
    emptied = head is None or (moved and git.is_ancestor(head, base))
    if head is not None:
        size_of(host, git, base, head)
    with host.database.writing() as connection:
        if emptied:
            _set(host, connection, row.id, state="closed", closed_at=host.now())
            _tell(host, connection, repository, row.number, "closed", git=git, by=pusher, root=root)
        elif landed is not None:
            merged = {"merged_at": host.now(), "merge_sha": landed, "merged_by_id": pusher.id}
            _set(host, connection, row.id, state="closed", closed_at=host.now(), **merged)
            _tell(host, connection, repository, row.number, "closed", git=git, by=pusher, root=root)
        else:
            _set(host, connection, row.id, head_sha=head, base_sha=base)
        if moved and not emptied and head is not None:
            _keep_head(git, row.number, head)
            more = {"before": row.head_sha, "after": head}
            _tell(host, connection, repository, row.number, "synchronize", git=git, by=pusher, root=root, more=more)


def landed_as(git: BareRepository, head: str, base: str) -> str | None:
    """The commit on the base branch that brought `head` in; None while it is not in."""
    if not git.is_ancestor(head, base):
        return None
    merges = git.commits("--first-parent", "--merges", f"{head}..{base}", limit=10_000)
    return next((c.sha for c in merges if head in c.parents[1:]), base)


def conflict_free(git: BareRepository, row: Row[Any]) -> str:
    """Tree of base and head merged. Raises Refused (405)."""
    tree = git.merged_tree(row.base_sha, row.head_sha)
    if tree is None:
        raise Refused("Pull Request is not mergeable", status=405, hint=f"merge {row.base_ref} into it and push again")
    return tree
