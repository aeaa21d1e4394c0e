"""What a hostile or broken writer makes of a good document: strategies over recorded ones."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

ODD_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 10**30, "", "\0", "\ud800", "../../etc/passwd", "x" * 3_000, [], [[]], {}, {"a": None},
    [None, 1, "a", {}],
)  # fmt: skip
ODD_BYTES = (
    b"", b"\0", b"\xff\xfe", b"null", b"[]", b"{}", b'"', b"\\", b"<", b"\n", b"\r\n", b"-1", b"9" * 400, b"[" * 3_000, b"%s",
    b"/../", b"=" * 50, b"\xe2\x80\xae",
)  # fmt: skip


def mutated(content: bytes) -> st.SearchStrategy[bytes]:
    """`content` with one to three changes: bytes cut out, doubled, swapped or replaced, or a value of its JSON made odd."""
    changes: list[Callable[[bytes], st.SearchStrategy[bytes]]] = [_cut, _doubled, _replaced, _truncated]
    if _json(content) is not None:
        changes += [_odd_value, _odd_value]
    return st.lists(st.sampled_from(changes), min_size=1, max_size=3).flatmap(lambda chosen: _all(content, chosen))


def _all(content: bytes, changes: list[Callable[[bytes], st.SearchStrategy[bytes]]]) -> st.SearchStrategy[bytes]:
    strategy = st.just(content)
    for change in changes:
        strategy = strategy.flatmap(change)
    return strategy


def _span(content: bytes) -> st.SearchStrategy[tuple[int, int]]:
    at = st.integers(0, len(content))
    return st.tuples(at, at).map(lambda ends: (min(ends), max(ends)))


def _cut(content: bytes) -> st.SearchStrategy[bytes]:
    return _span(content).map(lambda span: content[: span[0]] + content[span[1] :])


def _doubled(content: bytes) -> st.SearchStrategy[bytes]:
    return _span(content).map(lambda span: content[: span[1]] + content[span[0] :])


def _truncated(content: bytes) -> st.SearchStrategy[bytes]:
    return st.integers(0, len(content)).map(lambda end: content[:end])


def _replaced(content: bytes) -> st.SearchStrategy[bytes]:
    odd = st.sampled_from(ODD_BYTES) | st.binary(max_size=8)
    at = st.tuples(st.integers(0, len(content)), st.integers(0, 8), odd)
    return at.map(lambda one: content[: one[0]] + one[2] + content[one[0] + one[1] :])


def _json(content: bytes) -> Any:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, (dict, list)) and found else None


def _odd_value(content: bytes) -> st.SearchStrategy[bytes]:
    document = _json(content)
    if document is None:
        return st.just(content)
    paths = list(_paths(document, ()))[:2_000]
    return st.tuples(st.sampled_from(paths), st.sampled_from(ODD_VALUES)).map(lambda one: _with(content, *one))


def _paths(value: Any, above: tuple[Any, ...]) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*above, key)
        yield from _paths(inner, (*above, key))


def _with(content: bytes, path: tuple[Any, ...], odd: Any) -> bytes:
    document = json.loads(content)
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = odd
    return json.dumps(document).encode()
