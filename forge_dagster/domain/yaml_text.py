"""YAML of a repository as plain values. Made from the parser's events, with bounds, since composing hostile nesting the usual
way can exhaust the stack, and aliases can stand for far more than was written.
"""

from typing import Any

from forge_dagster.errors import WorkspaceError

_TEXT_LIMIT = 256 * 1024
"""Characters: far above any hand-written configuration."""
_BRACKETS = 2_000
"""Opening brackets: libyaml takes time in the square of unclosed ones (100,000 take half a minute)."""
_DEPTH = 40
_NODES = 20_000


def read_yaml(text: str, where: str) -> Any:
    """The first document's value: dicts, lists, and every scalar as the string that is written ("1.10" stays that); None for an
    empty one. An alias is the very value that its anchor names. Raises WorkspaceError naming `where`.
    """
    if len(text) > _TEXT_LIMIT or text.count("[") + text.count("{") > _BRACKETS:
        raise WorkspaceError(f"{where} is larger than a file written by people", hint="make it smaller")
    import yaml  # type: ignore[import-untyped,unused-ignore]  # 30 ms, and only for repositories that have such a file

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Composer(where).value(yaml.parse(text, Loader=loader))
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())[:200]
        raise WorkspaceError(f"{where} is not valid YAML: {said}", hint="correct the file") from error


class _Composer:
    def __init__(self, where: str) -> None:
        self._where = where
        self._anchors: dict[str, Any] = {}
        self._open: list[Any] = []
        self._keys: list[Any] = []
        self._result: Any = None
        self._done = False

    def value(self, events: Any) -> Any:
        for number, event in enumerate(events):
            kind = type(event).__name__
            if number > _NODES:
                raise self._refused("it holds too much")
            if kind == "DocumentEndEvent":
                break
            if kind == "ScalarEvent":
                self._put(event.value, event.anchor)
            elif kind == "AliasEvent":
                if event.anchor not in self._anchors:
                    raise self._refused(f"there is no anchor {event.anchor!r}")
                self._put(self._anchors[event.anchor], None)
            elif kind in ("SequenceStartEvent", "MappingStartEvent"):
                self._begin([] if kind == "SequenceStartEvent" else {}, event.anchor)
            elif kind in ("SequenceEndEvent", "MappingEndEvent"):
                self._open.pop()
                self._keys.pop()
        return self._result

    def _begin(self, new: Any, anchor: str | None) -> None:
        self._put(new, anchor)
        self._open.append(new)
        self._keys.append(None)
        if len(self._open) > _DEPTH:
            raise self._refused("it is nested too deeply")

    def _put(self, value: Any, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = value
        if not self._open:
            if not self._done:
                self._result, self._done = value, True
            return
        parent = self._open[-1]
        if isinstance(parent, list):
            parent.append(value)
        elif self._keys[-1] is None:
            self._keys[-1] = (value if isinstance(value, str) else repr(type(value)),)
        else:
            parent[self._keys[-1][0]] = value
            self._keys[-1] = None

    def _refused(self, why: str) -> WorkspaceError:
        return WorkspaceError(f"{self._where} cannot be read: {why}", hint="make it simpler")
