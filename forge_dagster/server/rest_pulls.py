"""REST calls on pull requests: what they change, the talk on them, merging."""

from typing import Literal

from pydantic import BaseModel, Field
from sqlalchemy import select
from starlette.routing import Route

from forge_dagster.hosts.embedded import merging, pulls, schema, shapes, talk
from forge_dagster.hosts.embedded.refusals import invalid_simply
from forge_dagster.server.rest import FORGE, PEOPLE, Answer, Call, RestApi


class _NewPull(BaseModel):
    title: str
    head: str
    base: str
    body: str | None = None
    draft: bool = False


class _PullChange(BaseModel):
    title: str | None = None
    body: str | None = None
    state: Literal["open", "closed"] | None = None
    base: str | None = None


class _Merge(BaseModel):
    commit_title: str | None = None
    commit_message: str | None = None
    sha: str | None = None
    merge_method: Literal["merge", "squash", "rebase"] = "merge"


class _Text(BaseModel):
    body: str


class _Review(BaseModel):
    event: Literal["APPROVE", "REQUEST_CHANGES", "COMMENT"]
    body: str | None = None
    commit_id: str | None = None


class _Labels(BaseModel):
    labels: list[str] = Field(max_length=100)


def routes(rest: RestApi) -> list[Route]:
    """All of them."""
    repo, pull = "/repos/{owner}/{repo}", "/repos/{owner}/{repo}/pulls/{number:int}"
    talks = f"{repo}/issues"
    return [
        rest.route("GET", f"{repo}/pulls", _list),
        rest.route("POST", f"{repo}/pulls", _create),
        rest.route("GET", pull, _get),
        rest.route("PATCH", pull, _change),
        rest.route("GET", f"{pull}/files", _files),
        rest.route("GET", f"{pull}/commits", _commits),
        rest.route("PUT", f"{pull}/merge", _merge, allow=FORGE),
        rest.route("GET", f"{pull}/reviews", _reviews),
        rest.route("POST", f"{pull}/reviews", _review),
        rest.route("GET", talks + "/{number:int}/comments", _comments),
        rest.route("POST", talks + "/{number:int}/comments", _comment),
        rest.route("PATCH", talks + "/comments/{comment:int}", _change_comment),
        rest.route("POST", talks + "/{number:int}/labels", _labels, allow=PEOPLE),
    ]


def _list(call: Call) -> Answer:
    repository, table = call.repository, schema.pulls.c
    pulls.follow(call.host, repository, root=call.root)
    query = select(schema.pulls).where(table.repository_id == repository.id)
    state = call.query.get("state", "open")
    query = query if state == "all" else query.where(table.state == state)
    if "head" in call.query:
        query = query.where(table.head_ref == call.query["head"].removeprefix(f"{repository.owner}:"))
    if "base" in call.query:
        query = query.where(table.base_ref == call.query["base"])
    column = {"updated": table.updated_at}.get(call.query.get("sort", "created"), table.id)
    descending = call.query.get("direction", "desc" if column is table.id else "asc") == "desc"
    with call.host.database.reading() as connection:
        rows = connection.execute(query.order_by(column.desc() if descending else column)).all()
        offset, limit = call.page
        shown = [pulls.simple(call.host, connection, repository, r, root=call.root) for r in rows[offset : offset + limit]]
    return call.listed(shown, len(rows))


def _create(call: Call) -> Answer:
    wanted, repository = call.parse(_NewPull), call.repository
    head = wanted.head.removeprefix(f"{repository.owner}:")
    number = pulls.open_pull(
        call.host,
        repository,
        by=call.by,
        title=wanted.title,
        body=wanted.body,
        head_ref=head,
        base_ref=wanted.base,
        draft=wanted.draft,
        root=call.root,
    )
    return _shown(call, number, status=201)


def _get(call: Call) -> Answer:
    pulls.follow(call.host, call.repository, root=call.root)
    return _shown(call, call.number)


def _shown(call: Call, number: int, status: int = 200) -> Answer:
    repository = call.repository
    row = pulls.pull_row(call.host, repository, number)
    size = pulls.size_of(call.host, call.git, row.base_sha, row.head_sha)
    with call.host.database.reading() as connection:
        body = pulls.full(call.host, connection, repository, row, size, root=call.root)
    return Answer(body=body, status=status)


def _change(call: Call) -> Answer:
    wanted = call.parse(_PullChange).model_dump(exclude_unset=True)
    pulls.change_pull(call.host, call.repository, call.number, wanted, by=call.by, root=call.root)
    return _shown(call, call.number)


def _files(call: Call) -> Answer:
    repository, git = call.repository, call.git
    pulls.follow(call.host, repository, root=call.root)
    row = pulls.pull_row(call.host, repository, call.number)
    files = git.files(git.merge_base(row.base_sha, row.head_sha) or row.base_sha, row.head_sha)
    return call.listed([shapes.changed_file(call.root, repository, row.head_sha, one) for one in files[:3_000]])


def _commits(call: Call) -> Answer:
    repository = call.repository
    pulls.follow(call.host, repository, root=call.root)
    row = pulls.pull_row(call.host, repository, call.number)
    found = call.git.commits("--topo-order", f"{row.base_sha}..{row.head_sha}")[::-1]
    return call.listed([shapes.commit(call.root, repository, one) for one in found])


def _merge(call: Call) -> Answer:
    wanted = call.parse(_Merge)
    sha = merging.merge(
        call.host,
        call.repository,
        call.number,
        by=call.by,
        sha=wanted.sha,
        title=wanted.commit_title,
        message=wanted.commit_message,
        method=wanted.merge_method,
        root=call.root,
    )
    return Answer(body={"sha": sha, "merged": True, "message": "Pull Request successfully merged"})


def _reviews(call: Call) -> Answer:
    return call.listed(talk.list_reviews(call.host, call.repository, call.number, root=call.root))


def _review(call: Call) -> Answer:
    if "event" not in call.body:
        raise invalid_simply("pending reviews are not kept here: give an event")
    wanted = call.parse(_Review)
    made = talk.add_review(
        call.host,
        call.repository,
        call.number,
        event=wanted.event,
        body=wanted.body or "",
        commit_id=wanted.commit_id,
        by=call.by,
        root=call.root,
    )
    return Answer(body=made)


def _comments(call: Call) -> Answer:
    offset, limit = call.page
    shown, total = talk.list_comments(call.host, call.repository, call.number, offset=offset, limit=limit, root=call.root)
    return call.listed(shown, total)


def _comment(call: Call) -> Answer:
    text = call.parse(_Text).body
    return Answer(body=talk.add_comment(call.host, call.repository, call.number, text, by=call.by, root=call.root), status=201)


def _change_comment(call: Call) -> Answer:
    text, comment = call.parse(_Text).body, int(call.path["comment"])
    return Answer(body=talk.change_comment(call.host, call.repository, comment, text, by=call.by, root=call.root))


def _labels(call: Call) -> Answer:
    names = call.parse(_Labels).labels
    return Answer(body=talk.add_labels(call.host, call.repository, call.number, names, root=call.root))
