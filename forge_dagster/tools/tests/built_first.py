"""What a script has done in every member of its workspace before the tests (`pnpm run -r build`), member by member."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from forge_dagster.domain.project import NodeProject, Project
from forge_dagster.tools.tests.own_calls import EVERYWHERE, OwnCall


def in_members(calls: Sequence[OwnCall], project: Project) -> tuple[OwnCall, ...]:
    """The calls, with what the first has run everywhere as one command for each member that has such a script.

    npm runs the scripts of any package manager's repository; a member comes after those that it depends on.
    """
    if not calls:
        return ()
    here = project.node.directory if project.node is not None else ""
    prefix = f"{here}/" if here else ""
    members = [part.node for part in project.parts if part.node is not None and part.node.directory.startswith(prefix)]
    before: list[tuple[str, ...]] = []
    for words in calls[0].before:
        if words[0] != EVERYWHERE:
            before.append(words)
            continue
        having = [member for member in _in_order(members) if words[1] in member.scripts]
        folders = [member.directory.removeprefix(prefix) for member in having]
        before += [("npm", f"--prefix={folder}", "run", "--silent", words[1]) for folder in folders]
    return (replace(calls[0], before=tuple(before)), *calls[1:])


def _in_order(members: Sequence[NodeProject]) -> list[NodeProject]:
    by_name = {str(member.package.get("name", "")): member for member in members}
    needed = {member.directory: _needed(member, by_name) for member in members}
    return sorted(members, key=lambda member: (len(needed[member.directory]), member.directory))


def _needed(member: NodeProject, by_name: Mapping[str, NodeProject]) -> frozenset[str]:
    """The folders of all members that this one depends on, and of those that they do."""
    found: set[str] = set()
    queue = [member]
    while queue:
        for name in queue.pop().dependencies & by_name.keys():
            other = by_name[name]
            if other.directory not in found:
                found.add(other.directory)
                queue.append(other)
    return frozenset(found)
