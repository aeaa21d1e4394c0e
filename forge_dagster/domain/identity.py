"""Who made a change: what the head commit's trailers claim, against who pushed it."""

import re

from forge_dagster.domain.changes import Identity
from forge_dagster.domain.plain_text import one_line

TRAILERS = ("Agent-By", "Task-ID", "Model", "Prompt-Hash")
"""Specification, "Agent Identity & Audit Trail"."""

_FIELDS = {"agent-by": "agent", "task-id": "task", "model": "model", "prompt-hash": "prompt_hash"}
_MAX_MESSAGE = 64 * 1024
"""Characters looked at, from the end; a commit message may be of any size."""
_MAX_VALUE = 200
_TRAILER = re.compile(r"([A-Za-z0-9-]+)[ \t]*:(.*)", re.DOTALL)
_FROM_GIT = re.compile(r"Signed-off-by: |\(cherry picked from commit ")


def trailers(message: str) -> dict[str, tuple[str, ...]]:
    """Trailers of a commit message: lower-case name -> distinct values in order.

    As `git interpret-trailers --parse` finds them: in the last paragraph, never in the title; every line is a trailer or
    continues one (starts with a blank), or else git itself wrote one of them and at least a quarter are trailers.
    """
    values: dict[str, dict[str, None]] = {}
    for name, value in _last_block(message[-_MAX_MESSAGE:]):
        values.setdefault(name.lower(), {})[one_line(value, _MAX_VALUE)] = None
    return {name: tuple(value for value in seen if value) for name, seen in values.items() if any(seen)}


def _last_block(text: str) -> list[tuple[str, str]]:
    lines = text.replace("\r\n", "\n").rstrip().split("\n")
    blank = [index for index, line in enumerate(lines) if not line.strip()]
    if not blank or not any(line.strip() for line in lines[: blank[-1]]):
        return []
    found: list[tuple[str, str]] = []
    trailer_lines = other_lines = 0
    from_git = continues = False
    for line in lines[blank[-1] + 1 :]:
        match = _TRAILER.fullmatch(line)
        if line.startswith("#"):
            continue
        if match is not None or _FROM_GIT.match(line):
            trailer_lines, continues = trailer_lines + 1, True
            from_git = from_git or _FROM_GIT.match(line) is not None
            found.append((match[1], match[2]) if match is not None else ("", ""))
        elif line[:1].isspace() and continues:
            found[-1] = (found[-1][0], f"{found[-1][1]} {line}")
        else:
            other_lines, continues = other_lines + 1, False
    is_block = trailer_lines and (not other_lines or (from_git and trailer_lines * 3 >= other_lines))
    return [(name, value) for name, value in found if name] if is_block else []


def identity_of(message: str, *, pusher: str | None, pusher_is_agent: bool) -> Identity:
    """Identity of a change from its head commit's message and the authenticated pusher.

    A trailer given twice with different values keeps both, joined by ", ": as an agent's name that equals nobody's.
    """
    found = trailers(message)
    claims = {field: ", ".join(found[name]) for name, field in _FIELDS.items() if found.get(name)}
    return Identity(pusher=pusher, pusher_is_agent=pusher_is_agent, **claims)


def mismatch(identity: Identity) -> str | None:
    """What is wrong when an agent pushed a commit that claims another agent's name; None when nothing is."""
    if not identity.pusher_is_agent or identity.agent is None or identity.pusher is None:
        return None
    if identity.agent == identity.pusher:
        return None
    return (
        f"the commit says Agent-By: {identity.agent}, but {one_line(identity.pusher)} pushed it; "
        f"an agent signs with its own name: Agent-By: {one_line(identity.pusher)}"
    )


def missing(identity: Identity) -> tuple[str, ...]:
    """Names of the four trailers that the head commit does not have."""
    return tuple(name for name in TRAILERS if getattr(identity, _FIELDS[name.lower()]) is None)
