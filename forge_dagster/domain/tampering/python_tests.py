"""The tests that a Python file holds, as its syntax tree tells them."""

import ast
import functools
import hashlib
import re
from collections.abc import Iterator, Sequence

from forge_dagster.domain.tampering.python_checks import checks_of, rows_of
from forge_dagster.domain.tampering.python_source import (
    Function,
    calls,
    constant,
    digest,
    dotted,
    last,
    shown,
    without_docstring,
)
from forge_dagster.domain.tampering.suites import TestFact

_SKIPS = frozenset(
    {"skip", "skipif", "skipIf", "skipUnless", "xfail", "expectedFailure", "SkipTest", "importorskip", "skipTest"}
)
_CLOCK = re.compile(
    r"freeze_?time|travel|time_machine|freezer|(^|\.)time\.(time|sleep|monotonic|perf_counter)$|(^|\.)datetime(\.|$)",
    re.IGNORECASE,
)
_PATCHES = frozenset({"patch", "object", "setattr", "setitem", "dict", "multiple"})
_NEVER = "__test__ = False"


def python_tests(tree: ast.Module) -> tuple[TestFact, ...]:
    """The tests that pytest or unittest would collect, by their names: functions `test*`, and those in classes."""
    return tuple(_in_body(tree.body, "", _module_skips(tree.body)))


def _in_body(body: Sequence[ast.stmt], prefix: str, skips: tuple[str, ...]) -> Iterator[TestFact]:
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if node.name.startswith("test"):
                yield _fact(node, prefix, skips)
        elif isinstance(node, ast.ClassDef):
            own = (*skips, *_marks(node.decorator_list), *_class_skips(node))
            yield from _in_body(node.body, f"{prefix}{node.name}::", own)
        elif isinstance(node, ast.If):
            told = f"if {shown(node.test, 80)}"
            yield from _in_body(node.body, prefix, (*skips, told))
            yield from _in_body(node.orelse, prefix, (*skips, f"unless {told[3:]}"))
        elif isinstance(node, (ast.With, ast.Try)):
            yield from _in_body(node.body, prefix, skips)
            for handler in getattr(node, "handlers", ()):
                yield from _in_body(handler.body, prefix, skips)


def _fact(node: Function, prefix: str, skips: tuple[str, ...]) -> TestFact:
    body = without_docstring(node.body)
    dumped = "".join(ast.dump(statement) for statement in body)
    clocks, mocks = _replaced(node)
    return TestFact(
        id=f"{prefix}{node.name}",
        line=node.lineno,
        body=hashlib.sha256(dumped.encode("utf-8", "surrogatepass")).hexdigest(),
        whole=digest(node),
        look=functools.cache(lambda: (*checks_of(node), *rows_of(node.decorator_list))),
        skips=(*skips, *_marks(node.decorator_list), *_called_skips(node)),
        clocks=clocks,
        mocks=mocks,
    )


def _marks(decorators: Sequence[ast.expr]) -> tuple[str, ...]:
    """Markers that keep a test from running, or from counting; also on single cases of `parametrize`."""
    told = []
    for decorator in decorators:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        if last(target) in _SKIPS:
            told.append(shown(decorator))
        elif isinstance(decorator, ast.Call):
            inner = (keyword.value for call in calls(decorator) for keyword in call.keywords if keyword.arg == "marks")
            told += [shown(mark) for marks in inner for mark in ast.walk(marks) if _is_mark(mark)]
    return tuple(told)


def _is_mark(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in _SKIPS


def _class_skips(node: ast.ClassDef) -> tuple[str, ...]:
    return _assigned_skips(node.body)


def _module_skips(body: Sequence[ast.stmt]) -> tuple[str, ...]:
    told = list(_assigned_skips(body))
    for statement in body:
        value = statement.value if isinstance(statement, (ast.Expr, ast.Assign)) else None
        if isinstance(value, ast.Call) and last(value.func) in ("skip", "importorskip", "exit"):
            told.append(shown(value))
        if isinstance(statement, ast.Raise) and statement.exc is not None and "Skip" in ast.dump(statement.exc):
            told.append(shown(statement))
    return tuple(told)


def _assigned_skips(body: Sequence[ast.stmt]) -> tuple[str, ...]:
    told = []
    for statement in body:
        if not isinstance(statement, ast.Assign):
            continue
        names = [dotted(target) for target in statement.targets]
        if "pytestmark" in names:
            told += [shown(mark) for mark in ast.walk(statement.value) if _is_mark(mark)]
        if "__test__" in names and constant(statement.value) is False:
            told.append(_NEVER)
    return tuple(told)


def _called_skips(node: Function) -> tuple[str, ...]:
    told = []
    for call in calls(node):
        name = dotted(call.func)
        if name in ("pytest.skip", "pytest.xfail", "self.skipTest", "pytest.importorskip", "unittest.SkipTest"):
            told.append(shown(call))
    body = without_docstring(node.body)
    if body and isinstance(body[0], (ast.Return, ast.Pass)) and len(body) > 1 and isinstance(body[0], ast.Return):
        told.append("return, before anything else")
    return tuple(told)


def _replaced(node: Function) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a test replaces: of the clock, and of anything else."""
    clocks: list[str] = []
    mocks: list[str] = []
    for call in (*calls(node), *(d for d in node.decorator_list if isinstance(d, ast.Call))):
        name = dotted(call.func)
        leaf = name.rpartition(".")[2]
        if _CLOCK.search(name) and leaf in ("freeze_time", "travel", "freeze", "move_to"):
            clocks.append(shown(call))
        if leaf not in _PATCHES or not re.search(r"patch|mock|setattr", name):
            continue
        target = _target(call)
        if target:
            (clocks if _CLOCK.search(target) else mocks).append(target)
    return tuple(dict.fromkeys(clocks)), tuple(dict.fromkeys(mocks))


def _target(call: ast.Call) -> str:
    words = [str(value) if isinstance(value := constant(arg), str) else dotted(arg) for arg in call.args[:2]]
    if last(call.func) == "patch" or (words and "." in words[0] and isinstance(constant(call.args[0]), str)):
        return words[0]
    return ".".join(word for word in words if word)
