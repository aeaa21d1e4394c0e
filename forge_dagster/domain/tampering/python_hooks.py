"""Python code that takes hold of the test run itself: hooks, plugins, ways out of the process, patched tools, forged reports.

The hooks are pytest's (docs.pytest.org, "Hooks"); those that only print or add options are not among them.
"""

import ast
from collections.abc import Iterator

from forge_dagster.domain.tampering.files import is_conftest, is_test_code
from forge_dagster.domain.tampering.python_source import (
    Function,
    calls,
    constant,
    digest,
    dotted,
    functions,
    imported,
    keyword,
    last,
    resolved,
    shown,
    walk,
)
from forge_dagster.domain.tampering.signs import Sign, asks, rejects

_DECIDING = frozenset(
    (
        "pytest_runtest_makereport", "pytest_runtest_protocol", "pytest_runtestloop", "pytest_runtest_call",
        "pytest_runtest_setup", "pytest_runtest_teardown", "pytest_pyfunc_call", "pytest_runtest_logreport",
        "pytest_report_teststatus", "pytest_sessionstart", "pytest_sessionfinish", "pytest_collection_modifyitems",
        "pytest_ignore_collect", "pytest_pycollect_makeitem", "pytest_pycollect_makemodule", "pytest_make_collect_report",
        "pytest_collection", "pytest_cmdline_main", "pytest_cmdline_preparse", "pytest_load_initial_conftests",
        "pytest_deselected", "pytest_generate_tests", "pytest_exception_interact", "pytest_unconfigure",
        "pytest_itemcollected",
    )
)  # fmt: skip
_RESULTS = frozenset(
    {"outcome", "exitstatus", "testsfailed", "wasxfail", "longrepr", "failed", "passed", "shouldfail", "excinfo"}
)
_FORCING = frozenset({"force_result", "force_exception"})
_REGISTERING = frozenset({"register", "import_plugin", "unregister"})
_TOOLS = ("_pytest", "pytest", "pluggy")
_EXITS = frozenset({"os._exit", "os.abort", "os.execv", "os.execve", "os.execvp", "os.execl", "os.execlp", "posix._exit"})
_HIDDEN_EXITS = frozenset({"_exit", "abort"})


def hook_signs(tree: ast.Module, path: str) -> Iterator[Sign]:
    """Signs in any Python file; code of the tests is held to more than the product's."""
    names = imported(tree)
    yield from _hooks(tree, path)
    yield from _plugins(tree, path)
    yield from _exits(tree, path, names)
    yield from _patched(tree, names)
    if is_test_code(path):
        yield from _forged(tree)


def _hooks(tree: ast.Module, path: str) -> Iterator[Sign]:
    for function in functions(tree):
        if function.name not in _DECIDING or (is_test_code(path) and not _is_loaded(path)):
            continue
        how = _forces(function)
        if how is not None:
            message = f"{function.name} changes what a test came to: {how}"
            yield rejects("test-hook-forges", message, line=function.lineno, fix="remove the hook, and mend the tests it hides")
        else:
            message = f"{function.name} takes part in deciding which tests run and what they come to"
            yield asks("test-hook", message, key=f"{function.name} {digest(function)}", line=function.lineno)


def _is_loaded(path: str) -> bool:
    """Whether pytest may load the file as a plugin: a conftest, or code beside the tests that holds none itself."""
    return is_conftest(path) or not path.rsplit("/", 1)[-1].startswith("test_")


def _forces(function: Function) -> str | None:
    for node in ast.walk(function):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AugAssign) else []
        for target in targets:
            if isinstance(target, ast.Attribute) and target.attr in _RESULTS:
                return shown(node)
        if isinstance(node, ast.Call) and last(node.func) in _FORCING:
            return shown(node)
        if (
            isinstance(node, ast.Call)
            and last(node.func) == "setattr"
            and len(node.args) > 1
            and constant(node.args[1]) in _RESULTS
        ):
            return shown(node)
    return None


def _plugins(tree: ast.Module, path: str) -> Iterator[Sign]:
    for node in walk(tree):
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(dotted(target) in ("pytest_plugins", "collect_ignore", "collect_ignore_glob") for target in targets):
                message = f"the change sets {shown(node)}, which decides what pytest loads or collects"
                rule = "test-plugin" if "pytest_plugins" in shown(node) else "test-selection"
                yield asks(rule, message, key=shown(node, 10_000), line=node.lineno)
        elif (
            isinstance(node, ast.Call) and is_conftest(path) and last(node.func) in ("register", "import_plugin", "unregister")
        ):
            yield asks("test-plugin", f"the change registers a plugin of pytest: {shown(node)}", line=node.lineno)
        elif isinstance(node, ast.Constant) and node.value == "pytest11":
            yield asks("test-plugin", "the change adds an entry point that pytest loads as a plugin", line=node.lineno)


def _exits(tree: ast.Module, path: str, names: dict[str, str]) -> Iterator[Sign]:
    forking = {id(call) for function in functions(tree) for call in _after_fork(function, names)}
    tests = is_test_code(path)
    for call in calls(tree):
        name = resolved(call.func, names)
        if name in _EXITS:
            message = f"{shown(call)} ends the process before the test runner can say what failed"
            if tests and id(call) not in forking:
                yield rejects("early-exit", message, line=call.lineno, fix="let the runner end the process")
            else:
                yield asks("early-exit", message, line=call.lineno)
        elif tests and name == "getattr" and len(call.args) > 1 and resolved(call.args[0], names) in ("os", "posix", "sys"):
            asked = constant(call.args[1])
            if not isinstance(asked, str) or asked in _HIDDEN_EXITS:
                message = f"{shown(call)} hides which function of the system a test calls"
                yield asks("hidden-call", message, line=call.lineno)
        elif tests and name in ("atexit.register", "pytest.exit", "signal.alarm"):
            message = f"{shown(call)} acts when the test run ends, or ends it"
            zero = (
                name == "pytest.exit"
                and constant(keyword(call, "returncode") or (call.args[1] if len(call.args) > 1 else None)) == 0
            )
            if zero:
                yield rejects("early-exit", message, line=call.lineno, fix="let the runner end the process")
            else:
                yield asks("exit-handler", message, line=call.lineno)


def _after_fork(function: Function, names: dict[str, str]) -> Iterator[ast.Call]:
    """The calls of a function that forks: a child has to leave by os._exit (docs.python.org, "os._exit")."""
    inner = list(calls(function))
    if any(resolved(call.func, names) in ("os.fork", "pty.fork", "os.forkpty") for call in inner):
        yield from inner


def _patched(tree: ast.Module, names: dict[str, str]) -> Iterator[Sign]:
    for node in walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else []
        found = [shown(node) for target in targets if isinstance(target, ast.Attribute) and _of_a_tool(resolved(target, names))]
        if isinstance(node, ast.Call) and last(node.func) == "setattr" and node.args:
            owner = node.args[1] if dotted(node.func) == "monkeypatch.setattr" and len(node.args) > 3 else node.args[0]
            told = str(constant(owner)) if isinstance(constant(owner), str) else resolved(owner, names)
            found += [shown(node)] if _of_a_tool(f"{told}.") else []
        for told in found:
            line = getattr(node, "lineno", None)
            yield rejects(
                "test-tool-patched", f"{told} replaces a part of the test runner", line=line, fix="leave the runner as it is"
            )


def _of_a_tool(name: str) -> bool:
    first, _, rest = name.partition(".")
    return first in _TOOLS and bool(rest or name.endswith("."))


def _forged(tree: ast.Module) -> Iterator[Sign]:
    for node in walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in ("xmlpath", "junitxml", "_xml"):
            message = f"{shown(node)} reaches for the report that the test runner writes"
            yield rejects("report-forged", message, line=node.lineno, fix="leave the report to the runner")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            value = node.value
            if value.startswith(("--junitxml", "--junit-xml")) or "<testsuite" in value or value == "_pytest.junitxml":
                message = "a test writes or looks for a report such as the test runner's"
                yield asks("report-forged", message, key=value[:200], line=node.lineno)
        elif isinstance(node, (ast.Import, ast.ImportFrom)) and "_pytest.junitxml" in shown(node):
            message = f"{shown(node)} reaches for the report that the test runner writes"
            yield rejects("report-forged", message, line=node.lineno, fix="leave the report to the runner")
