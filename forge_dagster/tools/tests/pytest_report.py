"""What pytest's JUnit report (flavour xunit1, which tells file and line) says of each failed test, as findings."""

import posixpath
import re
import shlex

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category
from forge_dagster.domain.places import inside
from forge_dagster.ports import ToolRequest
from forge_dagster.tools.tests.junit import TestCase
from forge_dagster.tools.tests.python_suites import place, project_directory, within
from forge_dagster.tools.tests.reruns import TEST_ERROR, TEST_FAILED
from forge_dagster.tools.tests.verdicts import counterexample, tail, with_example

COLLECTION_ERROR, SNAPSHOT_WRITTEN = "collection-error", "snapshot-written"

_COLLECTION = "collection failure"
"""pytest's own word for a file that could not be collected (_pytest.junitxml)."""
_WRITES = re.compile(
    r"File not found in data directory, created|Snapshot directory was modified|contents? (?:was|were) regenerated"
)
"""What pytest-regressions and pytest-snapshot say when a test fails because it wrote what it should have compared with: the
same test passes the next time, which is no flakiness.
"""


def is_collection(case: TestCase) -> bool:
    """Whether this is no test but a file that could not be collected."""
    return case.message == _COLLECTION


def finding(request: ToolRequest, case: TestCase, printed: str = "") -> Finding:
    """The fault of one failed case. `printed` is what pytest wrote to its output; the finding's `snippet` is the test's id."""
    if is_collection(case):
        return _uncollected(request, case)
    own = own_file(request, case)
    file, line = place(request, case.text, own)
    test = test_id(request, case)
    verb = "failed" if case.state == "failed" else "ended in an error"
    said = case.message.strip() or tail(case.text, 1)
    # older versions of hypothesis print the example in a section of their own, which is not in the report
    example = counterexample(case.text) or counterexample(_section_of(case.name, printed))
    seed = request.selection.seed
    again = f"python -m pytest {shlex.quote(test)}" + (f" --hypothesis-seed={seed}" if seed is not None else "")
    return Finding(
        tool="pytest",
        rule=SNAPSHOT_WRITTEN if _WRITES.search(said) else TEST_FAILED if case.state == "failed" else TEST_ERROR,
        category=Category.TEST,
        file=file or own,
        line=line if file is not None else case.line if own is not None else None,
        message=f"{test} {verb}: {with_example(said, example)}",
        suggested_fix=f"see it by: {again}",
        snippet=test,
    )


def _section_of(name: str, printed: str) -> str:
    start = printed.find(f"Falsifying example: {name.partition('[')[0]}(")
    return printed[start : start + 4_000] if start >= 0 else ""


def _uncollected(request: ToolRequest, case: TestCase) -> Finding:
    own = inside(request.root, case.file, directory=project_directory(request)) if case.file else None
    file, line = place(request, case.text, None)
    test = own or case.name
    return Finding(
        tool="pytest",
        rule=COLLECTION_ERROR,
        category=Category.TEST,
        file=file or own,
        line=line if file is not None else case.line,
        message=f"{test} cannot be collected: {tail(case.text, 1).removeprefix('E').strip()}",
        suggested_fix=f"see it by: python -m pytest {shlex.quote(within(request, test))}",
        snippet=test,
    )


def own_file(request: ToolRequest, case: TestCase) -> str | None:
    """The test's own file, from the repository's root; that of a generated test is known by its dotted name only."""
    known = set(request.project.files)
    folders = dict.fromkeys((project_directory(request), ""))
    for folder in folders:
        path = inside(request.root, case.file, directory=folder) if case.file else None
        if path is not None and (path in known or not known):
            return path
    dotted = case.suite.split(".")
    for count in range(len(dotted), 0, -1):
        for folder in folders:
            path = posixpath.join(folder, *dotted[:count]) + ".py"
            if path in known:
                return path
    return None


def test_id(request: ToolRequest, case: TestCase) -> str:
    """pytest's node id as seen from the project's folder, file::Class::test, of the file, the dotted class and the name."""
    own = own_file(request, case)
    if own is None:
        return f"{case.suite}::{case.name}" if case.suite else case.name
    file = within(request, own)
    inner: list[str] = []
    for path in (file, own):
        module = path.removesuffix(".py").replace("/", ".")
        if case.suite == module or case.suite.startswith(f"{module}."):
            inner = [part for part in case.suite.removeprefix(module).split(".") if part]
            break
    return "::".join([file, *inner, case.name])
