"""uvu 0.5, called as `uvu`, or by a program that requires it (`node tests/index.js`), read from what it prints for people.

Exit code 1 stands for failing tests and for a file that cannot be loaded; 0 also where no test was found, and where a hook in
front of all tests failed, so that the numbers at its end decide. It names no test that passed.
"""

import re
from collections.abc import Iterator, Sequence

from forge_dagster.ports import Command, ToolRequest
from forge_dagster.tools.scripts import kept
from forge_dagster.tools.tests import javascript_canaries as canaries
from forge_dagster.tools.tests import javascript_commands as commands
from forge_dagster.tools.tests.javascript import Manner
from forge_dagster.tools.tests.javascript_suite import Case, Fault, Suite
from forge_dagster.tools.tests.javascript_text import first_place, without_escapes
from forge_dagster.tools.tests.own_calls import OwnCall
from forge_dagster.tools.tests.reruns import TEST_ERROR
from forge_dagster.tools.tests.script_runner import ScriptRunner

_WITH_VALUE = frozenset(("--require", "-r", "--ignore", "-i", "--cwd", "-C"))
_TOTAL = re.compile(r"^ {2}Total: +(\d{1,5})\n {2}Passed: +(\d{1,5})\n {2}Skipped: +(\d{1,5})\n {2}Duration: ", re.MULTILINE)
"""What it ends with (uvu's dist/index.js, `exec`). Larger numbers are no report."""
_FAIL = re.compile(r'^ +FAIL +(?:(?P<suite>\S.*?) +)?"(?P<name>.*)"$', re.MULTILINE)
_COUNTS = re.compile(r"^.*\((?P<passed>\d+) / (?P<total>\d+)\)$", re.MULTILINE)


def _argv(request: ToolRequest, own: OwnCall, *, alone: tuple[str, str] | None = None) -> tuple[str, ...]:
    only = alone[:1] if alone is not None else commands.chosen_files(request)
    if own.launcher and not own.launcher[-1].endswith("uvu"):
        return (*commands.launched(request, own), *(only or own.arguments))
    options, targets = kept(own.arguments, with_value=_WITH_VALUE, alone=())
    folder = str(commands.directory(request) / (targets[0] if targets else "."))
    chosen = [path.removeprefix(f"{folder.rstrip('/')}/") for path in only if path.startswith(f"{folder.rstrip('/')}/")]
    ignored = [path.removeprefix(f"{folder.rstrip('/')}/") for path in commands.left_out(request)]
    pattern = (_exactly(chosen),) if chosen else tuple(targets[1:2])
    return (
        *(own.launcher or (str(request.executable),)),
        *options,
        *((f"--ignore={_exactly(ignored)}",) if ignored else ()),
        # without a folder uvu looks for tests by their names, with one at every script
        *(targets[:1] or ((".",) if pattern else ())),
        *pattern,
    )


def _canary(request: ToolRequest, own: OwnCall) -> bool:
    """Where a program requires the tests, uvu runs them as it comes to them."""
    by_itself = not own.launcher or own.launcher[-1].endswith("uvu")
    return by_itself and canaries.wanted(request, own)


def _exactly(paths: Sequence[str]) -> str:
    """uvu matches files by a regular expression, on their paths from the folder it is given."""
    return f"^({'|'.join(re.escape(path) for path in paths)})$"


def _read(request: ToolRequest, data: bytes) -> Suite | None:
    text = without_escapes(data[-2_000_000:].decode("utf-8", "replace")).replace("\r\n", "\n")
    ends = list(_TOTAL.finditer(text))
    if not ends:
        return None
    total, passed, skipped = (int(number) for number in ends[-1].groups())
    if len(ends) > 1 or passed > total:
        return Suite(whole=False)
    failed = tuple(_failed(request, text[: ends[-1].start()]))
    missing = total - passed - len(failed)
    fault = Fault(rule=TEST_ERROR, text=f"{missing} of {total} tests did not pass, and uvu does not say why: see its hooks")
    return Suite(
        cases=(
            *failed,
            *(Case(file=None, name=f"test {number + 1}", state="passed") for number in range(passed)),
            *(Case(file=None, name=f"skipped {number + 1}", state="skipped") for number in range(skipped)),
        ),
        faults=(fault,) if missing else (),
    )


def _failed(request: ToolRequest, text: str) -> Iterator[Case]:
    """The failed tests; each is told of up to the next one, or to the numbers of its suite."""
    starts = list(_FAIL.finditer(text))
    for number, start in enumerate(starts):
        end = starts[number + 1].start() if number + 1 < len(starts) else len(text)
        counts = _COUNTS.search(text, start.end(), end)
        said = text[start.end() : counts.start() if counts is not None else end]
        stack = re.search(r"^ +at ", said, re.MULTILINE)
        said = f"{' '.join(said[: stack.start()].split())}\n{said[stack.start() :]}" if stack is not None else said
        file, line = first_place(request, said)
        name = f"{start['suite']} > {start['name']}" if start["suite"] else start["name"]
        yield Case(file=file, name=name, state="failed", text=said, line=line)


def _alone(request: ToolRequest, case: Case, _name: str, _report: str) -> Command:
    own = commands.calls_of(request, "uvu")[0]
    place = str(request.root / (case.file or ""))
    return commands.command(request, own, _argv(request, own, alone=(place, "")))


_MANNER = Manner(
    tool="uvu",
    shown="npx uvu",
    report="",
    read=_read,
    nothing=re.compile(r"ENOENT: no such file or directory, scandir"),
    demands=re.compile(r"(?!)"),
    alone=_alone,
    anonymous=True,
    canary=_canary,
)

ADAPTER = ScriptRunner(
    name="uvu",
    program="uvu",
    package="uvu",
    tells_tests=False,
    argv=lambda request, own, _report: _argv(request, own),
    manner=_MANNER,
    preload="forge_canary_uvu.cjs",
)
