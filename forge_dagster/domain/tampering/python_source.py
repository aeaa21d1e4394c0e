"""Python as a syntax tree, within limits."""

import ast
import functools
import hashlib
import itertools
import warnings
from collections.abc import Iterable, Iterator

from forge_dagster.domain.tampering.files import MAX_SOURCE

Function = ast.FunctionDef | ast.AsyncFunctionDef

MAX_SHOWN = 3_000
"""Nodes of a syntax tree that are turned back into text."""


class Unreadable(Exception):
    """A source that cannot be looked into: too large, too deep, or no valid text of its language."""


def parse(text: str) -> ast.Module:
    """The tree. Raises Unreadable."""
    if len(text) > MAX_SOURCE:
        raise Unreadable(f"it is longer than {MAX_SOURCE} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape in the change's code is the linter's matter
            return ast.parse(text)
    except SyntaxError as error:
        raise Unreadable(f"it is no valid Python: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise Unreadable(f"it cannot be parsed: {type(error).__name__}") from error


def shown(node: ast.AST, limit: int = 160) -> str:
    """The source of a node, in one line; only its kind where it is so large that nobody reads it anyway."""
    if sum(1 for _ in itertools.islice(ast.walk(node), MAX_SHOWN)) == MAX_SHOWN:
        return f"<{type(node).__name__} of {digest(node)[:12]}>"
    return " ".join(ast.unparse(node).split())[:limit]


def digest(node: ast.AST) -> str:
    """Identifies what a node says, wherever it stands."""
    return hashlib.sha256(ast.dump(node).encode("utf-8", "surrogatepass")).hexdigest()


def dotted(node: ast.AST) -> str:
    """`a.b.c` for a name or an attribute of one; of what a call or an index gives, the rest after "()"; "" for others."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        parts.append(node.id)
    elif isinstance(node, ast.Call):
        parts.append("()")
    else:
        parts.append("?" if parts else "")
    return ".".join(reversed(parts))


def last(node: ast.AST) -> str:
    """The last name of what is called or named."""
    return dotted(node).rpartition(".")[2]


def keyword(call: ast.Call, *names: str) -> ast.expr | None:
    """The value of the first of these keyword arguments that is given."""
    return next((given.value for given in call.keywords if given.arg in names), None)


def constant(node: ast.AST | None) -> object:
    """The value of a constant (also a negative number); None for anything else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        value = node.operand.value
        return -value if isinstance(value, (int, float)) else None
    return node.value if isinstance(node, ast.Constant) else None


@functools.lru_cache(maxsize=2)
def walk(tree: ast.Module) -> tuple[ast.AST, ...]:
    """Every node of a file, found once for all who look at it."""
    return tuple(ast.walk(tree))


def _below(tree: ast.AST) -> Iterable[ast.AST]:
    return walk(tree) if isinstance(tree, ast.Module) else ast.walk(tree)


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Every call below."""
    return (node for node in _below(tree) if isinstance(node, ast.Call))


def functions(tree: ast.AST) -> Iterator[Function]:
    """Every function below."""
    return (node for node in _below(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements that do something."""
    return [s for s in body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]


def imported(tree: ast.Module) -> dict[str, str]:
    """Local name -> dotted name of what it is imported from, anywhere in the file."""
    names: dict[str, str] = {}
    for node in walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                names[alias.asname or alias.name] = f"{'.' * node.level}{node.module or ''}.{alias.name}"
    return names


def resolved(node: ast.AST, names: dict[str, str]) -> str:
    """The dotted name with its first part replaced by what that was imported from."""
    first, _, rest = dotted(node).partition(".")
    origin = names.get(first, first)
    return f"{origin}.{rest}" if rest else origin
