"""The tests that a JavaScript or TypeScript file holds, as its syntax tree tells them."""

import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from forge_dagster.domain.tampering.script_checks import checks_in
from forge_dagster.domain.tampering.script_source import (
    FUNCTIONS,
    arguments,
    callee,
    line,
    normal,
    shown,
    string,
    text,
    walk,
)
from forge_dagster.domain.tampering.suites import Check, Strength, TestFact

if TYPE_CHECKING:
    from tree_sitter import Node

_TESTS = frozenset({"it", "test", "specify", "fit", "xit", "ftest", "xtest", "bench", "tap", "tape", "t", "Deno", "QUnit"})
_GROUPS = frozenset({"describe", "context", "suite", "fdescribe", "xdescribe", "fcontext", "xcontext"})
_OFF = frozenset({"skip", "todo", "fixme", "skipIf", "runIf", "fails", "failing", "pending"})
_MODIFIERS = _OFF | {
    "only",
    "each",
    "concurrent",
    "sequential",
    "shuffle",
    "serial",
    "test",
    "for",
    "extend",
    "parallel",
    "step",
}
_CLOCKS = ("useFakeTimers", "setSystemTime", "Date.now =", "Date =", "MockDate")

_DEEPEST = 12
"""Groups within groups that are told apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """A call that declares a test or a group of them."""

    node: "Node"
    title: str
    is_group: bool
    body: "Node | None"
    skips: tuple[str, ...]
    rows: tuple[Check, ...]


def script_tests(root: "Node") -> tuple[TestFact, ...]:
    """The tests that `it`, `test` and their kin declare; `describe > test` is the id of one in a group."""
    found: list[TestFact] = []
    stack: list[tuple[Node, str, tuple[str, ...]]] = [(root, "", ())]
    while stack:
        node, prefix, skips = stack.pop()
        deep = prefix.count(" > ") >= _DEEPEST
        declared = _declared(node) if node.type == "call_expression" and not deep else None
        if declared is None:
            stack.extend((child, prefix, skips) for child in reversed(node.children))
            continue
        own = (*skips, *declared.skips)
        if not declared.is_group:
            found.append(_fact(declared, prefix, own))
        if declared.body is not None:
            inner = f"{prefix}{declared.title} > "
            stack.extend((child, inner, own) for child in reversed(declared.body.children))
    return tuple(found)


def focused(root: "Node") -> Iterator[tuple[int, str]]:
    """Where a test or a group is marked to be the only one that runs: line, and what stands there."""
    for node in walk(root):
        if node.type != "call_expression":
            continue
        words = _words(callee(node))
        if not words or words[0] not in _TESTS | _GROUPS:
            continue
        given = arguments(node)
        only = "only" in words[1:] or words[0] in ("fit", "fdescribe", "ftest", "fcontext")
        if (only and given and string(given[0])) or any(_option(value, "only") for value in given):
            yield line(node), shown(node, 80)


def _words(node: "Node | None") -> list[str]:
    """`test.concurrent.each(rows)` as its words, what is called in between left out."""
    words: list[str] = []
    while node is not None:
        if len(words) > len(_MODIFIERS):
            return []
        if node.type == "member_expression":
            words.append(text(node.child_by_field_name("property")))
            node = node.child_by_field_name("object")
        elif node.type == "call_expression":
            node = callee(node)
        elif node.type == "identifier":
            words.append(text(node))
            break
        else:
            return []
    return words[::-1]


def _declared(call: "Node") -> _Call | None:
    words = _words(callee(call))
    if not words or not set(words[1:]) <= _MODIFIERS or words[0] not in _TESTS | _GROUPS:
        return None
    if words[0] in ("t", "tap", "Deno", "QUnit", "tape") and "test" not in words[1:] and words != ["tape"]:
        return None
    given = arguments(call)
    if not given or (given[0].type in FUNCTIONS and len(given) == 1 and len(words) == 1):
        return None
    body = next((value for value in given[::-1] if value.type in FUNCTIONS), None)
    title = string(given[0]) or (normal(given[0]) if given[0].type not in FUNCTIONS else "")
    off = [word for word in words if word in _OFF or word.startswith("x")]
    skips = tuple(f"{'.'.join(words)}" for _ in off[:1])
    skips += tuple(f"{{ {name} }}" for value in given for name in ("skip", "todo") if _option(value, name))
    if (
        body is None
        and not skips
        and not (len(given) > 1 and given[1].type in ("identifier", "call_expression", "member_expression"))
    ):
        return None
    is_group = words[0] in _GROUPS or "describe" in words
    return _Call(
        node=call,
        title=title,
        is_group=is_group,
        body=None if body is None else body.child_by_field_name("body"),
        skips=skips,
        rows=tuple(_rows(callee(call))),
    )


def _option(node: "Node", name: str) -> bool:
    """Whether an object of options has this one, and not as `false`."""
    if node.type != "object":
        return False
    for pair in node.named_children:
        if pair.type == "pair" and text(pair.child_by_field_name("key")).strip("\"'") == name:
            return text(pair.child_by_field_name("value")) != "false"
    return False


def _rows(node: "Node | None") -> Iterator[Check]:
    """The cases of `each`, each as a check of its own."""
    if node is None or node.type != "call_expression":
        return
    for given in arguments(node)[:1]:
        for row in given.named_children if given.type == "array" else ():
            if row.type != "comment":
                told = normal(row)
                yield Check(
                    text=f"case {told}", subject="case", strength=Strength.PART, line=line(row), shown=f"case {told[:120]}"
                )


def _fact(declared: _Call, prefix: str, skips: tuple[str, ...]) -> TestFact:
    body = declared.body
    whole = normal(body)
    called = tuple(_called_skips(body)) if body is not None else ()
    clocks, mocks = _replaced(body) if body is not None else ((), ())
    return TestFact(
        id=f"{prefix}{declared.title}",
        line=line(declared.node),
        body=hashlib.sha256((whole or declared.title).encode("utf-8", "surrogatepass")).hexdigest(),
        whole=hashlib.sha256(declared.node.text or b"").hexdigest(),
        look=functools.cache(lambda: (*(checks_in(body) if body is not None else ()), *declared.rows)),
        skips=(*skips, *called),
        clocks=clocks,
        mocks=mocks,
    )


def _called_skips(body: "Node") -> Iterator[str]:
    statements = [child for child in body.named_children if child.type != "comment"]
    if len(statements) > 1 and statements[0].type == "return_statement" and not statements[0].named_children:
        yield "return, before anything else"
    for node in walk(body):
        if node.type == "call_expression":
            words = _words(callee(node))
            target = text(callee(node))
            if (
                target in ("this.skip", "ctx.skip", "context.skip", "t.skip", "test.skip", "pending", "t.todo")
                and len(words) < 3
            ):
                yield shown(node, 80)


def _replaced(body: "Node") -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a test replaces: of the clock, and of anything else."""
    clocks: list[str] = []
    mocks: list[str] = []
    for node in walk(body):
        if node.type == "call_expression":
            words = text(callee(node))
            leaf = words.rpartition(".")[2]
            if leaf in ("useFakeTimers", "setSystemTime"):
                clocks.append(shown(node, 100))
            elif leaf in ("spyOn", "stub", "method") and len(arguments(node)) > 1 and _is_replaced(node):
                mocks.append(".".join(string(value) or text(value) for value in arguments(node)[:2]))
        elif node.type == "assignment_expression":
            left = text(node.child_by_field_name("left"))
            if left in ("Date.now", "Date", "global.Date", "globalThis.Date", "performance.now"):
                clocks.append(shown(node, 100))
    return tuple(dict.fromkeys(clocks)), tuple(dict.fromkeys(mocks))


def _is_replaced(spy: "Node") -> bool:
    """Whether a spy does something else than to listen."""
    if text(callee(spy)).endswith((".stub", "mock.method")):
        return True
    parent = spy.parent
    return (
        parent is not None
        and parent.type == "member_expression"
        and text(parent.child_by_field_name("property")).startswith("mock")
    )
