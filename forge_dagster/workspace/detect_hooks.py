"""The hooks of .pre-commit-config.yaml, and what they are pinned to (pre-commit.com, "Adding pre-commit plugins")."""

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from forge_dagster.domain.project import Hook, Sign
from forge_dagster.domain.yaml_text import read_yaml
from forge_dagster.errors import WorkspaceError
from forge_dagster.workspace.detect_files import Folder
from forge_dagster.workspace.requirements import strings, table

FILE = ".pre-commit-config.yaml"
MAX_HOOKS = 200
"""Hooks that are looked at; more are said to be left out."""
_TEXT = 500
"""Characters kept of any one value."""
_PATTERN = 4_000
"""Characters kept of a pattern for files."""
_LISTED = 100
"""Arguments or dependencies kept of one hook."""
_ID = re.compile(r"^[ \t]*(?:-[ \t]+)?id:[ \t]*['\"]?([A-Za-z0-9_.-]+)", re.MULTILINE)
_FROZEN = re.compile(r"rev:[ \t]*['\"]?([0-9a-f]{40})['\"]?[ \t]+#[ \t]*(?:frozen:[ \t]*)?(v?\d[\w.+!-]{0,60})")
"""`pre-commit autoupdate --freeze` writes the commit, and the tag in a comment."""


def read_hooks(root: Folder) -> tuple[tuple[Hook, ...], tuple[Sign, ...]]:
    """The hooks in the repository's own configuration, in its order. One that cannot be parsed is read for ids only."""
    text = root.text(FILE)
    if text is None:
        return (), ()
    try:
        content = read_yaml(text, FILE)
        tags = {match[1]: match[2] for match in _FROZEN.finditer(text)}
        # aliases can make a short file mean more than there is room for
        hooks = tuple(itertools.islice(_all_hooks(table({"c": content}, "c"), tags), MAX_HOOKS + 1))
    except WorkspaceError as error:
        ids = dict.fromkeys(match[1] for match in _ID.finditer(text))
        why = f"{error.message}; only the ids of its hooks are known, not their versions"
        return tuple(Hook(id=name[:_TEXT]) for name in list(ids)[:MAX_HOOKS]), (Sign(what=why, because=FILE),)
    signs = [Sign(what=f"pre-commit hook {_described(hook)}", because=FILE) for hook in hooks[:MAX_HOOKS]]
    if len(hooks) > MAX_HOOKS:
        signs.append(Sign(what=f"more than {MAX_HOOKS} hooks; the others are not looked at", because=FILE))
    return hooks[:MAX_HOOKS], tuple(signs)


def _all_hooks(content: Mapping[str, Any], tags: Mapping[str, str]) -> Iterator[Hook]:
    for entry in _tables(content.get("repos")):
        rev, repository = _short(entry.get("rev")), _short(entry.get("repo"))
        for found in _tables(entry.get("hooks")):
            if isinstance(found.get("id"), str):
                yield Hook(
                    id=_short(found["id"]),
                    repository=repository,
                    rev=tags.get(rev, rev),
                    args=_several(found.get("args")),
                    sets_args=isinstance(found.get("args"), list),
                    additional_dependencies=_several(found.get("additional_dependencies")),
                    files=_patterns(content.get("files"), found.get("files")),
                    exclude=_patterns(content.get("exclude"), found.get("exclude")),
                    names_files=_short(found.get("pass_filenames")).lower() not in ("false", "no", "off"),
                )


def _short(value: object) -> str:
    return value[:_TEXT] if isinstance(value, str) else ""


def _patterns(*values: object) -> tuple[str, ...]:
    """Patterns of the whole configuration and of the hook; one that is longer than that can be used by nobody."""
    return tuple(value[:_PATTERN] for value in values if isinstance(value, str) and value)


def _several(value: object) -> tuple[str, ...]:
    return tuple(item[:_TEXT] for item in strings(value)[:_LISTED])


def _tables(value: object) -> Iterator[dict[str, Any]]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def _described(hook: Hook) -> str:
    """`ruff of astral-sh/ruff-pre-commit v0.11.0`."""
    place = "/".join(hook.repository.rstrip("/").removesuffix(".git").split("/")[-2:])
    return " ".join(part for part in (hook.id, f"of {place}" if place else "", hook.rev) if part)
