"""What a Python test demands: its assertions, and how much each of them asks."""

import ast
import copy
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence

from forge_dagster.domain.tampering.python_source import MAX_SHOWN, Function, constant, digest, dotted, keyword, last, shown
from forge_dagster.domain.tampering.suites import Check, Strength

_CHECKS = re.compile(r"assert|^_?(check|verify|expect|ensure|validate|should)|^fail$", re.IGNORECASE)
_NEAR = frozenset({"approx", "isclose", "allclose"})
_EXACT_CALLS = frozenset(
    (
        "assertEqual", "assertEquals", "assertIs", "assertListEqual", "assertDictEqual", "assertTupleEqual", "assertSetEqual",
        "assertMultiLineEqual", "assertSequenceEqual", "assertCountEqual", "assertIsNone", "assertFalse", "assert_equal",
        "assert_array_equal", "assert_called_once_with", "assert_called_with", "assert_has_calls", "assert_frame_equal",
        "assert_not_called", "assert_awaited_once_with", "assert_raises", "assertRaisesRegex",
    )
)  # fmt: skip
_NEAR_CALLS = frozenset({"assertAlmostEqual", "assertAlmostEquals", "assert_allclose", "assert_almost_equal", "assert_close"})
_EXISTENCE_CALLS = frozenset({"assertIsNotNone", "assertNotEqual", "assert_called", "assertIsNot", "assert_"})
_KIND_CALLS = frozenset({"assertIsInstance", "assert_called_once", "assert_any_call", "assertTrue"})
_BROAD = frozenset({"Exception", "BaseException"})
_DEFAULT_SLACK = 1e-6
"""Of pytest.approx, relative (its documentation)."""


def checks_of(function: Function) -> tuple[Check, ...]:
    """The checks of a test, without those that a bare `return` in its body keeps from running."""
    local = _local_names(function)
    return tuple(check for statement in _reached(function.body) for check in _in_statement(statement, local))


def rows_of(decorators: Sequence[ast.expr]) -> Iterator[Check]:
    """The cases of `parametrize`, each as a check of its own."""
    for decorator in decorators:
        if not (isinstance(decorator, ast.Call) and last(decorator.func) == "parametrize" and len(decorator.args) > 1):
            continue
        rows = decorator.args[1]
        for row in rows.elts if isinstance(rows, (ast.List, ast.Tuple, ast.Set)) else ():
            told = shown(row)
            yield Check(text=f"case {told}", subject="case", strength=Strength.PART, line=row.lineno, shown=f"case {told}")


def _reached(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        yield statement
        if isinstance(statement, ast.Return):
            return


def _local_names(function: Function) -> Mapping[str, str]:
    names: dict[str, str] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.setdefault(node.id, f"_{len(names)}")
    return names


class _Renamed(ast.NodeTransformer):
    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(id=self._names.get(node.id, node.id), ctx=node.ctx)


def _in_statement(statement: ast.stmt, local: Mapping[str, str]) -> Iterator[Check]:
    stack: list[ast.AST] = [statement]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Assert):
            yield from _of_condition(node.test, local, node.lineno)
            continue
        check = _of_call(node, local) if isinstance(node, ast.Call) else None
        if check is not None:
            yield check
            continue
        stack.extend(reversed(list(ast.iter_child_nodes(node))))


def _of_condition(test: ast.expr, local: Mapping[str, str], line: int) -> Iterator[Check]:
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        for part in test.values:
            yield from _of_condition(part, local, line)
        return
    strength, slack = _strength(test)
    yield _check(test, _subject(test), strength, local, line=line, prefix="assert ", slack=slack)


def _check(
    whole: ast.expr,
    subject: ast.expr | str,
    strength: Strength,
    local: Mapping[str, str],
    *,
    line: int,
    prefix: str = "",
    slack: float | None = None,
) -> Check:
    about = subject if isinstance(subject, str) else _normal(subject, local)
    return Check(
        text=prefix + _normal(whole, local),
        subject=about,
        strength=strength,
        line=line,
        shown=prefix + shown(whole),
        slack=slack,
    )


def _normal(node: ast.expr, local: Mapping[str, str]) -> str:
    if sum(1 for _ in itertools.islice(ast.walk(node), MAX_SHOWN)) == MAX_SHOWN:
        return digest(node)
    return ast.unparse(_Renamed(local).visit(copy.deepcopy(node)))


def _subject(test: ast.expr) -> ast.expr:
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return _subject(test.operand)
    if isinstance(test, ast.Compare):
        return test.comparators[0] if isinstance(test.left, ast.Constant) and len(test.comparators) == 1 else test.left
    if isinstance(test, ast.Call) and last(test.func) in ("isinstance", "hasattr", "callable", "bool", *_NEAR) and test.args:
        return test.args[0]
    return test


def _strength(test: ast.expr) -> tuple[Strength, float | None]:
    """How much a condition asks, and how far off it lets a value be."""
    if isinstance(test, ast.Constant) or (isinstance(test, (ast.Tuple, ast.List, ast.Dict)) and not isinstance(test, ast.Call)):
        return Strength.NOTHING, None
    if isinstance(test, ast.BoolOp):
        return min(_strength(part)[0] for part in test.values), None
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return (Strength.NOTHING if isinstance(test.operand, ast.Constant) else Strength.KIND), None
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        return _of_comparison(test.left, test.ops[0], test.comparators[0])
    if isinstance(test, ast.Compare):
        return Strength.PART, None
    if isinstance(test, ast.Call):
        if last(test.func) in _NEAR:
            return Strength.NEARLY, _slack(test)
        return Strength.KIND, None
    return Strength.EXISTENCE, None


def _of_comparison(left: ast.expr, operator: ast.cmpop, right: ast.expr) -> tuple[Strength, float | None]:
    if ast.dump(left) == ast.dump(right) or (isinstance(left, ast.Constant) and isinstance(right, ast.Constant)):
        return Strength.NOTHING, None
    near = next((side for side in (left, right) if isinstance(side, ast.Call) and last(side.func) in _NEAR), None)
    if near is not None:
        return Strength.NEARLY, _slack(near)
    if any(dotted(side).rpartition(".")[2] == "ANY" for side in (left, right)):
        return Strength.NOTHING, None
    if isinstance(operator, (ast.Eq, ast.Is)):
        return (Strength.PART if "ANY" in ast.dump(right) else Strength.EXACT), None
    if isinstance(operator, (ast.NotEq, ast.IsNot)):
        return Strength.EXISTENCE, None
    bound = constant(right)
    number = float(bound) if isinstance(bound, (int, float)) else None
    if number is not None and isinstance(operator, (ast.Lt, ast.LtE)):
        return Strength.PART, number
    if number is not None and isinstance(operator, (ast.Gt, ast.GtE)):
        return Strength.PART, -number
    return Strength.PART, None


def _slack(call: ast.Call) -> float:
    """The largest tolerance that a call gives."""
    numbers = [keyword(call, name) for name in ("rel", "abs", "rel_tol", "abs_tol", "rtol", "atol", "delta")]
    if last(call.func) == "approx":
        numbers += call.args[1:]
    found = [float(value) for value in map(constant, numbers) if isinstance(value, (int, float))]
    places = constant(keyword(call, "places", "decimal"))
    if isinstance(places, int) and abs(places) < 300:
        found.append(10.0**-places)
    return max(found, default=_DEFAULT_SLACK)


def _of_call(call: ast.Call, local: Mapping[str, str]) -> Check | None:
    name = last(call.func)
    line = call.lineno
    if name in ("raises", "assertRaises", "warns", "assertWarns") or name.startswith(("assertRaises", "assertWarns")):
        broad = any(
            last(part) in _BROAD for arg in call.args[:1] for part in (arg.elts if isinstance(arg, ast.Tuple) else [arg])
        )
        exact = keyword(call, "match") is not None or name.endswith("Regex")
        strength = Strength.EXISTENCE if broad and not exact else Strength.EXACT if exact else Strength.NEARLY
        return _check(call, "raises", strength, local, line=line)
    if not _CHECKS.search(name):
        return None
    about: ast.expr | str = call.args[0] if call.args else dotted(call.func)
    if name in ("assertTrue", "assertFalse", "assert_") and call.args:
        strength, slack = _strength(call.args[0])
        return _check(call, _subject(call.args[0]), strength, local, line=line, slack=slack)
    if name in ("assertEqual", "assertEquals", "assertIs", "assert_equal") and len(call.args) > 1:
        strength, slack = _of_comparison(call.args[0], ast.Eq(), call.args[1])
        return _check(call, about, strength, local, line=line, slack=slack)
    if name in _NEAR_CALLS:
        return _check(call, about, Strength.NEARLY, local, line=line, slack=_slack(call))
    kinds = ((_EXACT_CALLS, Strength.EXACT), (_EXISTENCE_CALLS, Strength.EXISTENCE), (_KIND_CALLS, Strength.KIND))
    strength = next((strength for names, strength in kinds if name in names), Strength.PART)
    return _check(call, about, strength, local, line=line)
