"""Python code that makes tests pass without being right: knowing that it is tested, equal to everything, swallowing faults."""

import ast
import re
from collections.abc import Iterator

from forge_dagster.domain.tampering.files import is_test_code
from forge_dagster.domain.tampering.python_source import (
    Function,
    constant,
    digest,
    dotted,
    functions,
    imported,
    last,
    resolved,
    shown,
    walk,
    without_docstring,
)
from forge_dagster.domain.tampering.signs import Sign, asks, rejects

_OF_TESTS = frozenset({"PYTEST_CURRENT_TEST"})
_PERHAPS_OF_TESTS = frozenset({"PYTEST_XDIST_WORKER", "PYTEST_VERSION", "TESTING", "UNIT_TEST", "UNITTEST", "RUNNING_TESTS"})
_RUNNERS = frozenset({"pytest", "_pytest", "unittest", "nose", "xdist"})
_BROAD = frozenset({"", "Exception", "BaseException", "AssertionError"})
_CLOCKS = frozenset(
    ("time.time", "time.monotonic", "time.perf_counter", "time.sleep", "datetime.datetime", "datetime.date", "time.time_ns")
)
_CALLERS = frozenset({"_getframe", "currentframe", "extract_stack", "walk_stack", "stack"})
_CHECK = re.compile(r"^(assert|self\.assert|self\.fail|pytest\.raises)")


def habit_signs(tree: ast.Module, path: str) -> Iterator[Sign]:
    """Signs in any Python file."""
    tests = is_test_code(path)
    names = imported(tree)
    yield from _equal_to_everything(tree)
    yield from _swallowed(tree, tests=tests)
    yield from _clock(tree, names)
    if not tests:
        yield from _aware(tree, names)
    else:
        yield from _broad_raises(tree)


def _equal_to_everything(tree: ast.Module) -> Iterator[Sign]:
    fix = "compare what the object stands for"
    for function in functions(tree):
        wanted = {"__eq__": True, "__ne__": False}.get(function.name)
        body = without_docstring(function.body)
        if wanted is None or len(body) != 1 or not isinstance(body[0], ast.Return) or body[0].value is None:
            continue
        value = body[0].value
        if _is_always(value, wanted):
            told = f"{function.name} always answers {wanted}: an object that equals everything makes any comparison pass"
            yield rejects("equals-everything", told, line=function.lineno, fix=fix, key=shown(function))
        elif not {node.id for node in ast.walk(value) if isinstance(node, ast.Name)} & {a.arg for a in function.args.args}:
            told = f"{function.name} looks at neither of the two that it compares"
            yield asks("equals-everything", told, line=function.lineno, fix=fix, key=shown(function))
    for node in walk(tree):
        lambdas = []
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            lambdas = [value for key, value in pairs if key is not None and constant(key) == "__eq__"]
        elif isinstance(node, ast.Assign) and any(last(target) == "__eq__" for target in node.targets):
            lambdas = [node.value]
        for value in lambdas:
            if isinstance(value, ast.Lambda) and _is_always(value.body, True):
                yield rejects("equals-everything", f"{shown(node)} equals everything", line=value.lineno, fix=fix)


def _is_always(value: ast.expr, wanted: bool) -> bool:
    if isinstance(value, ast.Constant):
        return bool(value.value) is wanted and value.value is not None and value.value is not NotImplemented
    if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.Not):
        return _is_always(value.operand, not wanted)
    if isinstance(value, ast.Compare) and len(value.ops) == 1 and isinstance(value.ops[0], (ast.Eq, ast.Is)):
        return wanted and ast.dump(value.left) == ast.dump(value.comparators[0])
    return (
        isinstance(value, ast.BoolOp)
        and isinstance(value.op, ast.Or)
        and any(_is_always(part, wanted) for part in value.values)
    )


def _swallowed(tree: ast.Module, *, tests: bool) -> Iterator[Sign]:
    for node in walk(tree):
        if isinstance(node, ast.With):
            for item in node.items:
                call = item.context_expr
                if (
                    isinstance(call, ast.Call)
                    and last(call.func) == "suppress"
                    and any(last(arg) in _BROAD for arg in call.args)
                ):
                    yield _swallows(node, shown(call), _tried(node.body), hides=tests and _checks(node.body))
        elif isinstance(node, ast.Try):
            broad = [h for h in node.handlers if _caught(h) & _BROAD and _does_nothing(h.body)]
            hides = tests and bool(broad) and not node.orelse and not _fails_at_end(node.body) and _checks(node.body)
            tried = _tried(node.body) if broad else ""
            for handler in broad:
                told = "except" if handler.type is None else f"except {shown(handler.type)}"
                yield _swallows(handler, f"{told}: {shown(handler.body[0], 60)}", tried, hides=hides)


def _tried(body: list[ast.stmt]) -> str:
    return " ".join(shown(statement, 500) for statement in body[:20])


def _checks(body: list[ast.stmt]) -> bool:
    inner = (part for statement in body for part in ast.walk(statement))
    return any(isinstance(n, ast.Assert) or (isinstance(n, ast.Call) and _CHECK.match(dotted(n.func))) for n in inner)


def _swallows(node: ast.AST, told: str, tried: str, *, hides: bool) -> Sign:
    line = getattr(node, "lineno", None)
    key = f"{told} {tried}"
    if hides:
        message = f"`{told}` swallows the failure of the checks above it"
        return rejects("assertion-swallowed", message, line=line, fix="let the checks fail", key=key)
    message = f"`{told}` swallows whatever goes wrong"
    return asks("exception-swallowed", message, line=line, fix="catch what is expected, and let the rest through", key=key)


def _caught(handler: ast.ExceptHandler) -> set[str]:
    if handler.type is None:
        return {""}
    parts = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return {last(part) for part in parts}


def _does_nothing(body: list[ast.stmt]) -> bool:
    return all(
        isinstance(s, (ast.Pass, ast.Continue, ast.Break))
        or (isinstance(s, ast.Return) and (s.value is None or isinstance(s.value, ast.Constant)))
        or (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
        for s in body
    )


def _fails_at_end(body: list[ast.stmt]) -> bool:
    """Whether the block ends in a failure of its own, as in: try: call(); self.fail() except ...: pass."""
    end = body[-1]
    if isinstance(end, ast.Raise) or (isinstance(end, ast.Assert) and isinstance(end.test, ast.Constant)):
        return True
    return isinstance(end, ast.Expr) and isinstance(end.value, ast.Call) and last(end.value.func) == "fail"


def _broad_raises(tree: ast.Module) -> Iterator[Sign]:
    for node in walk(tree):
        if not (isinstance(node, ast.Call) and last(node.func) in ("raises", "assertRaises") and node.args):
            continue
        first = node.args[0]
        parts = first.elts if isinstance(first, ast.Tuple) else [first]
        if any(last(part) in ("Exception", "BaseException") for part in parts) and not any(
            k.arg == "match" for k in node.keywords
        ):
            message = f"{shown(node)} is content with any exception, a wrong name's too"
            yield asks("raises-anything", message, line=node.lineno, fix="name the exception that is expected")


def _clock(tree: ast.Module, names: dict[str, str]) -> Iterator[Sign]:
    for node in walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Attribute) and resolved(target, names) in _CLOCKS:
                    yield asks(
                        "clock-patched", f"{shown(node)} replaces the clock for all that runs after it", line=node.lineno
                    )
    for function in functions(tree):
        if any("autouse" in shown(decorator) for decorator in function.decorator_list) and _patches_clock(function):
            message = f"{function.name} gives every test a clock of its own"
            yield asks("clock-patched", message, line=function.lineno, key=digest(function))


def _patches_clock(function: Function) -> bool:
    words = shown(function, 10_000)
    return re.search(r"freeze_time|time_machine|(setattr|patch)\W.{0,40}\b(time|datetime)\b", words) is not None


def _aware(tree: ast.Module, names: dict[str, str]) -> Iterator[Sign]:
    fix = "let the code do the same whether it is tested or not"
    for node in walk(tree):
        line = getattr(node, "lineno", None)
        value = node.value if isinstance(node, ast.Constant) else None
        if isinstance(value, str) and value in _OF_TESTS | _PERHAPS_OF_TESTS:
            message = f"the code asks for {value}: whether it is being tested"
            sure = value in _OF_TESTS
            yield (rejects if sure else asks)("test-aware", message, line=line, fix=fix)
        elif _looks_for_runner(node, names):
            yield rejects("test-aware", f"the code asks whether it is being tested: {shown(node)}", line=line, fix=fix)
    for function in functions(tree):
        inner = [n for n in ast.walk(function) if isinstance(n, (ast.Attribute, ast.Name, ast.Constant))]
        if any(last(n) in _CALLERS for n in inner) and any(_names_test(constant(n)) for n in inner):
            message = f"{function.name} looks for a test among its callers"
            yield asks("test-aware", message, line=function.lineno, fix=fix)


def _names_test(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("test_", "_test", "tests/", "/tests", "test"))


def _looks_for_runner(node: ast.AST, names: dict[str, str]) -> bool:
    """Whether it asks for a test runner among the modules loaded, or the words of the command line."""
    if isinstance(node, ast.Compare) and constant(node.left) in _RUNNERS:
        return "sys.argv" in shown(node) or any(resolved(side, names) == "sys.modules" for side in node.comparators)
    if isinstance(node, ast.Call) and node.args and resolved(node.func, names) == "sys.modules.get":
        return constant(node.args[0]) in _RUNNERS
    return False
