"""Answers written into the code for the very inputs that the tests give."""

import ast
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from forge_dagster.domain.tampering.python_source import constant, shown, walk
from forge_dagster.domain.tampering.script_source import LITERALS, line, text
from forge_dagster.domain.tampering.script_source import shown as script_shown
from forge_dagster.domain.tampering.script_source import walk as script_walk
from forge_dagster.domain.tampering.signs import Sign, asks

if TYPE_CHECKING:
    from tree_sitter import Node

_PLAIN = frozenset({"0", "1", "-1", "", "True", "False", "None", "true", "false", "null", "undefined", "2", "10", "100"})
_FEWEST = 2
"""Pairs of a table that must all be in the tests, for the table to be suspicious."""


def python_answers(tree: ast.Module, tests: Sequence[str]) -> Iterator[Sign]:
    """Branches and tables of a Python file that give a constant for a constant that a test gives."""
    for node in walk(tree):
        if (
            isinstance(node, ast.If)
            and isinstance(node.test, ast.Compare)
            and node.body
            and isinstance(node.body[0], ast.Return)
        ):
            compared = [*node.test.comparators, node.test.left]
            given = [_word(part) for part in compared if isinstance(constant(part), (str, int, float))]
            returned = node.body[0].value
            if given and returned is not None and isinstance(constant(returned), (str, int, float)):
                told = f"if {shown(node.test)}: return {shown(returned)}"
                yield from _told([(given[0], _word(returned))], told, node.lineno, tests)
        elif isinstance(node, ast.Dict) and 1 < len(node.keys) < 200:
            parts = zip(node.keys, node.values, strict=True)
            pairs = [
                (_word(k), _word(v)) for k, v in parts if k is not None and constant(k) is not None and constant(v) is not None
            ]
            if len(pairs) == len(node.keys):
                yield from _told(pairs, shown(node), node.lineno, tests)


def script_answers(root: "Node", tests: Sequence[str]) -> Iterator[Sign]:
    """The same for JavaScript."""
    for node in script_walk(root):
        if node.type != "if_statement":
            continue
        condition = next(iter((node.child_by_field_name("condition") or node).named_children), None)
        body = node.child_by_field_name("consequence")
        first = body if body is None or body.type == "return_statement" else next(iter(body.named_children), None)
        if condition is None or condition.type != "binary_expression" or first is None or first.type != "return_statement":
            continue
        sides = [condition.child_by_field_name(name) for name in ("right", "left")]
        given = [text(side).strip("\"'`") for side in sides if side is not None and side.type in LITERALS]
        value = next(iter(first.named_children), None)
        if given and value is not None and value.type in LITERALS:
            yield from _told([(given[0], text(value).strip("\"'`"))], script_shown(node, 120), line(node), tests)


def _word(node: ast.AST) -> str:
    return str(constant(node))


def _told(pairs: Sequence[tuple[str, str]], told: str, at: int, tests: Sequence[str]) -> Iterator[Sign]:
    known = [pair for pair in pairs if not set(pair) <= _PLAIN and pair[1] not in ("", pair[0]) and _in_tests(pair, tests)]
    if len(known) < min(len(pairs), _FEWEST) or not known or len(known) < len(pairs) * 0.6:
        return
    message = f"the code gives the very answer that a test expects, for the very input that it gives: {told}"
    yield asks("hard-coded-answer", message, line=at, fix="compute the answer")


def _in_tests(pair: tuple[str, str], tests: Sequence[str]) -> bool:
    """Whether both are in one line of a test that checks something."""
    first, second = (re.compile(rf"(?<![\w.]){re.escape(word)}(?![\w.])") for word in pair)
    for test in tests:
        if pair[0] not in test or pair[1] not in test:
            continue
        for row in test.split("\n"):
            if re.search(r"assert|expect|==|t\.is|equal", row) and first.search(row) and second.search(row):
                return True
    return False
