"""Configuration of tools as flat settings, whatever format a file has. Keys are dotted; lists are tuples of text."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from forge_dagster.domain.foreign import load_ini
from forge_dagster.domain.tampering.files import SCRIPTS, name
from forge_dagster.domain.tampering.python_source import Unreadable

Value = str | float | bool | tuple[str, ...]
Settings = Mapping[str, Value]

_MOST = 20_000
"""Settings read of one file."""
_LONGEST = 500_000
_COMMENT = re.compile(r'("(?:\\.|[^"\\\n])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_LAST_COMMA = re.compile(r'("(?:\\.|[^"\\\n])*")|,(?=\s*[}\]])', re.DOTALL)


def read_settings(text: str, path: str) -> Settings:
    """The settings of a configuration file. Raises Unreadable."""
    if len(text) > _LONGEST:
        raise Unreadable(f"it is longer than {_LONGEST} characters")
    try:
        return dict(_limited(_flat(_data(text, path))))
    except (ValueError, RecursionError, TypeError, MemoryError) as error:
        raise Unreadable(f"it cannot be parsed: {type(error).__name__}") from error


def _data(text: str, path: str) -> Any:
    last = name(path)
    if path.endswith(".toml"):
        return tomllib.loads(text)
    if path.endswith(SCRIPTS):
        return _script_data(text, path)
    if path.endswith((".yml", ".yaml")):
        import yaml

        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise Unreadable("it is no valid YAML") from error
    if path.endswith((".cfg", ".ini")) or last in (".coveragerc", ".flake8", ".pylintrc", ".importlinter", ".bandit"):
        found = load_ini(text, fold_case=False)  # names of paths are among the keys
        return {section: {key: _of_ini(value) for key, value in values.items()} for section, values in found.items()}
    if text.lstrip()[:1] in ("{", "["):
        bare = _COMMENT.sub(lambda m: m[1] or "", text.lstrip("\ufeff"))
        return json.loads(_LAST_COMMA.sub(lambda m: m[1] or "", bare))
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Unreadable("it is neither JSON nor YAML") from error


def _of_ini(value: str) -> Any:
    words = [part.strip() for part in re.split(r"[\n,]", value) if part.strip() and not part.strip().startswith("#")]
    if len(words) == 1:
        lowered = words[0].lower()
        if lowered in ("true", "yes", "on", "false", "no", "off"):
            return lowered in ("true", "yes", "on")
        return float(words[0]) if re.fullmatch(r"\d+(\.\d+)?", words[0]) else words[0]
    return words


def _flat(data: Any) -> Iterator[tuple[str, Value]]:
    stack: list[tuple[str, Any]] = [("", data)]
    while stack:
        key, value = stack.pop()
        if isinstance(value, Mapping):
            stack.extend((f"{key}.{name}".lstrip("."), inner) for name, inner in value.items())
        elif isinstance(value, (list, tuple)):
            if any(isinstance(item, Mapping) for item in value):
                stack.extend((f"{key}.{_named(item, n)}", item) for n, item in enumerate(value))
            else:
                yield key, tuple(item if isinstance(item, str) else json.dumps(item, default=str)[:500] for item in value)
        elif isinstance(value, bool):
            yield key, value
        elif isinstance(value, (int, float)):
            yield key, float(min(value, 10**15)) if isinstance(value, int) else value
        elif value is not None:
            yield key, str(value)


def _named(item: Any, number: int) -> str:
    """What tells an element of a list from the others: mypy's `module`, pre-commit's `id` and `repo`."""
    if isinstance(item, Mapping):
        for key in ("module", "id", "repo", "name", "test"):
            if key in item:
                return str(item[key])[:200]
    return str(number)


def _limited(pairs: Iterator[tuple[str, Value]]) -> Iterator[tuple[str, Value]]:
    for number, pair in enumerate(pairs):
        if number >= _MOST:
            raise Unreadable(f"it has more than {_MOST} settings")
        yield pair


def _script_data(text: str, path: str) -> dict[str, Any]:
    """The literals in a configuration that is a program: every `key: literal`, under the keys around it."""
    from forge_dagster.domain.tampering import script_source as source

    settings: dict[str, Any] = {}
    stack = [(source.parse(text, path), "")]
    while stack:
        node, prefix = stack.pop()
        if node.type == "pair":
            key = source.text(node.child_by_field_name("key")).strip("\"'")
            value = node.child_by_field_name("value")
            place = f"{prefix}.{key}".lstrip(".")
            if value is not None and value.type in ("array", "string", "number", "true", "false", "template_string"):
                settings[place] = _literal(value, settings.get(place))
            if value is not None:
                stack.append((value, place if value.type == "object" else f"{place}"))
            continue
        stack.extend((child, prefix) for child in reversed(node.children))
    return {"config": settings}


def _literal(node: Any, before: Any) -> Any:
    from forge_dagster.domain.tampering import script_source as source

    if node.type == "array":
        words = [source.string(item) or source.normal(item) for item in node.named_children if item.type != "comment"]
        return [*before, *words] if isinstance(before, list) else words
    if node.type in ("true", "false"):
        return node.type == "true"
    if node.type == "number":
        try:
            return float(source.text(node).replace("_", ""))
        except ValueError:
            return source.text(node)
    return source.string(node)
