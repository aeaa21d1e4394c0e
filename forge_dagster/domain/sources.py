"""Which files and lines are product code, judged by names and text alone."""

import ast
import re
from collections.abc import Callable

from forge_dagster.domain.project import Project

SOURCE_ENDINGS = (".py", ".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".vue", ".svelte")

_TEST_FOLDERS = frozenset({"tests", "test", "__tests__", "__mocks__", "__snapshots__"})
_OUTER_TEST_FOLDERS = (["testing"], ["spec"], ["specs"], ["e2e"])
_OUTER_FOLDERS = frozenset(
    {"docs", "doc", "examples", "example", "benchmarks", "benchmark", "bench", "scripts", ".github", "playground"}
)
"""Folders beside the product's code that tests are not expected to execute; only as a project's outermost folder."""
_OUTER_KIND = re.compile(r"[-_](tests|examples|benchmarks)$")
"""Ends of such a folder's name: typing_tests, typing-examples."""
_TEST_NAME = re.compile(
    r"^(test_.*|.*_test|tests?|conftest)\.py$|\.(test|spec|e2e|bench|stories)\.[cm]?[jt]sx?$|\.test-d\.ts$"
    r"|^(.*[-_])?tests?\.[cm]?[jt]sx?$|^test-.*\.[cm]?[jt]sx?$"
)
"""Names by which pytest, vitest, jest, ava and node --test find tests (their documentation)."""
_OUTER_NAME = re.compile(
    r"^(setup|noxfile|tasks|fabfile|dodo|conf|hatch_build|build)\.py$|\.config\.[cm]?[jt]s$|^\..*"
    r"|^(bench|benchmarks?)\.(py|[cm]?[jt]s)$|^([gG]ulpfile|[gG]runtfile)\.[cm]?[jt]s$"
)
_DECLARATIONS = re.compile(r"^\s*(export\s+)?(declare\b|interface\b|type\s+[\w$<]|import\s+type\b|export\s+type\b)")


def is_test(path: str) -> bool:
    """Whether a path is a test or belongs to the tests, by the naming rules of the runners."""
    *folders, name = path.split("/")
    return not _TEST_FOLDERS.isdisjoint(folders) or folders[:1] in _OUTER_TEST_FOLDERS or _TEST_NAME.search(name) is not None


def source_rule(project: Project) -> Callable[[str], bool]:
    """The predicate "is product code, which tests should execute".

    It leaves out tests, and a project's outermost docs, examples, scripts and configuration, and files of type declarations.
    """
    projects = [found for part in (project, *project.parts) for found in (part.python, part.node) if found is not None]
    roots = {found.directory.strip("/") for found in projects}

    def is_source(path: str) -> bool:
        if not path.endswith(SOURCE_ENDINGS) or path.endswith((".d.ts", ".d.mts", ".d.cts", ".min.js")) or is_test(path):
            return False
        root = max((root for root in roots if root and path.startswith(f"{root}/")), key=len, default="")
        *folders, name = path[len(root) :].strip("/").split("/")
        if not folders:
            return _OUTER_NAME.search(name) is None
        beside = folders[0] in _OUTER_FOLDERS or _OUTER_KIND.search(folders[0]) is not None
        return not beside and ".config." not in name

    return is_source


def code_lines(path: str, text: str) -> frozenset[int]:
    """Lines of a file that hold code to execute, found without executing it, for a file that the coverage report lacks.

    Python: first lines of statements, docstrings left out (as coverage.py counts). Others, and Python that does not parse:
    lines that are neither blank nor comment nor type declaration.
    """
    if path.endswith(".py"):
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return frozenset(
                n for n, line in enumerate(text.splitlines(), 1) if line.strip() and not line.lstrip().startswith("#")
            )
        statements = (node for node in ast.walk(tree) if isinstance(node, ast.stmt))
        return frozenset(
            node.lineno for node in statements if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        )
    return _script_lines(text)


def _script_lines(text: str) -> frozenset[int]:
    """Lines of JavaScript or TypeScript that are neither blank, comment, brackets only, nor within a type declaration."""
    found = set()
    comment, depth = False, 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = re.sub(r"/\*.*?\*/", "", raw)
        if comment:
            comment = "*/" not in line
            continue
        line = re.sub(r"//.*$", "", line)
        if "/*" in line:
            comment, line = True, line[: line.index("/*")]
        opened = line.count("{") - line.count("}")
        if depth or _DECLARATIONS.match(line):
            depth = max(depth + opened, 0)
        elif re.search(r"[\w$]", line):
            found.add(number)
    return frozenset(found)
