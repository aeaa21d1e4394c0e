"""REST calls on a repository itself: branches, refs, commits, files, and who is asking."""

import base64
import time
from typing import Any

from pydantic import BaseModel
from sqlalchemy import select
from starlette.routing import Route

from forge_dagster.hosts.embedded import delivery, events, pulls, receive, schema, shapes
from forge_dagster.hosts.embedded.git import EMPTY_TREE, Entry
from forge_dagster.hosts.embedded.host import Repository
from forge_dagster.hosts.embedded.refusals import Refused, forbidden, invalid, not_found
from forge_dagster.hosts.embedded.rules import ZERO, RefUpdate, is_ref_name, refusal
from forge_dagster.server.rest import PEOPLE, Answer, Call, RestApi


class _NewRef(BaseModel):
    ref: str
    sha: str


class _RefChange(BaseModel):
    sha: str
    force: bool = False


def routes(rest: RestApi) -> list[Route]:
    """All of them."""
    repo = "/repos/{owner}/{repo}"
    return [
        rest.route("GET", "/rate_limit", _rate_limit),
        rest.route("GET", "/user", _user),
        rest.route("GET", "/user/repos", _repositories),
        rest.route("GET", "/app/hook/deliveries", _deliveries, allow=PEOPLE),
        rest.route("POST", "/app/hook/deliveries/{delivery:int}/attempts", _redeliver, allow=PEOPLE),
        rest.route("POST", f"{repo}/hooks/{{hook:int}}/pings", _ping, allow=PEOPLE),
        rest.route("GET", repo, _repository),
        rest.route("GET", f"{repo}/branches/{{branch:path}}", _branch),
        rest.route("GET", f"{repo}/git/ref/{{ref:path}}", _ref),
        rest.route("POST", f"{repo}/git/refs", _create_ref),
        rest.route("PATCH", f"{repo}/git/refs/{{ref:path}}", _change_ref),
        rest.route("GET", f"{repo}/commits/{{ref:path}}", _commit),
        rest.route("GET", f"{repo}/compare/{{basehead:path}}", _compare),
        rest.route("GET", f"{repo}/contents", _contents),
        rest.route("GET", f"{repo}/contents/{{path:path}}", _contents),
    ]


def _rate_limit(_call: Call) -> Answer:
    full = {"limit": 5_000, "used": 0, "remaining": 5_000, "reset": int(time.time()) + 3_600}
    return Answer(body={"resources": {"core": full, "search": full}, "rate": full})


def _user(call: Call) -> Answer:
    with call.host.database.reading() as connection:
        row = connection.execute(select(schema.users).where(schema.users.c.id == call.by.id)).one()
    texts = dict.fromkeys(("name", "company", "blog", "location", "email", "hireable", "bio"))
    counts = dict.fromkeys(("public_repos", "public_gists", "followers", "following"), 0)
    times = {"created_at": shapes.iso(0.0), "updated_at": shapes.iso(0.0)}
    return Answer(body={**shapes.user(call.root, row), **texts, **counts, **times, "user_view_type": "public"})


def _repositories(call: Call) -> Answer:
    names = [name for name in call.host.repositories() if call.by.opens(name)]
    offset, limit = call.page
    found = [call.host.repository(name) for name in names[offset : offset + limit]]
    return call.listed([shapes.repository(call.root, one) for one in found], len(names))


def _deliveries(call: Call) -> Answer:
    _of_all_repositories(call)
    return call.listed(delivery.list_deliveries(call.host))


def _redeliver(call: Call) -> Answer:
    _of_all_repositories(call)
    delivery.redeliver(call.host, int(call.path["delivery"]))
    return Answer(body={}, status=202)


def _of_all_repositories(call: Call) -> None:
    if call.by.repositories:
        raise forbidden("this token opens some repositories only")


def _ping(call: Call) -> Answer:
    events.ping(call.host, int(call.path["hook"]), repository=call.repository, by=call.by, root=call.root)
    return Answer(body=None, status=204)


def _repository(call: Call) -> Answer:
    may_write = call.by.kind != "read"
    return Answer(body=shapes.full_repository(call.root, call.repository, may_write=may_write))


def _branch(call: Call) -> Answer:
    repository, git, branch = call.repository, call.git, call.path["branch"]
    sha = git.resolve(f"refs/heads/{branch}") if is_ref_name(branch) else None
    if sha is None:
        raise Refused("Branch not found", status=404)
    url = f"{shapes.api(call.root)}/repos/{repository.full_name}/branches/{branch}"
    body = {
        "name": branch,
        "commit": shapes.commit(call.root, repository, git.commit_of(sha)),
        "_links": {"self": url, "html": f"{call.root}/{repository.full_name}/tree/{branch}"},
        "protected": branch in call.host.protected,
        "protection": {"enabled": branch in call.host.protected},
        "protection_url": f"{url}/protection",
    }
    return Answer(body=body)


def _ref(call: Call) -> Answer:
    ref = f"refs/{call.path['ref'].removeprefix('refs/')}"
    sha = call.git.resolve(ref)
    if sha is None:
        raise not_found()
    return Answer(body=shapes.git_ref(call.root, call.repository, ref, sha))


def _create_ref(call: Call) -> Answer:
    wanted = call.parse(_NewRef)
    name = wanted.ref
    if not name.startswith("refs/") or name.count("/") < 2 or not is_ref_name(name):
        raise invalid("Reference", "ref", "Reference name must start with refs/ and be a valid name", code="custom")
    if call.git.refs(name.rpartition("/")[0] + "/").get(name) is not None:
        raise Refused("Reference already exists", status=422)
    return _move(call, RefUpdate(ZERO, wanted.sha, name), force=False, status=201)


def _change_ref(call: Call) -> Answer:
    wanted = call.parse(_RefChange)
    name = f"refs/{call.path['ref'].removeprefix('refs/')}"
    old = call.git.resolve(name)
    if old is None:
        raise Refused("Reference does not exist", status=422)
    return _move(call, RefUpdate(old, wanted.sha, name), force=wanted.force, status=200)


def _move(call: Call, update: RefUpdate, *, force: bool, status: int) -> Answer:
    """Move a ref under the same rules as a push."""
    repository, git, by = call.repository, call.git, call.by
    new = git.resolve(update.new) if len(update.new) == 40 else None
    if new is None:
        raise Refused("Object does not exist", status=422)
    update = RefUpdate(update.old, new, update.ref)
    heads = pulls.open_heads(call.host, repository)
    why = refusal(update, login=by.login, kind=by.kind, protected=call.host.protected, empty=False, heads=heads)
    if why and _starts_branch(call, update):
        why = None
    if why:
        raise forbidden(why)
    forward = update.old == ZERO or git.is_ancestor(update.old, new)
    protected = update.ref.removeprefix("refs/heads/") in call.host.protected
    if not forward and (not force or protected):
        raise Refused("Update is not a fast forward", status=422)
    with call.host.moving(repository, update.ref, new, by):
        git.update_refs((update.ref, new, update.old))
        pulls.follow(call.host, repository, root=call.root, by=by)
        receive.tell_push(call.host, repository, git, update, by=by, root=call.root)
    return Answer(body=shapes.git_ref(call.root, repository, update.ref, new), status=status)


def _starts_branch(call: Call, update: RefUpdate) -> bool:
    """An operator may start a protected branch (`staging`) at a commit that is on the default branch already."""
    branch = update.ref.removeprefix("refs/heads/")
    if call.by.kind != "operator" or update.old != ZERO or branch not in call.host.protected:
        return False
    tip = call.git.resolve(f"refs/heads/{call.repository.default_branch}")
    return tip is not None and call.git.is_ancestor(update.new, tip)


def _commit(call: Call) -> Answer:
    repository, git = call.repository, call.git
    found = git.resolve(call.path["ref"])
    if found is None:
        raise invalid("Commit", "ref", f"No commit found for SHA: {call.path['ref'][:100]}", code="custom")
    data = git.commit_of(found)
    files = git.files(data.parents[0] if data.parents else EMPTY_TREE, data.sha)
    return Answer(body=shapes.commit(call.root, repository, data, files[:3_000]))


def _compare(call: Call) -> Answer:
    repository, git = call.repository, call.git
    names = call.path["basehead"].split("...")
    found = [git.resolve(name) for name in names]
    if len(found) != 2 or found[0] is None or found[1] is None:
        raise not_found()
    base, head = found[0], found[1]
    fork = git.merge_base(base, head)
    if fork is None:
        raise Refused(f"No common ancestor between {names[0]} and {names[1]}.", status=404)
    ahead, behind = git.count(base, head)
    status = "diverged" if ahead and behind else "ahead" if ahead else "behind" if behind else "identical"
    commits = git.commits("--topo-order", f"{base}..{head}")[::-1]
    page = f"{call.root}/{repository.full_name}/compare/{base}...{head}"
    body = {
        "url": call.url,
        "html_url": page,
        "permalink_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "base_commit": shapes.commit(call.root, repository, git.commit_of(base)),
        "merge_base_commit": shapes.commit(call.root, repository, git.commit_of(fork)),
        "status": status,
        "ahead_by": ahead,
        "behind_by": behind,
        "total_commits": ahead,
        "commits": [shapes.commit(call.root, repository, one) for one in commits],
        "files": [shapes.changed_file(call.root, repository, head, one) for one in git.files(fork, head)[:300]],
    }
    return Answer(body=body)


def _contents(call: Call) -> Answer:
    repository, git = call.repository, call.git
    ref = call.query.get("ref") or repository.default_branch
    commit = git.resolve(ref)
    if commit is None:
        raise Refused(f"No commit found for the ref {ref[:100]}", status=404)
    path = call.path.get("path", "").strip("/")
    entry = git.entry(commit, path)
    if entry is None:
        raise not_found()
    if entry.kind == "tree":
        return Answer(
            body=[_entry(call, repository, one, f"{path}/{one.name}".strip("/"), ref) for one in git.folder(entry.sha)]
        )
    return Answer(body=_file(call, repository, entry, path, ref))


def _entry(call: Call, repository: Repository, entry: Entry, path: str, ref: str) -> dict[str, Any]:
    url = f"{shapes.api(call.root)}/repos/{repository.full_name}"
    kinds = {"tree": "dir", "commit": "submodule"}
    html = f"{call.root}/{repository.full_name}/blob/{ref}/{path}"
    links = {"self": f"{url}/contents/{path}?ref={ref}", "git": f"{url}/git/blobs/{entry.sha}", "html": html}
    return {
        "type": "symlink" if entry.mode == "120000" else kinds.get(entry.kind, "file"),
        "size": entry.size,
        "name": path.rpartition("/")[2],
        "path": path,
        "sha": entry.sha,
        "url": links["self"],
        "git_url": links["git"],
        "html_url": html,
        "download_url": None,
        "_links": links,
    }


def _file(call: Call, repository: Repository, entry: Entry, path: str, ref: str) -> dict[str, Any]:
    made = {**_entry(call, repository, entry, path, ref)}
    if entry.kind != "blob":
        raise not_found("a submodule has no content here")
    data = call.git.blob(entry.sha) if entry.size <= 1_000_000 else b""
    if made["type"] == "symlink":
        made["target"] = data.decode("utf-8", "replace")
        return made
    # GitHub gives no content above 1 MB in this form (encoding "none"), so a client must not take it for an empty file.
    made["encoding"] = "base64" if entry.size <= 1_000_000 else "none"
    made["content"] = base64.encodebytes(data).decode("ascii")
    return made
