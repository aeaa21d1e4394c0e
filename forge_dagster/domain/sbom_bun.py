"""Reading bun.lock (bun.sh, "Lockfile"): JSON with commas before closing brackets, one package in a line."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from forge_dagster.domain.foreign import load_json
from forge_dagster.domain.sbom import Component, Ecosystem, Lock, component
from forge_dagster.domain.sbom_node import LockUnreadable

_COMMA = re.compile(r'("(?:[^"\\\n]|\\.)*"?)|,(?=\s*[}\]])')
_ENTRY = re.compile(r'^    "((?:[^"\\]|\\.){1,1000})": \[')
_SHIPPED = ("dependencies", "optionalDependencies", "peerDependencies")
_OWN = ("workspace:", "link:", "file:", "root:")


def read_bun_lock(text: str, file: str) -> Lock:
    """bun.lock. Raises LockUnreadable, ValueError, RecursionError."""
    data = load_json(_COMMA.sub(lambda match: match[1] or "", text))
    packages = data.get("packages") if isinstance(data, dict) else None
    workspaces = data.get("workspaces") if isinstance(data, dict) else None
    if not isinstance(packages, dict) or not isinstance(workspaces, dict):
        raise LockUnreadable('it has no "packages" or no "workspaces"')
    entries = {key: _entry(key, value) for key, value in packages.items()}
    members = [member for member in workspaces.values() if isinstance(member, dict)]
    direct = {name for member in members for group in (*_SHIPPED, "devDependencies") for name in _names(member, group)}
    needed = {name for member in members for group in ("dependencies", "devDependencies") for name in _names(member, group)}
    missing = sorted(needed - {_last(key) for key in entries})
    if missing:
        raise LockUnreadable(f"it lacks {missing[0][:80]!r}, which a workspace declares")
    shipped = _reachable(members, entries)
    lines = {match[1]: number for number, line in enumerate(text.splitlines(), 1) if (match := _ENTRY.match(line))}
    return Lock(components=tuple(_components(entries, lines, file, direct, shipped)))


def _entry(key: str, value: object) -> tuple[str, str, Mapping[str, Any]]:
    """(Name, version, what it needs) of `["name@version", ..., {"dependencies": {...}}, ...]`."""
    said = value[0] if isinstance(value, list) and value and isinstance(value[0], str) else ""
    at = said.find("@", 1)
    if at <= 0 or at + 1 == len(said):
        raise LockUnreadable(f"{key[:80]!r} is no package")
    needs = next((item for item in value if isinstance(item, dict)), {}) if isinstance(value, list) else {}
    return said[:at], said[at + 1 :], needs


def _components(
    entries: Mapping[str, tuple[str, str, Mapping[str, Any]]],
    lines: Mapping[str, int],
    file: str,
    direct: set[str],
    shipped: set[str],
) -> Iterator[Component]:
    for key, (name, version, _) in entries.items():
        if not version.startswith(_OWN):
            yield component(
                Ecosystem.NPM,
                name,
                version[:200],
                file=file,
                line=lines.get(key),
                direct=key in direct,
                development=_last(key) not in shipped,
            )


def _reachable(members: list[dict[str, Any]], entries: Mapping[str, tuple[str, str, Mapping[str, Any]]]) -> set[str]:
    """Names under which something is installed that ships, whichever of several versions it is."""
    needs: dict[str, set[str]] = {}
    for key, (_, _, entry) in entries.items():
        needs.setdefault(_last(key), set()).update(name for group in _SHIPPED for name in _names(entry, group))
    seen: set[str] = set()
    waiting = [name for member in members for group in _SHIPPED for name in _names(member, group)]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += needs.get(name, ())
    return seen


def _last(key: str) -> str:
    """The name of the package in a place such as "a/@b/c": what lies in another package's folder is named after it."""
    *above, name = key.split("/")
    return f"{above[-1]}/{name}" if above and above[-1].startswith("@") else name


def _names(table: Mapping[str, Any], group: str) -> Iterator[str]:
    names = table.get(group)
    yield from names if isinstance(names, dict) else ()
