"""JavaScript that makes tests pass without being right: the same patterns as Python's, for its runners."""

import posixpath
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from forge_dagster.domain.tampering.files import is_test_code
from forge_dagster.domain.tampering.script_source import (
    FUNCTIONS,
    arguments,
    callee,
    chain,
    is_empty_function,
    line,
    normal,
    shown,
    string,
    text,
    walk,
)
from forge_dagster.domain.tampering.script_tests import focused
from forge_dagster.domain.tampering.signs import Sign, asks, rejects

if TYPE_CHECKING:
    from tree_sitter import Node

_OF_TESTS = frozenset({"VITEST", "VITEST_WORKER_ID", "VITEST_POOL_ID", "JEST_WORKER_ID", "NODE_TEST_CONTEXT", "MOCHA_COLORS"})
_NODE_TEST = re.compile(r"""NODE_ENV\s*[!=]==?\s*['"]test['"]|['"]test['"]\s*[!=]==?\s*[\w.]*NODE_ENV""")
_RUNNER_OBJECTS = frozenset({"expect", "assert", "chai", "vi", "jest", "describe", "it", "test"})
_EXIT_EVENTS = frozenset({"exit", "beforeExit", "uncaughtException", "unhandledRejection"})
_CLOCKS = frozenset(
    {"Date.now", "Date", "global.Date", "globalThis.Date", "performance.now", "global.Date.now", "globalThis.Date.now"}
)
_TRUE = re.compile(r"^\(?\s*(true|1|!0|!!1)\s*\)?$")
_COMPARING = frozenset({"asymmetricMatch", "equals", "[Symbol.equals]", "isEqual"})
_LONG = 300
_RESULTS = re.compile(r"\.(state|status|failures|numFailedTests|exitCode|success)\s*=[^=]")


def habit_signs(root: "Node", path: str) -> Iterator[Sign]:
    """Signs in any script."""
    tests = is_test_code(path)
    for node in walk(root):
        if node.type == "call_expression":
            yield from _of_call(node, path, tests=tests)
        elif node.type == "assignment_expression":
            yield from _of_assignment(node, tests=tests)
        elif node.type in ("method_definition", "pair"):
            yield from _of_member(node)
        elif node.type == "catch_clause":
            yield from _of_catch(node, tests=tests)
        elif not tests and node.type in ("member_expression", "subscript_expression", "binary_expression"):
            yield from _aware(node)
    if tests:
        for at, told in focused(root):
            message = f"only this runs, and every other test of the file is left out: {told}"
            yield rejects("test-focused", message, line=at, fix="remove .only")


def _of_call(call: "Node", path: str, *, tests: bool) -> Iterator[Sign]:
    words = ".".join(chain(callee(call)))
    given = arguments(call)
    if words in ("process.exit", "process.reallyExit", "process.abort", "Deno.exit", "process.kill"):
        yield from _exit(call, words, given, tests=tests)
    elif not given:
        return
    elif words in ("process.on", "process.once", "process.addListener") and given and string(given[0]) in _EXIT_EVENTS:
        yield from _exit_handler(call, given, tests=tests)
    elif words == "expect.extend" and given:
        yield from _own_matchers(given[0])
    elif words.endswith(".catch") and given and is_empty_function(given[0]):
        message = f"`{shown(call, 100)}` swallows whatever goes wrong"
        yield asks("exception-swallowed", message, key=normal(call)[-300:], line=line(call), fix="let the fault through")
    elif tests and words in ("vi.mock", "jest.mock", "vi.doMock", "jest.doMock", "mock.module", "jest.setMock") and given:
        yield from _mocked(call, given, path)
    elif words in ("Object.defineProperty", "Reflect.defineProperty", "Object.assign") and text(given[0]) in _RUNNER_OBJECTS:
        message = f"`{shown(call, 100)}` replaces a part of the test runner"
        yield rejects("test-tool-patched", message, line=line(call), fix="leave the runner as it is")


_OWN_PROCESS = re.compile(r"\bprocess\s*\.\s*p?pid\b|^-?\s*[01]$")
"""The pids that mean the test runner itself, its parent, its group, or everything."""


def _exit(call: "Node", words: str, given: "list[Node]", *, tests: bool) -> Iterator[Sign]:
    message = f"`{shown(call, 60)}` ends the process before the test runner can say what failed"
    zero = not given or text(given[0]) == "0"
    if words == "process.kill" and given and not _OWN_PROCESS.search(text(given[0])):
        if tests and [text(value) for value in given[1:]] != ["0"]:  # most kill what they have started
            yield asks("process-killed", f"`{shown(call, 60)}` ends a process", line=line(call))
        return
    if tests and (zero or words != "process.exit"):
        yield rejects("early-exit", message, line=line(call), fix="let the runner end the process")
    elif not tests and zero and (_is_at_top(call) or words != "process.exit"):
        yield asks("early-exit", message, line=line(call))


def _is_at_top(node: "Node") -> bool:
    """Whether it is executed as soon as the file is loaded."""
    parent = node.parent
    while parent is not None:
        if parent.type in (*FUNCTIONS, "if_statement", "class_body"):
            return False
        parent = parent.parent
    return True


def _exit_handler(call: "Node", given: "list[Node]", *, tests: bool) -> Iterator[Sign]:
    handler = text(given[-1])
    message = f"`{shown(call, 100)}` acts when the process ends"
    if re.search(r"exitCode\s*=\s*0|process\.(exit|reallyExit)\(\s*0?\s*\)", handler):
        yield rejects("early-exit", f"{message}, and makes it end well", line=line(call), fix="let the runner end the process")
    elif tests:
        yield asks("exit-handler", message, line=line(call))


def _own_matchers(matchers: "Node") -> Iterator[Sign]:
    for member in matchers.named_children if matchers.type == "object" else ():
        body = normal(member)
        if re.search(r"\bpass : (true|! 0|1)\b", body) and not re.search(
            r"\bpass : false\b|\bpass : [a-z]", body.replace("pass : true", "")
        ):
            message = f"the matcher `{shown(member, 80)}` always passes"
            yield rejects("equals-everything", message, line=line(member), fix="have the matcher compare")
        elif text(member.child_by_field_name("name") or member.child_by_field_name("key")).startswith("to"):
            yield asks("test-hook", f"the change defines a matcher: `{shown(member, 80)}`", key=body, line=line(member))


def _mocked(call: "Node", given: "list[Node]", path: str) -> Iterator[Sign]:
    target = string(given[0]) or (
        string(arguments(given[0])[0]) if given[0].type == "call_expression" and arguments(given[0]) else ""
    )
    unit = re.sub(r"[.\-_](test|spec|e2e)$", "", posixpath.basename(path).rpartition(".")[0].removesuffix(".d"))
    replaced = re.sub(r"\.[cm]?[jt]sx?$", "", posixpath.basename(target))
    folder = posixpath.basename(posixpath.dirname(posixpath.join(posixpath.dirname(path), target)))
    if target.startswith((".", "@/", "~/", "#")) and unit in (replaced, folder if replaced == "index" else replaced):
        message = f"`{shown(call, 80)}` replaces the module that {posixpath.basename(path)} tests"
        yield asks("unit-mocked", message, key=f"{unit} {target}", line=line(call), fix="test the code itself")


def _of_assignment(node: "Node", *, tests: bool) -> Iterator[Sign]:
    left = text(node.child_by_field_name("left"))
    right = node.child_by_field_name("right")
    first = chain(node.child_by_field_name("left"))
    if left in ("process.exitCode", "process.exit", "process.reallyExit"):
        if text(right) in ("0", "undefined") or left != "process.exitCode":
            sure = tests or left != "process.exitCode"
            message = f"`{shown(node, 80)}` decides how the test run ends"
            fix = "let the runner end the process"
            yield (
                rejects("early-exit", message, line=line(node), fix=fix)
                if sure
                else asks("early-exit", message, line=line(node))
            )
    elif left in _CLOCKS:
        yield asks("clock-patched", f"`{shown(node, 80)}` replaces the clock for all that runs after it", line=line(node))
    elif len(first) > 1 and first[0] in _RUNNER_OBJECTS and "()" not in first and (tests or right is not None):
        if right is not None and right.type in (*FUNCTIONS, "identifier", "member_expression"):
            message = f"`{shown(node, 80)}` replaces a part of the test runner"
            yield rejects("test-tool-patched", message, line=line(node), fix="leave the runner as it is")
    elif tests and _RESULTS.search(f"{left} = ") and re.search(r"task|result|test|suite", left):
        yield asks("test-hook", f"`{shown(node, 80)}` changes what a test came to", line=line(node))


def _of_member(node: "Node") -> Iterator[Sign]:
    """Methods by which objects are compared, and that agree to anything."""
    name = text(node.child_by_field_name("name") or node.child_by_field_name("key"))
    if name not in _COMPARING:
        return
    function = node if node.type == "method_definition" else node.child_by_field_name("value")
    body = function.child_by_field_name("body") if function is not None else None
    if body is None:
        return
    statements = [child for child in body.named_children if child.type != "comment"] if body.type == "statement_block" else []
    value = text(body) if body.type != "statement_block" else ""
    if len(statements) == 1 and statements[0].type == "return_statement":
        value = text(next(iter(statements[0].named_children), None))
    if _TRUE.match(value):
        message = f"`{shown(node, 80)}` agrees to anything that it is compared with"
        yield rejects("equals-everything", message, line=line(node), fix="compare what the object stands for")


def _of_catch(node: "Node", *, tests: bool) -> Iterator[Sign]:
    body = node.child_by_field_name("body")
    inner = [child for child in body.named_children if child.type != "comment"] if body is not None else []
    nothing = all(child.type in ("return_statement", "empty_statement", "continue_statement") for child in inner)
    plain = all(not child.named_children or child.named_children[0].type in ("true", "null", "undefined") for child in inner)
    if not nothing or not plain:
        return
    block = node.parent.child_by_field_name("body") if node.parent is not None else None
    tried = normal(block)
    if tests and re.search(r"\b(expect|assert)\b", tried) and not re.search(r"(\bfail \(|unreachable \(|throw )", tried):
        message = "this catch swallows the failure of the checks above it"
        yield rejects("assertion-swallowed", message, key=tried, line=line(node), fix="let the checks fail")
    else:
        yield asks(
            "exception-swallowed",
            "this catch swallows whatever goes wrong",
            key=tried,
            line=line(node),
            fix="let the fault through",
        )


def _aware(node: "Node") -> Iterator[Sign]:
    fix = "let the code do the same whether it is tested or not"
    if node.type == "binary_expression":
        if node.end_byte - node.start_byte < _LONG and _NODE_TEST.search(text(node)):
            yield asks("test-aware", f"the code asks whether it is being tested: {shown(node, 100)}", line=line(node), fix=fix)
        return
    parts = chain(node)
    if parts[-1] in _OF_TESTS and "env" in parts[:-1]:
        message = f"the code asks for {parts[-1]}: whether it is being tested"
        yield rejects("test-aware", message, line=line(node), fix=fix)
    elif parts == ["import.meta", "vitest"]:
        yield asks("test-aware", "the code asks whether vitest runs it", line=line(node), fix=fix)
    elif parts in (
        ["globalThis", "expect"],
        ["global", "expect"],
        ["globalThis", "jest"],
        ["global", "jest"],
        ["global", "it"],
    ):
        yield rejects("test-aware", f"the code looks for the test runner: {shown(node)}", line=line(node), fix=fix)
