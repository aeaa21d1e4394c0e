"""Reports of vitest, jest, mocha and node:test: what is read from them, what is run again, and what is made of it."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from forge_dagster.domain.changes import Change
from forge_dagster.domain.outcomes import Attribution, Outcome, Severity
from forge_dagster.domain.policy import Policy
from forge_dagster.domain.project import NodeProject, Project
from forge_dagster.ports import Command, Environment, ProcessResult, Selection, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.tests import jest, mocha, node_test, vitest
from forge_dagster.tools.tests.event_report import read_events
from forge_dagster.tools.tests.javascript import pattern
from forge_dagster.tools.tests.javascript_text import crash_of, line_in, said
from forge_dagster.tools.tests.jest_report import read_jest_report
from tests.support.golden import load

REPORT, FILE = "/w/output", "/w/repo/src/a.test.js"
ADAPTERS = {adapter.name: adapter for adapter in (vitest.ADAPTER, jest.ADAPTER, mocha.ADAPTER, node_test.ADAPTER)}
every_adapter = pytest.mark.parametrize("name", ADAPTERS)


def request(
    selection: Selection | None = None, *, scripts: Mapping[str, str] | None = None, dependencies: str = ""
) -> ToolRequest:
    node = NodeProject(manager="npm", package={"scripts": scripts or {}}, dependencies=frozenset(dependencies.split()))
    files = ("package.json", "src/a.test.js", "src/b.test.js", "tests/integration/c.test.js")
    return ToolRequest(
        root=Path("/w/repo"),
        project=Project(files=files, node=node),
        change=Change(repository="acme/shop", base_sha=None, head_sha=None, files=()),
        policy=Policy(),
        environment=Environment(language="typescript", bin_directories=(Path("/w/bin"),)),  # type: ignore[arg-type]
        executable=Path("/w/bin/runner"),
        version="1",
        report=Path(REPORT),
        selection=selection or Selection(),
    )


def command_of(name: str, selection: Selection | None = None, **more: Any) -> Command:
    (command,) = ADAPTERS[name].commands(request(selection, **more))
    return command


def jest_report(*states: str, **more: Any) -> bytes:
    tests = [{"fullName": f"test {n}", "status": state, "failureMessages": []} for n, state in enumerate(states)]
    success = "failed" not in states
    return json.dumps(
        {"success": success, "testResults": [{"name": FILE, "status": "x", "assertionResults": tests}], **more}
    ).encode()


def events(*states: str, end: bool = True) -> bytes:
    lines: list[dict[str, Any]] = [
        {"type": "test", "state": state, "path": [f"test {n}"], "name": f"test {n}", "file": FILE}
        for n, state in enumerate(states)
    ]
    return b"".join(json.dumps(line).encode() + b"\n" for line in [*lines, *([{"type": "end"}] if end else [])])


def report_of(name: str, *states: str) -> bytes:
    return jest_report(*states) if name in ("vitest", "jest") else events(*states)


FILES = {"vitest": "vitest.json", "jest": "jest.json", "mocha": "mocha.jsonl", "node_test": "node-test.jsonl"}


def judged(
    name: str, code: int, reports: Sequence[bytes], *, printed: bytes = b"", asked: ToolRequest | None = None
) -> ToolReport:
    """What the adapter says of a first round (reports[0]) and the tests run alone (the others, all with exit code 0)."""
    outputs: list[ToolOutput] = []
    there: dict[str, bytes] = {}
    for number, report in enumerate(reports):
        there = {**there, (FILES[name] if number == 0 else f"alone-{number - 1}.json"): report}
        result = ProcessResult(ended="exited", exit_code=0 if number else code, stdout=printed)
        outputs.append(ToolOutput(result=result, reports=there))
    return ADAPTERS[name].judge(asked or request(), outputs)


# --- what is made of a report -----------------------------------------------------------------------------------------------


@every_adapter
@pytest.mark.parametrize(
    ("code", "states", "outcome"),
    [
        (0, ("passed", "skipped"), Outcome.PASSED),
        (1, ("passed", "failed"), Outcome.FAILED),
        (0, ("passed", "failed"), Outcome.ERRORED),
        (1, ("passed",), Outcome.ERRORED),
        (99, ("passed",), Outcome.ERRORED),
        (0, ("skipped", "skipped"), Outcome.FAILED),
        (0, (), Outcome.FAILED),
    ],
)
def test_exit_code_and_report(name: str, code: int, states: tuple[str, ...], outcome: Outcome) -> None:
    assert judged(name, code, [report_of(name, *states)]).outcome is outcome


@every_adapter
def test_an_error_outside_of_tests_fails(name: str) -> None:
    printed = {
        "vitest": b"Vitest caught 1 unhandled error during the test run.",
        "jest": b'Jest: "global" coverage threshold for lines (90%) not met: 1%',
        "mocha": b"Error: late\n    at Timeout._onTimeout (x.js:1:1)",
        "node_test": b'Error: Test "a" at a.js:1:1 generated asynchronous activity after the test ended.',
    }[name]
    report = judged(name, 1, [report_of(name, "passed")], printed=printed)
    assert report.outcome is Outcome.FAILED
    assert [finding.rule for finding in report.findings] == ["threshold" if name == "jest" else "unhandled-error"]


@every_adapter
def test_a_crash_in_a_file_of_the_repository_is_its_fault_and_any_other_is_not(name: str) -> None:
    own = b"ReferenceError: x is not defined\n    at Object.<anonymous> (/w/repo/src/a.test.js:7:1)"
    report = judged(name, 1, [b""], printed=own)
    assert (report.outcome, [(f.rule, f.place) for f in report.findings]) == (
        Outcome.FAILED,
        [("collection-error", "src/a.test.js:7")],
    )
    elsewhere = own.replace(b"/w/repo/src/a.test.js", b"/w/repo/node_modules/x/index.js")
    assert judged(name, 1, [b""], printed=elsewhere).outcome is Outcome.ERRORED


@every_adapter
def test_a_report_that_breaks_off_never_passes(name: str) -> None:
    whole = report_of(name, "passed", "passed")
    for length in range(len(whole) - 1):
        assert judged(name, 0, [whole[:length]]).outcome is not Outcome.PASSED


def test_several_runs_are_judged_as_one() -> None:
    asked = request(scripts={"test": "mocha test/a && mocha test/b"})
    first, second = (
        ToolOutput(result=ProcessResult(ended="exited", exit_code=0), reports={"mocha.jsonl": events("passed")}),
        ToolOutput(
            result=ProcessResult(ended="exited", exit_code=1),
            reports={"mocha.jsonl": events("passed"), "1-mocha.jsonl": events("passed", "failed")},
        ),
    )
    report = mocha.ADAPTER.judge(asked, [first, second])
    assert (report.outcome, report.examined, report.metrics["failed"]) == (Outcome.FAILED, 3, 1.0)
    assert mocha.ADAPTER.judge(asked, [first]).outcome is Outcome.ERRORED
    measured = mocha.ADAPTER.commands(replace(asked, beside={"c8": Path("/forge/c8")}))
    assert ["--clean=false" in command.argv for command in measured] == [False, True]


# --- run once more, alone ---------------------------------------------------------------------------------------------------


@every_adapter
def test_a_test_that_passes_alone_is_flaky_and_one_that_fails_again_is_not(name: str) -> None:
    first = report_of(name, "passed", "failed", "passed")
    alone = report_of(name, "skipped", "passed", "skipped")
    report = judged(name, 1, [first, alone])
    assert (report.outcome, [f.attribution for f in report.findings]) == (Outcome.FAILED, [Attribution.FLAKY])
    again = report_of(name, "skipped", "failed", "skipped")
    for second in (again, b"", b"{", report_of(name, "passed", "skipped"), report_of(name)):
        assert [f.attribution for f in judged(name, 1, [first, second]).findings] == [Attribution.UNKNOWN]


@every_adapter
def test_what_is_run_again(name: str) -> None:
    outputs = [
        ToolOutput(
            result=ProcessResult(ended="exited", exit_code=1), reports={FILES[name]: report_of(name, "passed", "failed")}
        )
    ]
    (command,) = ADAPTERS[name].follow_up(request(), outputs)
    assert any(argument.endswith("=^test 1$") for argument in command.argv)
    assert FILE in command.argv
    assert not any("c8" in argument or argument == "--coverage" for argument in command.argv)
    many = [replace(outputs[0], reports={FILES[name]: report_of(name, *["failed"] * 9)})]
    assert ADAPTERS[name].follow_up(request(), many) == ()
    assert {f.attribution for f in judged(name, 1, [report_of(name, *["failed"] * 9)]).findings} == {Attribution.INFRASTRUCTURE}


def test_a_test_within_a_test_is_run_with_it() -> None:
    lines = [
        {"type": "test", "state": "failed", "path": ["outer", "inner"], "file": FILE},
        {"type": "test", "state": "failed", "path": ["outer"], "file": FILE, "why": "subtestsFailed"},
        {"type": "suite", "state": "failed", "path": ["group"], "file": FILE, "why": "subtestsFailed"},
        {"type": "test", "state": "failed", "path": ["group", "own"], "file": FILE},
        {"type": "end"},
    ]
    suite = read_events("node_test", request(), b"\n".join(json.dumps(line).encode() for line in lines))
    assert suite is not None
    assert [(case.name, case.handle) for case in suite.cases] == [("outer > inner", "outer"), ("group > own", "own")]
    assert not suite.faults


@given(st.text(max_size=40), st.text(min_size=1, max_size=3))
@example("a.*(b)|[c]$^ \\ /x/ {2}? \x00\n\u2028 -t \U0001f600 \ud800", "x")
def test_a_pattern_is_met_by_its_text_alone(name: str, more: str) -> None:
    expression = re.compile(f"^{pattern(name)}$", re.DOTALL)
    assert expression.match(name)
    assert not expression.match(name + more) or more == "\n"
    assert pattern(name).encode().decode() == pattern(name)
    assert "\0" not in pattern(name)


# --- which tests, measured by what ------------------------------------------------------------------------------------------


@every_adapter
def test_only_some_tests(name: str) -> None:
    only = Selection(only=("src/a.test.js", "tests/test_a.py"), measure=False, gate="property", seed=7)
    command = command_of(name, only)
    assert FILE in command.argv
    assert not any("test_a.py" in argument or "b.test.js" in argument for argument in command.argv)
    assert ADAPTERS[name].commands(request(Selection(only=("tests/test_a.py",)))) == ()


@every_adapter
def test_none_of_the_tests_asked_for_is_no_pass(name: str) -> None:
    asked = request(Selection(only=("src/a.test.js",), gate="property"))
    report = judged(name, 0, [report_of(name)], asked=asked)
    assert (report.outcome, "src/a.test.js" in report.reason) == (Outcome.ERRORED, True)


@every_adapter
def test_without_some_tests(name: str) -> None:
    command = command_of(name, Selection(without=("tests/integration/c.test.js", "tests/integration/test_d.py")))
    told = " ".join([*command.argv, command.environment.get("FORGE_TESTS_WITHOUT", "")])
    if name == "node_test":
        assert command.argv[-2:] == ("src/a.test.js", "src/b.test.js")
    else:
        assert "tests/integration/c.test.js" in told
    assert "test_d.py" not in told


def test_jest_is_not_measured_where_its_script_says_so() -> None:
    measured = command_of("jest", scripts={"test": "jest --env node"})
    assert "--coverage" in measured.argv
    plain = command_of("jest", scripts={"test": "jest --env @edge-runtime/jest-environment --no-coverage"})
    assert "--coverage=false" in plain.argv
    assert "--coverage" not in plain.argv


def test_paths_are_no_patterns_to_vitest() -> None:
    command = command_of("vitest", Selection(without=("app/[id]/(group)/a.test.js",)))
    assert "--exclude=app/\\[id\\]/\\(group\\)/a.test.js" in command.argv


@pytest.mark.parametrize("name", ["vitest", "mocha", "node_test"])
def test_a_seed_reaches_fast_check_beside_the_scripts_own_options(name: str) -> None:
    program = {"vitest": "vitest", "mocha": "mocha", "node_test": "node --test"}[name]
    scripts = {"test": f"NODE_OPTIONS='--expose-gc $NODE_OPTIONS' {program}"}
    command = command_of(name, Selection(seed=42), scripts=scripts)
    assert command.environment["FORGE_FAST_CHECK_SEED"] == "42"
    assert command.environment["NODE_OPTIONS"].startswith("--expose-gc ")
    assert "fast_check_seed.mjs" in command.environment["NODE_OPTIONS"]
    assert "FORGE_FAST_CHECK_SEED" not in command_of(name).environment


def test_jest_is_seeded_through_the_repositorys_own_configuration() -> None:
    asked = request(Selection(seed=42), scripts={"test": "jest -i --config own.json"}, dependencies="jest fast-check")
    (command,) = jest.ADAPTER.commands(replace(asked, version="29.7.0"))
    assert command.environment["FORGE_FAST_CHECK_SEED"] == "42"
    assert command.environment["FORGE_JEST_CONFIG"] == "own.json"
    assert [a.rsplit("/", 1)[-1] for a in command.argv if "config" in a.lower()] == ["jest_seeded.config.cjs"]
    assert "-i" in command.argv
    (old,) = jest.ADAPTER.commands(replace(asked, version="27.0.0"))
    assert "FORGE_FAST_CHECK_SEED" not in old.environment
    assert old.argv[-3:] == ("-i", "--config", "own.json")


@pytest.mark.parametrize(
    ("scripts", "dependencies", "beside", "measured_by"),
    [
        ({"test": "nyc --all -x lib mocha"}, "nyc mocha", (), "/w/bin/nyc"),
        ({"test": "c8 --100 mocha"}, "c8 mocha", (), "/w/bin/c8"),
        ({"test": "mocha"}, "c8 mocha", (), "/w/bin/c8"),
        ({"test": "mocha"}, "mocha nyc", ("c8",), "/forge/c8"),
        ({"test": "mocha"}, "mocha", ("c8",), "/forge/c8"),
    ],
)
def test_who_measures(scripts: dict[str, str], dependencies: str, beside: tuple[str, ...], measured_by: str) -> None:
    asked = request(scripts=scripts, dependencies=dependencies)
    assert tuple(mocha.ADAPTER.beside(asked.project)) == beside
    (command,) = mocha.ADAPTER.commands(replace(asked, beside={"c8": Path("/forge/c8")}))
    assert command.argv[0] == measured_by
    assert "--check-coverage=false" in command.argv
    assert ("--all" in command.argv, "--100" in command.argv) == ("nyc" in measured_by, False)
    (plain,) = mocha.ADAPTER.commands(replace(asked, selection=Selection(measure=False)))
    assert plain.argv[0] == "/w/bin/runner"


@pytest.mark.parametrize(
    ("version", "dependencies", "wanted"),
    [
        ("3.2.4", "vitest", "@vitest/coverage-v8@3.2.4"),
        ("3.2.4", "vitest @vitest/coverage-istanbul", ""),
        ("0.34.6", "vitest", ""),
        ("^3 || 2", "vitest", ""),
        ("", "vitest", ""),
    ],
)
def test_vitest_is_lent_a_provider_of_its_own_version(version: str, dependencies: str, wanted: str) -> None:
    asked = replace(request(dependencies=dependencies), version=version)
    assert vitest.ADAPTER.beside_exactly(asked) == wanted
    lent = replace(asked, beside={"@vitest/coverage-v8": Path("/forge/node_modules/@vitest/coverage-v8")} if wanted else {})
    (command,) = vitest.ADAPTER.commands(lent)
    assert ("--coverage.provider=custom" in command.argv) is bool(wanted)
    assert command.environment.get("FORGE_VITEST_COVERAGE", "").endswith("coverage-v8/dist/index.js") is bool(wanted)
    (without,) = vitest.ADAPTER.commands(asked)
    assert ("--coverage.enabled=true" in without.argv) is ("istanbul" in dependencies)
    (unmeasured,) = vitest.ADAPTER.commands(replace(lent, selection=Selection(measure=False)))
    assert "FORGE_VITEST_COVERAGE" not in unmeasured.environment


@every_adapter
def test_every_run_is_in_ci_and_none_has_its_colours_forbidden(name: str) -> None:
    environment = command_of(name).environment
    assert environment["CI"] == "1"
    assert not {"NO_COLOR", "FORCE_COLOR"} & set(environment)


@every_adapter
def test_colours_are_forced_where_the_repositorys_workflows_do(name: str) -> None:
    plain = request()
    assert plain.project.node is not None
    node = plain.project.node.model_copy(update={"forces_colours": True})
    asked = replace(plain, project=plain.project.model_copy(update={"node": node}))
    (command,) = ADAPTERS[name].commands(asked)
    assert command.environment["FORCE_COLOR"] == "1"


def test_options_of_the_script_are_kept_but_for_reports_and_watching() -> None:
    kept = command_of(
        "mocha", scripts={"test": "mocha --require ts-node/register -R dot --watch --exit 'test/*.ts' --timeout 5000"}
    )
    assert kept.argv[-6:] == ("--require", "ts-node/register", "--exit", "--timeout", "5000", "test/*.ts")
    kept = command_of("vitest", scripts={"test": "vitest --config v.ts --reporter dot --coverage --passWithNoTests unit"})
    assert kept.argv[1:5] == ("run", "unit", "--config", "v.ts")
    assert not {"--passWithNoTests", "dot", "--coverage"} & set(kept.argv)
    kept = command_of("jest", scripts={"test": "jest --config=j.json --coverage --watch -i src"})
    assert {"--config=j.json", "-i", "src"} <= set(kept.argv)
    kept = command_of("node_test", scripts={"test": "node --import tsx --test --test-reporter tap 'src/*.test.{js,ts}'"})
    assert kept.argv[1:4] == ("--import", "tsx", "--test")
    assert kept.argv[-2:] == ("src/a.test.js", "src/b.test.js")
    assert "tap" not in kept.argv
    kept = command_of("node_test", scripts={"test": "borp -C -c 2 --check-coverage --lines 95"})
    assert (kept.argv[0], kept.argv[-2:]) == ("/w/bin/borp", ("-c", "2"))


# --- snapshots --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", ["jest", "vitest"])
def test_obsolete_snapshots_do_not_fail_the_tests_and_are_told(tool: str) -> None:
    case = load(tool, "obsolete-snapshot")
    assert case.commands[0].exit_code == 1
    report = ADAPTERS[tool].judge(case.request(ADAPTERS[tool]), case.outputs)
    assert report.outcome is Outcome.PASSED
    (finding,) = report.findings
    assert (finding.rule, finding.severity, finding.file) == ("snapshot-obsolete", Severity.WARNING, "src/receipt.test.js")
    assert "receipt of old 1" in finding.message
    counts = {name: report.metrics[name] for name in report.metrics if name.startswith("snapshots")}
    assert counts == {"snapshots": 1, "snapshots_obsolete": 1, "snapshots_unchecked": 0, "snapshots_written": 0}


def test_written_and_unchecked_snapshots_are_warnings() -> None:
    snapshots = {"added": 2, "updated": 1, "unchecked": 4, "total": 9, "uncheckedKeysByFile": [], "filesRemovedList": [FILE]}
    report = judged("jest", 0, [jest_report("passed", snapshot=snapshots)])
    assert report.outcome is Outcome.PASSED
    assert [f.rule for f in report.findings] == ["snapshot-obsolete", "snapshot-unchecked", "snapshot-written"]
    assert {f.severity for f in report.findings} == {Severity.WARNING}
    assert (report.metrics["snapshots_written"], report.metrics["snapshots_unchecked"]) == (3.0, 4.0)


def test_obsolete_snapshots_excuse_nothing_else() -> None:
    snapshots = {"unchecked": 1, "uncheckedKeysByFile": [{"filePath": FILE, "keys": ["old"]}]}
    first = json.loads(jest_report("passed", snapshot=snapshots)) | {"success": False}
    assert judged("vitest", 1, [json.dumps(first).encode()]).outcome is Outcome.PASSED
    unhandled = b"Vitest caught 1 unhandled error"
    assert judged("vitest", 1, [json.dumps(first).encode()], printed=unhandled).outcome is Outcome.FAILED
    assert judged("jest", 1, [jest_report("passed", "failed", snapshot=snapshots)]).outcome is Outcome.FAILED


# --- text -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", ["mocha", "node_test", "jest", "vitest"])
def test_the_flaky_case_is_flaky(tool: str) -> None:
    case = load(tool, "flaky")
    report = ADAPTERS[tool].judge(case.request(ADAPTERS[tool]), case.outputs)
    assert [f.attribution for f in report.findings] == [Attribution.FLAKY]
    assert len(case.commands) == 2


def test_a_counterexample_and_its_seed_are_in_the_message() -> None:
    case = load("mocha", "counterexample")
    (finding,) = mocha.ADAPTER.judge(case.request(mocha.ADAPTER), case.outputs).findings
    assert re.search(r"\{ seed: -?\d+, path: \"[\d:]+\"", finding.message)
    assert "Counterexample: [[" in finding.message
    assert len(finding.message) < 2_000


def test_a_long_counterexample_leaves_room_for_the_seed() -> None:
    text = f'Property failed after 3 tests\n{{ seed: 1, path: "2:1", endOnFailure: true }}\nCounterexample: ["{"x" * 9_000}"]\n'
    shown = said(text + "Shrunk 1 time(s)\n    at f (/w/repo/a.js:1:1)")
    assert "{ seed: 1, path:" in shown
    assert "Counterexample: [" in shown
    assert len(shown) < 2_000


def test_places_in_stacks() -> None:
    asked = request()
    assert line_in(asked, "at f (node:x:1:2)\n at g (src/a.test.js:12:3)", "src/a.test.js") == 12
    assert line_in(asked, "at file:///w/repo/src/a.test.js:5:1", "src/a.test.js") == 5
    assert line_in(asked, "at (/elsewhere/src/a.test.js:5:1)", "src/a.test.js") is None
    found = crash_of(
        asked, "Error: Cannot find module './x'\nRequire stack:\n- /w/repo/src/b.test.js\n- /w/repo/node_modules/m.js"
    )
    assert found == ("src/b.test.js", None, "Error: Cannot find module './x'")
    assert crash_of(asked, "Error: no\n at (/w/repo/../etc/passwd:1:1)") is None


_KEYS = (
    "testResults", "assertionResults", "snapshot", "status", "name", "fullName", "failureMessages", "uncheckedKeysByFile",
    "keys", "filePath", "location", "filesRemovedList", "type", "state", "path", "file", "line", "why", "text", "message",
    "success",
)  # fmt: skip
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=20)
    | st.sampled_from(["failed", "passed", "file", "test", FILE])
)
JSON = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=6),
    max_leaves=30,
)


@settings(max_examples=60)
@given(JSON | st.fixed_dictionaries({"testResults": st.lists(JSON), "success": st.booleans(), "snapshot": JSON}))
def test_no_report_makes_a_reader_stumble(report: object) -> None:
    data = json.dumps(report).encode()
    for name in ADAPTERS:
        for code in (0, 1, 7):
            judged(name, code, [data, data], printed=data)
    read_jest_report("jest", request(), data)
    read_events("mocha", request(), data + b"\n" + data)


@given(st.binary(max_size=300))
def test_no_bytes_make_a_reader_stumble_or_pass(data: bytes) -> None:
    for name in ADAPTERS:
        assert judged(name, 0, [data], printed=data).outcome is not Outcome.PASSED


# --- which tests there are ---------------------------------------------------------------------------------------------------


def test_vitest_and_mocha_list_without_running_and_what_they_list_is_told() -> None:
    asked = replace(
        request(Selection(listing=True, measure=False, without=("src/b.test.js",))), version="4.1.2", canary="c0ffee"
    )
    (command,) = vitest.ADAPTER.commands(asked)
    assert command.argv[1:] == ("list", "--exclude=src/b.test.js", f"--json={REPORT}/vitest.json", "--coverage.enabled=false")
    assert "FORGE_CANARY" not in command.environment
    told = json.dumps([{"name": "a > b", "file": FILE, "projectName": ""}, {"file": FILE}, 1]).encode()
    assert judged("vitest", 0, [told], asked=asked).tests == ("src/a.test.js::a > b",)
    (command,) = mocha.ADAPTER.commands(asked)
    assert {"--dry-run", "--no-parallel"} < set(command.argv)
    assert "FORGE_CANARY" not in command.environment
    dry = events("passed", "skipped", end=False) + b'{"type": "end", "dry": true}\n'
    report = judged("mocha", 0, [dry], asked=asked)
    assert (report.outcome, report.tests, report.findings) == (Outcome.PASSED, ("src/a.test.js::test 0",), ())


def test_a_vitest_that_cannot_list_runs_its_tests_and_what_lists_nothing_has_not_listed() -> None:
    asked = replace(request(Selection(listing=True, measure=False)), version="1.6.0")
    (command,) = vitest.ADAPTER.commands(asked)
    assert "run" in command.argv
    assert judged("vitest", 1, [jest_report("passed", "failed")], asked=asked).tests == (
        "src/a.test.js::test 0",
        "src/a.test.js::test 1",
    )
    for name in ("vitest", "mocha"):
        for data in (b"", b"[]", b"{}", b"x"):
            assert judged(name, 0, [data], asked=replace(asked, version="4")).outcome is Outcome.ERRORED


@every_adapter
def test_a_run_tells_its_tests_and_what_it_skipped(name: str) -> None:
    report = judged(name, 0, [report_of(name, "passed", "skipped")])
    assert (report.tests, report.skipped) == (("src/a.test.js::test 0",), ("src/a.test.js::test 1",))


@given(JSON)
@example({"type": "file", "file": []})
@example({"type": "test", "state": [], "file": {}, "path": [[]], "why": {}})
def test_no_list_makes_its_reader_stumble(report: object) -> None:
    asked = replace(request(Selection(listing=True)), version="4")
    for name in ("vitest", "mocha"):
        judged(name, 0, [json.dumps(report).encode()], asked=asked)


# --- built first ------------------------------------------------------------------------------------------------------------


def test_what_the_script_builds_is_built_first_and_its_failure_is_the_changes() -> None:
    asked = request(scripts={"test": "npm run build && tsc && mocha", "build": "x"})
    first, second, tests = mocha.ADAPTER.commands(asked)
    assert first.argv == ("npm", "run", "--silent", "build")
    assert second.argv == ("/w/bin/tsc",)
    assert tests.argv[0] == "/w/bin/runner"

    def outputs(code: int) -> list[ToolOutput]:
        broken = ProcessResult(ended="exited", exit_code=code, stderr=b"Error: no\n at f (/w/repo/src/a.test.js:3:1)")
        fine = ToolOutput(result=ProcessResult(ended="exited", exit_code=0))
        run = ProcessResult(ended="exited", exit_code=1 if code else 0)
        return [ToolOutput(result=broken), fine, ToolOutput(result=run, reports={"mocha.jsonl": events("passed")})]

    assert mocha.ADAPTER.judge(asked, outputs(0)).outcome is Outcome.PASSED
    failed = mocha.ADAPTER.judge(asked, outputs(2))
    assert (failed.outcome, [(f.rule, f.place) for f in failed.findings]) == (
        Outcome.FAILED,
        [("build-failed", "src/a.test.js:3")],
    )
    assert mocha.ADAPTER.follow_up(asked, outputs(2)) == ()
    assert mocha.ADAPTER.judge(asked, outputs(127)).outcome is Outcome.ERRORED
    assert mocha.ADAPTER.judge(asked, outputs(0)[:2]).outcome is Outcome.ERRORED
