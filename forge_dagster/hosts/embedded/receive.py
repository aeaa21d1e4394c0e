"""What the host decides about a push, asked by the git hooks: may it be, what does refs/for/* become, what moved."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, update

from forge_dagster.errors import ForgeError
from forge_dagster.hosts.embedded import events, pulls, schema
from forge_dagster.hosts.embedded.accounts import Login
from forge_dagster.hosts.embedded.git import BareRepository
from forge_dagster.hosts.embedded.host import EmbeddedHost, Repository
from forge_dagster.hosts.embedded.rules import (
    BODY_LIMIT,
    ZERO,
    RefUpdate,
    head_branch,
    is_ref_name,
    one_line,
    refusal,
    slug,
    target_branch,
)

_REFS_LIMIT = 100
"""Refs one push may change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """One push in progress: who, where, and the address that links are to start with."""

    repository: Repository
    login: Login
    root: str
    noted: list[tuple[int, str, str]] = field(default_factory=list)


class Receiver:
    """Answers the hooks. A push is known by a random key that only its own hooks are given."""

    def __init__(self, host: EmbeddedHost) -> None:
        self._host = host
        self._pushes: dict[str, Push] = {}

    def begin(self, push: Push) -> str:
        """Register a push; its key."""
        key = secrets.token_urlsafe(24)
        self._pushes[key] = push
        return key

    def end(self, key: str) -> None:
        """Forget a push that has ended."""
        push = self._pushes.pop(key, None)
        for note in push.noted if push else ():
            self._host.pushing.pop(note, None)

    def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """One hook's question. Never raises for what a pusher can cause."""
        push = self._pushes.get(str(question.get("push", "")))
        if push is None:
            return {"refused": True, "results": [], "messages": ["This push is unknown to the server."]}
        updates = [RefUpdate(*command) for command in question["commands"]]
        stage = question["stage"]
        if stage == "pre-receive":
            return self._judge(push, updates, question.get("quarantine", {}))
        if stage == "proc-receive":
            return self._open(push, updates, question.get("options", []))
        return self._tell(push, updates)

    def _judge(self, push: Push, updates: list[RefUpdate], quarantine: Mapping[str, str]) -> dict[str, Any]:
        git = self._host.git(push.repository)
        heads = pulls.open_heads(self._host, push.repository)
        empty = not git.refs("refs/heads/")
        reasons = [f"at most {_REFS_LIMIT} refs at once"] if len(updates) > _REFS_LIMIT else []
        for one in updates[:_REFS_LIMIT]:
            why = refusal(
                one, login=push.login.login, kind=push.login.kind, protected=self._host.protected, empty=empty, heads=heads
            )
            if why is None and self._rewinds(git, one, quarantine):
                why = f"{one.ref} is protected: it only moves forward"
            reasons += [why] if why else []
        if reasons:
            return {"refused": True, "messages": _framed(reasons)}
        for one in updates:
            note = (push.repository.id, one.ref, one.new)
            self._host.pushing[note] = push.login
            push.noted.append(note)
        return {"refused": False, "messages": []}

    def _rewinds(self, git: BareRepository, one: RefUpdate, quarantine: Mapping[str, str]) -> bool:
        branch = one.ref.removeprefix("refs/heads/")
        if branch not in self._host.protected or ZERO in (one.old, one.new):
            return False
        return not git.is_ancestor(one.old, one.new, environment=quarantine)

    def _open(self, push: Push, updates: list[RefUpdate], options: list[str]) -> dict[str, Any]:
        results: list[dict[str, Any]] = []
        messages: list[str] = []
        for one in updates:
            try:
                result, said = self._open_one(push, one, _options(options))
            except ForgeError as problem:
                reason = one_line(problem.message, 200)
                result, said = {"ref": one.ref, "reason": reason}, _framed([str(problem)])
            results.append(result)
            messages += said
        return {"results": results, "messages": messages}

    def _open_one(self, push: Push, one: RefUpdate, options: dict[str, str]) -> tuple[dict[str, Any], list[str]]:
        """Move (or make) the head branch, then open the pull request or tell of its new head."""
        host, repository, by = self._host, push.repository, push.login
        git = host.git(repository)
        base = target_branch(one.ref) or ""
        if not is_ref_name(base) or f"refs/heads/{base}" not in git.refs("refs/heads/"):
            return {"ref": one.ref, "reason": "no such branch"}, _framed([f"there is no branch {base} to merge into"])
        commit = git.commit_of(one.new)
        topic = options.get("topic") or commit.task or options.get("title") or commit.subject
        branch = head_branch(by.login, by.kind, topic)
        ref = f"refs/heads/{branch}"
        with host.locked(repository):
            old = git.refs("refs/heads/").get(ref, ZERO)
            known = _open_number(host, repository, branch, base)
            if old != commit.sha:
                host.pushing[(repository.id, ref, commit.sha)] = by
                push.noted.append((repository.id, ref, commit.sha))
                git.update_refs((ref, commit.sha, old))
            if known is None:
                title = one_line(options.get("title", "")) or one_line(commit.subject) or slug(topic)
                body = options.get("description", "")[:BODY_LIMIT] or None
                number = self._first(push, title=title, body=body, head=branch, base=base, undo=(ref, old, commit.sha))
            else:
                number = known
                pulls.follow(host, repository, root=push.root)
                edits = {new: options[name] for name, new in (("title", "title"), ("description", "body")) if name in options}
                pulls.change_pull(host, repository, number, edits, by=by, root=push.root)
        forced = old != ZERO and not git.is_ancestor(old, commit.sha)
        verb = "updated" if known else "opened"
        said = _framed([f"pull request #{number} {verb}: {push.root}/{repository.full_name}/pull/{number}", f"branch {branch}"])
        return {"ref": one.ref, "refname": ref, "old": old, "new": commit.sha, "forced": forced}, said

    def _first(self, push: Push, *, title: str, body: str | None, head: str, base: str, undo: tuple[str, str, str]) -> int:
        host, repository = self._host, push.repository
        try:
            return pulls.open_pull(
                host, repository, by=push.login, title=title, body=body, head_ref=head, base_ref=base, root=push.root
            )
        except ForgeError:
            ref, old, new = undo
            if old != new:
                host.git(repository).update_refs((ref, old, new))
            raise

    def _tell(self, push: Push, updates: list[RefUpdate]) -> dict[str, Any]:
        host, repository = self._host, push.repository
        git = host.git(repository)
        table = schema.repositories
        with host.database.writing() as connection:
            connection.execute(update(table).where(table.c.id == repository.id).values(pushed_at=host.now()))
        pulls.follow(host, repository, root=push.root)
        for one in updates:
            tell_push(host, repository, git, one, by=push.login, root=push.root)
        return {"messages": []}


def tell_push(host: EmbeddedHost, repository: Repository, git: BareRepository, one: RefUpdate, *, by: Login, root: str) -> None:
    """Queue the `push` event of a ref that moved."""
    made, gone = one.old == ZERO, one.new == ZERO
    head = None if gone else git.resolve(one.ref)
    commits = [] if head is None else git.commits(head if made else f"{one.old}..{head}", limit=20)
    forced = not made and not gone and not git.is_ancestor(one.old, one.new)
    events.push(host, repository, ref=one.ref, before=one.old, after=one.new, forced=forced, commits=commits, by=by, root=root)


def _open_number(host: EmbeddedHost, repository: Repository, head: str, base: str) -> int | None:
    table = schema.pulls.c
    where = (
        (table.repository_id == repository.id) & (table.state == "open") & (table.head_ref == head) & (table.base_ref == base)
    )
    with host.database.reading() as connection:
        found = connection.execute(select(table.number).where(where)).scalar()
        return None if found is None else int(found)


def _options(given: list[str]) -> dict[str, str]:
    """`-o name=value`; a description may be given line by line. Unknown names are left out, as git servers do."""
    options: dict[str, str] = {}
    for name, _, value in (text.partition("=") for text in given[:200]):
        if name == "description" and name in options:
            options[name] = f"{options[name]}\n{value}"
        elif name in ("title", "description", "topic"):
            options[name] = value
    return options


def _framed(lines: list[str]) -> list[str]:
    """Lines for the pusher's terminal, without anything that could steer it."""
    plain = [("    " if part.startswith("    ") else "") + one_line(part, 400) for line in lines for part in line.split("\n")]
    return ["", *(f"  {line}" for line in plain), ""]
