"""Plants faults into Python files with cosmic-ray's operators: a program for the Python that cosmic-ray is installed in.

`offer`: reads {"files": {path: [lines]}} and prints every mutant of those lines as JSON. `judge`: reads which of them to plant,
in which order and by which commands to test, and prints a line of JSON for each. Why not cosmic-ray's own commands: they judge
whole modules with all combinations of operators, keep no time budget and mutate annotations.
Forge judges what it writes (forge_dagster/tools/analysis/cosmic_ray.py); nothing here decides anything.
"""

from __future__ import annotations

import ast
import difflib
import json
import os
import shlex
import sys
import time
import tokenize
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import cosmic_ray.plugins
import parso
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.testing import run_tests
from cosmic_ray.util import read_python_source, restore_contents
from cosmic_ray.work_item import TestOutcome

SCHEMA = "forge.faults/1"
FILE_LIMIT = 2 * 1024 * 1024
PAIRS = (
    "Add_Sub Sub_Add Mul_Div Div_Mul FloorDiv_Mul Mod_Mul Pow_Mul RShift_LShift LShift_RShift BitAnd_BitOr BitOr_BitAnd "
    "BitXor_BitAnd",
    "Eq_NotEq NotEq_Eq Lt_LtE Lt_GtE LtE_Lt LtE_Gt Gt_GtE Gt_LtE GtE_Gt GtE_Lt Is_IsNot IsNot_Is",
    "Delete_USub Delete_Invert Delete_Not",
)
FAMILIES = ("ReplaceBinaryOperator", "ReplaceComparisonOperator", "ReplaceUnaryOperator")
SINGLE = (
    "AddNot ReplaceTrueWithFalse ReplaceFalseWithTrue ReplaceAndWithOr ReplaceOrWithAnd ReplaceBreakWithContinue "
    "ReplaceContinueWithBreak ExceptionReplacer NumberReplacer ZeroIterationForLoop"
)
"""Of cosmic-ray's operators those that change what code does in one telling way each. Left out: all other combinations (`+`
into each of ten), and the removal of decorators, since that of a cache or a type marker is nothing that a test could notice."""
TALK = frozenset({"print", "log", "logger", "logging", "_log", "_logger", "LOG", "LOGGER", "warnings", "debug", "info"})
"""Calls of these only tell people something; their removal is no fault."""


class ReturnNothing(Operator):  # type: ignore[misc]
    """`return x` becomes `return None`."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        if node.type == "return_stmt" and getattr(node.children[1], "value", "") != "None":
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:  # noqa: ARG002
        node.children[1:] = [parso.parse(" None")]
        return node

    @classmethod
    def examples(cls) -> tuple[Any, ...]:
        return ()


class NoCall(Operator):  # type: ignore[misc]
    """A statement that is nothing but a call goes."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        if node.type in ("atom_expr", "power") and node.parent is not None and node.parent.type == "simple_stmt":
            last, first = node.children[-1], getattr(node.children[0], "value", "")
            if last.type == "trailer" and last.children[0].value == "(" and first not in TALK:
                yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:  # noqa: ARG002
        first = node.get_first_leaf()
        return parso.parse(f"{first.prefix}pass")

    @classmethod
    def examples(cls) -> tuple[Any, ...]:
        return ()


class Membership(Operator):  # type: ignore[misc]
    """`in` becomes `not in`, and the other way round."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        inner = node.parent is not None and node.parent.type == "comparison"
        if inner and (getattr(node, "value", "") == "in" or _words(node) == ["not", "in"]):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:  # noqa: ARG002
        return parso.parse(" not in" if getattr(node, "value", "") == "in" else " in")

    @classmethod
    def examples(cls) -> tuple[Any, ...]:
        return ()


class Augmented(Operator):  # type: ignore[misc]
    """`+=` becomes `-=`, `*=` becomes `/=`, and the other way round."""

    SWAPPED: ClassVar = {"+=": "-=", "-=": "+=", "*=": "/=", "/=": "*=", "|=": "&=", "&=": "|="}

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        if node.type == "operator" and node.value in self.SWAPPED:
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:  # noqa: ARG002
        node.value = self.SWAPPED[node.value]
        return node

    @classmethod
    def examples(cls) -> tuple[Any, ...]:
        return ()


OWN = {kind.__name__: kind for kind in (ReturnNothing, NoCall, Membership, Augmented)}


def _words(node: Any) -> list[str]:
    return [leaf.value for leaf in getattr(node, "children", []) if hasattr(leaf, "value")]


def operators() -> dict[str, Any]:
    """Name -> operator, in a fixed order."""
    names = [f"{family}_{pair}" for family, pairs in zip(FAMILIES, PAIRS, strict=True) for pair in pairs.split()]
    known = {name: cosmic_ray.plugins.get_operator(f"core/{name}")() for name in (*names, *SINGLE.split())}
    return {**known, **{name: kind() for name, kind in OWN.items()}}


# --- offering ----------------------------------------------------------------------------------------------------------


def offer(question: dict[str, Any]) -> dict[str, Any]:
    """Every mutant that begins on one of the given lines."""
    found, unreadable = [], []
    for path, lines in sorted(question["files"].items()):
        try:
            if Path(path).stat().st_size > FILE_LIMIT:
                unreadable.append(path)
                continue
            source = read_python_source(path)
            tree = ast.parse(source)
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            unreadable.append(path)
            continue
        found += list(_mutants(path, source, tree, set(lines)))
    return {"schema": SCHEMA, "mutants": found, "unreadable": unreadable}


def _mutants(path: str, source: str, tree: ast.Module, lines: set[int]) -> Iterator[dict[str, Any]]:
    left_out, firsts, text = _left_out(tree), _first_lines(tree), source.split("\n")
    seen = set()
    for first, last in _segments(tree, lines):
        nodes = list(ast_nodes(get_ast("\n".join(text[first - 1 : last]) + "\n")))
        for name, operator in operators().items():
            for occurrence, node, start in _places(operator, nodes):
                line = start[0] + first - 1
                if line not in lines or any(a <= (line, start[1]) < b for a, b in left_out):
                    continue
                mutant = {"file": path, "kind": name, "segment": [first, last], "occurrence": occurrence}
                mutated = _mutated(source, operator, mutant)
                if mutated is None or mutated in seen or _repeats(name, node):
                    continue
                seen.add(mutated)
                removed, added = _difference(source, mutated)
                key = f"{path}:{line}:{start[1]}:{name}:{occurrence}"
                yield {
                    **mutant,
                    "key": key,
                    "line": line,
                    "statement": firsts.get(line, line),
                    "removed": removed,
                    "added": added,
                }


def _places(operator: Any, nodes: list[Any]) -> Iterator[tuple[int, Any, tuple[int, int]]]:
    """(occurrence, node, where it begins), counted as cosmic-ray counts."""
    every = ((node, start) for node in nodes for start, _end in operator.mutation_positions(node))
    for occurrence, (node, start) in enumerate(every):
        yield occurrence, node, start


def _repeats(name: str, node: Any) -> bool:
    """Whether another operator does the same there (`not` before a comparison or before a `not`, None for True or False), or it
    is no operation: the bare `*` and `/` of a signature.
    """
    if name.startswith("ReplaceBinaryOperator"):
        return node.parent.type in ("parameters", "param", "lambdef", "typedargslist", "varargslist")
    if name == "AddNot":
        return any(child.type in ("comparison", "not_test") for child in node.children[1:2])
    return name == "ReturnNothing" and getattr(node.children[1], "value", "") in ("True", "False")


def _segments(tree: ast.Module, lines: set[int]) -> Iterator[tuple[int, int]]:
    """First and last line of each outermost statement that holds one of the lines: to mutate in a whole file is slow."""
    last = 0
    for node in tree.body:
        decorators = [decorator.lineno for decorator in getattr(node, "decorator_list", [])]
        first, end = min([node.lineno, *decorators]), node.end_lineno or node.lineno
        if first > last and not lines.isdisjoint(range(first, end + 1)):
            yield first, end
        last = max(last, end)


def _mutated(source: str, operator: Any, mutant: dict[str, Any]) -> str | None:
    """The source with the fault in it; None where there would be none, or no Python any more."""
    first, last = mutant["segment"]
    text = source.split("\n")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            segment = mutate_code("\n".join(text[first - 1 : last]) + "\n", operator, mutant["occurrence"])
            if segment is None:
                return None
            mutated = "\n".join([*text[: first - 1], segment.removesuffix("\n"), *text[last:]])
            compile(mutated, "mutant", "exec", dont_inherit=True)
    except Exception:  # noqa: BLE001 - whatever an operator makes of odd code, it is no mutant
        return None
    return mutated if mutated != source else None


def _difference(source: str, mutated: str) -> tuple[list[str], list[str]]:
    lines = list(difflib.unified_diff(source.splitlines(), mutated.splitlines(), n=0, lineterm=""))[3:]
    return [x[1:301] for x in lines if x[:1] == "-"][:20], [x[1:301] for x in lines if x[:1] == "+"][:20]


def _left_out(tree: ast.Module) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where nothing is planted: annotations, what only type checkers or only the program's start execute, and decorators."""
    found: list[Any] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign):
            found.append(node.annotation)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            arguments = node.args
            every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
            found += [one.annotation for one in every if one is not None and one.annotation is not None]
            found += [*([node.returns] if node.returns is not None else []), *node.decorator_list]
            if any("overload" in ast.dump(decorator) for decorator in node.decorator_list):
                found.append(node)
        elif isinstance(node, ast.ClassDef):
            found += node.decorator_list
        elif isinstance(node, ast.If) and ("TYPE_CHECKING" in ast.dump(node.test) or "'__main__'" in ast.dump(node.test)):
            found += [node.test, *node.body]
        elif _is_plain(node):
            found.append(node)
    return [((n.lineno, n.col_offset), (n.end_lineno, n.end_col_offset)) for n in found]


def _is_plain(node: ast.AST) -> bool:
    """Whether it only names things: `__all__`, `__version__`, `type X = ...`."""
    if isinstance(node, ast.Assign):
        return any(isinstance(target, ast.Name) and target.id in ("__all__", "__version__") for target in node.targets)
    return type(node).__name__ == "TypeAlias"


def _first_lines(tree: ast.Module) -> dict[int, int]:
    """Line -> first line of the innermost statement it is in, which is the one that coverage.py counts."""
    found: dict[int, tuple[int, int]] = {}
    for node in ast.walk(tree):
        if not isinstance(node, (ast.stmt, ast.ExceptHandler)):
            continue
        body = getattr(node, "body", None)
        last = body[0].lineno - 1 if isinstance(body, list) and body else node.end_lineno or node.lineno
        for line in range(node.lineno, max(last, node.lineno) + 1):
            size = last - node.lineno
            if line not in found or size <= found[line][0]:
                found[line] = (size, node.lineno)
    return {line: first for line, (_, first) in found.items()}


# --- judging -----------------------------------------------------------------------------------------------------------


def judge(plan: dict[str, Any]) -> None:
    """Test with each fault, as long as there is time, and before the first one of a suite without any.

    A line of JSON for each of these, and one at the end.
    """
    begun = time.monotonic()
    suites = [[shlex.join(argv) for argv in commands] for commands in plan["suites"]]
    seconds: dict[int, float] = {}
    known, done = operators(), 0
    for number, mutant in enumerate(plan["mutants"]):
        suite = mutant["suite"]
        if suite not in seconds:
            started = time.monotonic()
            said = outcome(suites[suite], max(plan["hard_limit_s"] - (started - begun), 1.0))
            seconds[suite] = time.monotonic() - started
            tell({"suite": suite, "clean": said, "seconds": round(seconds[suite], 2)})
            if said != "survived":
                break
        until = time.monotonic() - begun + seconds[suite]
        if until > plan["hard_limit_s"] or (until > plan["budget_s"] and number >= plan["least"]):
            break
        limit = seconds[suite] * 3 + 5
        tell({"key": mutant["key"], "fate": fate_of(suites[suite], mutant, known, limit)})
        done += 1
    tell({"done": done, "of": len(plan["mutants"])})


def fate_of(commands: list[str], mutant: dict[str, Any], known: dict[str, Any], limit: float) -> str:
    """Plant, test, take away again."""
    path = Path(mutant["file"])
    mutated = _mutated(read_python_source(path), known[mutant["kind"]], mutant)
    if mutated is None:
        return "invalid"
    with restore_contents(path) as before:
        encoding, _ = tokenize.detect_encoding(iter(before.splitlines(keepends=True)).__next__)
        path.write_bytes(mutated.encode(encoding))
        return outcome(commands, limit)


def outcome(commands: list[str], limit: float) -> str:
    """What cosmic-ray says of the test commands, in their order until one does not pass: survived, killed or incompetent."""
    deadline = time.monotonic() + limit
    for command in commands:
        said, printed = run_tests(command, max(deadline - time.monotonic(), 1.0))
        if said is not TestOutcome.SURVIVED:
            return "timeout" if printed == "timeout" else str(said.value)
    return "survived"


def tell(content: dict[str, Any]) -> None:
    """Print a line of JSON at once."""
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    os.chdir(asked["folder"])
    if sys.argv[1] == "offer":
        tell(offer(asked))
    else:
        judge(asked)
