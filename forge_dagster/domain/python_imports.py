"""Who imports whom among the Python files of a repository, read from their text. Nothing is imported to find out."""

import ast
import posixpath
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

from forge_dagster.domain.import_cycles import Graph


def python_graph(texts: Mapping[str, str], folders: Sequence[str] = ()) -> tuple[Graph, tuple[str, ...]]:
    """Who imports whom among Python files (path -> text), and the files that cannot be parsed.

    `folders`: from where modules are imported besides the folder above each file's outermost package, such as "src" for
    packages without __init__.py.
    """
    known = set(texts)
    names: dict[str, list[str]] = {}
    for path in sorted(texts):
        for name in _names(path, known, folders):
            names.setdefault(name, []).append(path)
    graph: dict[str, dict[str, int]] = {path: {} for path in texts}
    unreadable = []
    for path, text in texts.items():
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            unreadable.append(path)
            continue
        own = _names(path, known, folders)
        for imported, line in _imports(tree, path, own, names):
            target = _nearest(path, names[imported])
            if target != path:
                graph[path].setdefault(target, line)
    return graph, tuple(unreadable)


def _names(path: str, known: set[str], folders: Sequence[str]) -> tuple[str, ...]:
    """The dotted names under which a file can be imported, the likeliest first."""
    stem = path.removesuffix(".py")
    stem = stem.removesuffix("/__init__") if stem.endswith("/__init__") else stem
    package = posixpath.dirname(path)
    while package and f"{package}/__init__.py" in known:
        package = posixpath.dirname(package)
    found = []
    for folder in dict.fromkeys((package, *folders)):
        prefix = f"{folder}/" if folder else ""
        if stem.startswith(prefix) and stem != folder:
            found.append(stem[len(prefix) :].replace("/", "."))
    return tuple(dict.fromkeys(found))


def _nearest(path: str, candidates: Sequence[str]) -> str:
    """Of several files of one name the one that has most folders in common with `path`."""
    return max(candidates, key=lambda other: (len(posixpath.commonprefix([path, other])), -len(other)))


def _imports(tree: ast.Module, path: str, own: Sequence[str], names: Mapping[str, object]) -> Iterator[tuple[str, int]]:
    """(name of a known module, line) for each import that loading the file executes.

    `from package import name` imports the module `package.name` where there is one, else needs `package` itself.
    """
    for node in _executed(tree.body):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names if alias.name in names)
            continue
        for module in _sources(node, path, own):
            for alias in node.names:
                whole = f"{module}.{alias.name}" if module else alias.name
                if alias.name != "*" and whole in names:
                    yield whole, node.lineno
                elif module in names:
                    yield module, node.lineno


def _sources(node: ast.ImportFrom, path: str, own: Sequence[str]) -> Iterator[str]:
    """The absolute name of what a `from` imports from; several where the importing file has several names."""
    if not node.level:
        yield node.module or ""
        return
    for name in own:
        parts = name.split(".")
        package = parts if path.endswith("/__init__.py") else parts[:-1]
        up = node.level - 1
        if up <= len(package):
            yield ".".join([*package[: len(package) - up], *([node.module] if node.module else [])])


def _executed(body: Iterable[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """Imports at the top of a module, also in its conditions, attempts and classes; none in functions or for types only."""
    waiting = deque(body)
    while waiting:
        node = waiting.popleft()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and _for_types(node.test):
            waiting.extend(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for part in ("body", "orelse", "finalbody"):
                waiting.extend(getattr(node, part, ()))
            for inner in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
                waiting.extend(inner.body)


def _for_types(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )
