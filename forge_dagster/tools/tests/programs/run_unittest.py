"""Runs unittest suites and writes what became of each test as JSON: a program for the repository's own Python, from 3.8 on.

It discovers as `python -m unittest discover` does. Exit codes are unittest's own: 0 all passed, 1 some failed, 5 no tests.
Forge judges what it writes (forge_dagster/tools/tests/unittest.py); nothing here decides anything.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # the folder of this file, which must not be seen by the tests; `python -m unittest` has the working folder here
    sys.path[0] = ""

import argparse
import inspect
import json
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SCHEMA = "forge.unittest/1"
TEXT = 20_000


class Loader(unittest.TestLoader):
    """Discovers only the chosen files. `_match_path` is unittest's own place to say which."""

    def __init__(self, only: frozenset[str], without: frozenset[str]) -> None:
        super().__init__()
        self.only, self.without = only, without

    def _match_path(self, path: str, full_path: str, pattern: str) -> bool:
        matches: bool = super()._match_path(path, full_path, pattern)
        return matches and self.wanted(full_path)

    def wanted(self, path: str) -> bool:
        """Whether a file is among the chosen ones."""
        real = str(Path(path).resolve())
        return real not in self.without and (not self.only or real in self.only)


class Result(unittest.TextTestResult):
    """Keeps one entry per test, and one more for each further thing that went wrong in it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.entries: list[dict[str, Any]] = []

    def keep(self, test: Any, state: str, err: Any = None, message: str = "") -> None:
        """Add an entry."""
        text = ""
        if err is not None:
            text = self._exc_info_to_string(err, test)[-TEXT:]  # type: ignore[attr-defined]
            message = f"{err[0].__name__}: {err[1]}"
        failed_import = type(test).__name__ == "_FailedTest"
        file, line = place(test)
        entry = {
            "id": getattr(test, "_testMethodName", test.id()) if failed_import else test.id(),
            "kind": "collection" if failed_import else "test",
            "state": state,
            "file": file,
            "line": line,
            "message": message[:TEXT],
            "text": text,
        }
        self.entries.append(entry)

    def addSuccess(self, test: Any) -> None:
        super().addSuccess(test)
        self.keep(test, "passed")

    def addError(self, test: Any, err: Any) -> None:
        super().addError(test, err)
        self.keep(test, "error", err)

    def addFailure(self, test: Any, err: Any) -> None:
        super().addFailure(test, err)
        self.keep(test, "failed", err)

    def addSkip(self, test: Any, reason: str) -> None:
        super().addSkip(test, reason)
        self.keep(test, "skipped", message=reason)

    def addExpectedFailure(self, test: Any, err: Any) -> None:
        super().addExpectedFailure(test, err)
        self.keep(test, "passed")

    def addUnexpectedSuccess(self, test: Any) -> None:
        super().addUnexpectedSuccess(test)
        self.keep(test, "failed", message="it was expected to fail, and passed")

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.keep(test, "failed" if issubclass(err[0], test.failureException) else "error", err)
            self.entries[-1]["message"] = f"{subtest._subDescription()} {self.entries[-1]['message']}"[:TEXT]


def place(test: Any) -> tuple[str | None, int | None]:
    """File and line in which a test begins, as far as they can be found."""
    name: str = getattr(test, "_testMethodName", "")
    try:
        function = inspect.unwrap(getattr(test, name))
        return str(Path(str(inspect.getsourcefile(type(test)))).resolve()), function.__code__.co_firstlineno
    except (AttributeError, TypeError, ValueError):
        pass
    for folder in sys.path:
        for end in (".py", "/__init__.py"):
            path = Path(folder or ".") / (name.replace(".", "/") + end)
            if name and path.is_file():
                return str(path.resolve()), None
    return None, None


def tests_of(suite: Any) -> Iterator[Any]:
    """The single tests of a suite, in order."""
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from tests_of(item)
        else:
            yield item


def load(options: argparse.Namespace) -> unittest.TestSuite:
    """The suite that was asked for. What cannot be imported becomes a test that fails, as unittest has it."""
    only, without = (frozenset(str(Path(path).resolve()) for path in paths) for paths in (options.only, options.without))
    suite = unittest.TestSuite()
    for top in options.path:
        sys.path.insert(0, str(Path(top).resolve()))
    for start, pattern, top in options.discover:
        suite.addTest(Loader(only, without).discover(start, pattern=pattern, top_level_dir=top or None))
    if options.name:
        loader = Loader(only, without)
        for test in tests_of(loader.loadTestsFromNames(options.name)):
            file, _ = place(test)
            if file is None or loader.wanted(file):
                suite.addTest(test)
    return suite


def canary(name: str) -> unittest.TestCase:
    """A test that must fail. It passes where an assertion of unittest's lets wrong values through."""

    def must_fail(test: Any) -> None:
        attempts: tuple[tuple[str, tuple[Any, ...]], ...] = (("assertEqual", (1, 2)), ("assertTrue", (False,)), ("fail", ()))
        for assertion, values in attempts:
            try:
                getattr(test, assertion)(*values)
            except test.failureException:
                continue
            return
        raise AssertionError("the canary: this test is here to fail")

    found: unittest.TestCase = type("Canary", (unittest.TestCase,), {name: must_fail})(name)
    return found


def sow(seed: int | None) -> None:
    """Give hypothesis its seed, as its plugin for pytest does (hypothesis has no other way that holds for all tests)."""
    if seed is None:
        return
    try:
        from hypothesis import core
    except ImportError:
        return
    module: Any = core
    module.global_force_seed = seed


def measuring(options: argparse.Namespace) -> Any:
    """coverage.py, started; None where it is not wanted or not there."""
    if not options.coverage:
        return None
    try:
        import coverage
    except ImportError:
        return None
    measured = coverage.Coverage(branch=True, source=options.source)
    measured.start()
    return measured


def keep_measured(measured: Any, path: str) -> None:
    """Write coverage.py's JSON report; without one, the reason goes to stderr."""
    measured.stop()
    try:
        measured.save()
        measured.json_report(outfile=path, ignore_errors=True)
    except Exception as error:  # noqa: BLE001 - what the tests did stays true, whatever happens to the measurement
        sys.stderr.write(f"coverage: {error}\n")


def main() -> int:
    """Run, write, and end with unittest's exit code."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--report", required=True)
    parser.add_argument("--coverage", default="")
    parser.add_argument("--canary", default="")
    parser.add_argument("--seed", type=int)
    for option in ("--source", "--only", "--without", "--name", "--path"):
        parser.add_argument(option, action="append", default=[])
    parser.add_argument("--discover", nargs=3, action="append", default=[])
    options = parser.parse_args()
    target = Path(options.report).resolve()
    sys.argv = ["python -m unittest"]
    sow(options.seed)
    measured = measuring(options)
    suite = load(options)
    if options.canary and suite.countTestCases():
        suite.addTest(canary(options.canary))
    result = unittest.TextTestRunner(resultclass=Result).run(suite)
    assert isinstance(result, Result)
    if measured is not None:
        keep_measured(measured, options.coverage)
    report = {"schema": SCHEMA, "successful": result.wasSuccessful(), "tests": result.entries}
    part = target.with_suffix(".part")
    part.write_bytes(json.dumps(report).encode("utf-8", "backslashreplace"))
    part.replace(target)
    return (0 if result.wasSuccessful() else 1) if result.entries else 5


if __name__ == "__main__":
    sys.exit(main())
