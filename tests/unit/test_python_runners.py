"""pytest's and unittest's adapters: what is asked of them, what is rerun, and what their words are taken for."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Attribution, Category, Outcome, Severity
from forge_dagster.ports import Command, FollowUp, ProcessResult, Selection, Tool, ToolOutput, ToolRequest
from forge_dagster.tools.tests.pytest import ADAPTER as PYTEST
from forge_dagster.tools.tests.pytest_command import opted_in
from forge_dagster.tools.tests.pytest_snapshots import read_snapshots
from forge_dagster.tools.tests.reruns import MAX_RERUNS, labelled, to_rerun
from forge_dagster.tools.tests.unittest import ADAPTER as UNITTEST
from forge_dagster.tools.tests.verdicts import counterexample, with_example
from tests.support.golden import load

RUNNERS: dict[str, Tool] = {"pytest": PYTEST, "unittest": UNITTEST}


def asked(tool: str, **named: object) -> ToolRequest:
    case = load(tool, "clean")
    request = case.request(RUNNERS[tool])
    return replace(request, selection=Selection(**named))  # type: ignore[arg-type]


def argv(tool: str, **named: object) -> tuple[str, ...]:
    (command,) = RUNNERS[tool].commands(asked(tool, **named))
    return command.argv


# --- selection ---------------------------------------------------------------------------------------------------------


def test_only_some_files_or_all_but_some() -> None:
    assert argv("pytest", only=("tests/test_price.py",))[-1] == "tests/test_price.py"
    assert "--ignore=tests/test_price.py" in argv("pytest", without=("tests/test_price.py",))
    assert "--only=tests/test_price.py" in argv("unittest", only=("tests/test_price.py",))
    assert "--without=tests/test_price.py" in argv("unittest", without=("tests/test_price.py",))


@pytest.mark.parametrize("tool", RUNNERS)
def test_files_of_others_leave_nothing_to_do(tool: str) -> None:
    request = asked(tool, only=("web/a.test.ts", "elsewhere/test_a.py"))
    assert RUNNERS[tool].commands(request) == ()
    assert RUNNERS[tool].judge(request, ()).outcome is Outcome.SKIPPED


@pytest.mark.parametrize("tool", RUNNERS)
def test_without_measuring_there_is_no_coverage(tool: str) -> None:
    assert any("--cov" in word for word in argv(tool))
    assert not any("coverage.json" in word or word.startswith("--cov=") for word in argv(tool, measure=False))


@pytest.mark.parametrize("tool", RUNNERS)
def test_a_seed_is_not_made_void_by_a_profile_for_ci(tool: str) -> None:
    (plain,) = RUNNERS[tool].commands(asked(tool))
    (seeded,) = RUNNERS[tool].commands(asked(tool, seed=3))
    assert plain.environment["CI"] == "1"
    assert "CI" not in seeded.environment
    assert not Path(plain.environment["HYPOTHESIS_STORAGE_DIRECTORY"]).is_relative_to("/w/repo")


def test_variables_of_services_reach_the_tests() -> None:
    request = replace(asked("pytest"), variables={"DATABASE_URL": "postgresql://x"})
    assert PYTEST.commands(request)[0].environment["DATABASE_URL"] == "postgresql://x"


def test_a_seed_is_handed_to_hypothesis_where_it_is_there() -> None:
    request = asked("pytest", seed=3)
    assert request.environment is not None
    assert not any("hypothesis-seed" in word for word in PYTEST.commands(request)[0].argv)
    there = replace(request.environment, versions={"hypothesis": "6"})
    assert "--hypothesis-seed=3" in PYTEST.commands(replace(request, environment=there))[0].argv


def test_old_versions_are_not_asked_for_what_they_do_not_know() -> None:
    request = asked("pytest")
    assert request.environment is not None
    old = replace(request.environment, versions={"pytest-cov": "2.12.1", "coverage": "5.5"})
    first, report = PYTEST.commands(replace(request, environment=old, version="5.4.3"))
    assert "--no-header" not in first.argv
    assert "--cov-report=" in first.argv
    assert report.argv[1:4] == ("-m", "coverage", "json")
    assert not any("coverage.exceptions" in word for word in first.argv)


@pytest.mark.parametrize(
    ("addopts", "expected"),
    [
        (["-ra", "-m", "not property"], ("-m", "")),
        ("-ra -m 'not slow and not hypothesis_tests' -v", ("-m", "not slow")),
        ('-m "not slow"', ()),
        ("-m 'not property or slow'", ()),
        ("-ra", ()),
    ],
)
def test_property_tests_that_are_opt_in_are_run_by_their_gate(addopts: object, expected: tuple[str, ...]) -> None:
    request = asked("pytest", gate="property")
    assert request.project.python is not None
    python = request.project.python.model_copy(
        update={"pyproject": {"tool": {"pytest": {"ini_options": {"addopts": addopts}}}}}
    )
    own = replace(request, project=request.project.model_copy(update={"python": python}))
    assert opted_in(own) == expected
    assert opted_in(replace(own, selection=Selection())) == ()


@pytest.mark.parametrize(
    ("pyproject", "early"),
    [
        ({"project": {"name": "shop", "entry-points": {"pytest11": {"shop": "shop.plugin"}}}}, True),
        ({"tool": {"poetry": {"name": "shop", "plugins": {"pytest11": {"shop": "shop.plugin"}}}}}, True),
        ({"project": {"name": "Pluggy"}}, True),
        ({"project": {"name": "shop", "entry-points": {"console_scripts": {"shop": "shop:main"}}}}, False),
    ],
)
def test_what_pytest_loads_itself_is_measured_from_outside(pyproject: dict[str, object], early: bool) -> None:
    request = asked("pytest")
    assert request.project.python is not None
    python = request.project.python.model_copy(update={"pyproject": pyproject})
    commands = PYTEST.commands(replace(request, project=request.project.model_copy(update={"python": python})))
    assert (commands[0].argv[1:4] == ("-m", "coverage", "run")) is early
    assert [command.argv[3] for command in commands[1:]] == (["combine", "json"] if early else [])
    assert ("--no-cov" in commands[0].argv) is early


@pytest.mark.parametrize(("version", "known"), [("1.5", False), ("2.4.0", True), ("7.0.0", True), ("", True)])
def test_an_old_pytest_cov_is_not_told_what_it_does_not_know(version: str, known: bool) -> None:
    request = asked("pytest", measure=False)
    assert request.environment is not None
    environment = replace(request.environment, versions={**request.environment.versions, "pytest-cov": version})
    (command,) = PYTEST.commands(replace(request, environment=environment))
    assert ("--no-cov" in command.argv) is known


# --- reruns ------------------------------------------------------------------------------------------------------------


def fault(test: str, rule: str = "test-failed") -> Finding:
    return Finding(tool="pytest", rule=rule, message=f"{test} failed", category=Category.TEST, snippet=test)


def test_each_failed_test_is_rerun_once_and_no_collection_error() -> None:
    faults = [fault("a"), fault("a", "test-error"), fault("b"), fault("c", "collection-error")]
    assert [one.snippet for one in to_rerun(faults, total=10)] == ["a", "b"]


def test_only_so_many_are_rerun_and_none_where_the_surroundings_are_suspected() -> None:
    many = [fault(str(n)) for n in range(50)]
    assert len(to_rerun(many, total=1_000)) == MAX_RERUNS
    assert to_rerun(many, total=55) == ()
    assert {one.attribution for one in labelled(many, total=55, passed_alone=())} == {Attribution.INFRASTRUCTURE}


@given(st.lists(st.sampled_from("abcdef"), max_size=12), st.integers(0, 30), st.frozensets(st.sampled_from("abcdef")))
def test_labels_touch_nothing_but_what_passed_alone(tests: list[str], more: int, passed: frozenset[str]) -> None:
    faults = [fault(test) for test in tests]
    total = len(set(tests)) + more
    done = labelled(faults, total=total, passed_alone=passed)
    assert [one.snippet for one in done] == tests
    if {one.attribution for one in done} != {Attribution.INFRASTRUCTURE}:
        assert all((one.attribution is Attribution.FLAKY) == (one.snippet in passed) for one in done)


def test_recorded_reruns_tell_the_flaky_from_the_failing() -> None:
    case = load("pytest", "flaky")
    report = PYTEST.judge(case.request(PYTEST), case.outputs)
    assert {f.snippet: f.attribution for f in report.findings} == {
        "tests/test_flaky.py::test_flaky": Attribution.FLAKY,
        "tests/test_flaky.py::test_failing": Attribution.UNKNOWN,
    }


@pytest.mark.parametrize("spoiled", [b"", b"<testsuite/>", b'<testsuite failures="0"/>'])
def test_a_rerun_without_a_test_that_passed_excuses_nothing(spoiled: bytes) -> None:
    case = load("pytest", "flaky")
    outputs = [case.outputs[0], *(replace(o, reports={"rerun-0.xml": spoiled}) for o in case.outputs[1:])]
    findings = PYTEST.judge(case.request(PYTEST), outputs).findings
    assert {finding.attribution for finding in findings} == {Attribution.UNKNOWN}


def test_a_rerun_is_alone_unmeasured_and_in_one_process() -> None:
    case = load("pytest", "flaky")
    request = case.request(PYTEST)
    assert request.environment is not None
    there = replace(request.environment, versions={**request.environment.versions, "pytest-xdist": "3"})
    assert isinstance(PYTEST, FollowUp)
    commands = PYTEST.follow_up(replace(request, environment=there), case.outputs[:1])
    assert [command.argv[-3:] for command in commands] == [
        ("--no-cov", "-n0", "tests/test_flaky.py::test_flaky"),
        ("--no-cov", "-n0", "tests/test_flaky.py::test_failing"),
    ]


def test_a_failed_fixture_of_unittest_is_rerun_by_its_class() -> None:
    case = load("unittest", "fault")
    commands: list[Command] = list(UNITTEST.follow_up(case.request(UNITTEST), case.outputs[:1]))
    names = [word.partition("=")[2] for command in commands for word in command.argv if word.startswith("--name=")]
    assert names == [
        "tests.test_faults.DiscountTest.test_discount",
        "tests.test_faults.DiscountTest.test_each",
        "tests.test_faults.DiscountTest.test_expected",
        "tests.test_faults.FixtureTest",
    ]


# --- snapshots ---------------------------------------------------------------------------------------------------------

SUMMARY = "--------- snapshot report summary ---------\n"


def test_unused_snapshots_pass_and_are_told() -> None:
    case = load("pytest", "syrupy-unused")
    report = PYTEST.judge(case.request(PYTEST), case.outputs)
    assert (report.outcome, report.metrics["snapshots"], report.metrics["snapshots_obsolete"]) == (Outcome.PASSED, 1.0, 1.0)
    assert [(f.rule, f.severity, f.file) for f in report.findings] == [
        ("snapshot-obsolete", Severity.WARNING, "tests/__snapshots__/test_price.ambr")
    ]


def test_exit_code_1_without_unused_snapshots_is_not_explained() -> None:
    case = load("pytest", "syrupy-unused")
    first = case.outputs[0]
    told = first.result.stdout.replace(b"1 snapshot unused", b"0 snapshots unused")
    output = replace(first, result=replace(first.result, stdout=told))
    assert PYTEST.judge(case.request(PYTEST), [output]).outcome is Outcome.ERRORED


def test_snapshots_of_tests_that_were_left_out_are_not_unused() -> None:
    said = f"{SUMMARY}1 snapshot passed. 2 snapshots unused.\n\nUnused test_z (tests/__snapshots__/test_integration_x.ambr)\n"
    read = read_snapshots(f"{said}Unused a, b[x, y] (t/__snapshots__/a.ambr)\n", left_out=["tests/test_integration_x.py"])
    assert read is not None
    assert [finding.snippet for finding in read.findings] == ["a", "b[x, y]"]


def test_a_summary_without_details_still_counts() -> None:
    read = read_snapshots(f"{SUMMARY}3 snapshots passed. 2 snapshots unused. 1 snapshot generated.\n")
    assert read is not None
    assert read.metrics == {"snapshots": 3.0, "snapshots_obsolete": 1.0, "snapshots_written": 1.0}
    assert read_snapshots("5 passed\n") is None


@given(st.text(max_size=300))
def test_no_output_makes_it_raise(printed: str) -> None:
    read_snapshots(printed)
    read_snapshots(SUMMARY + printed)


def test_a_test_that_fails_because_it_wrote_its_snapshot_is_not_rerun() -> None:
    case = load("pytest", "regressions-created")
    report = PYTEST.judge(case.request(PYTEST), case.outputs)
    assert [finding.rule for finding in report.findings] == ["snapshot-written", "test-failed"]
    assert len(case.commands) == 2


# --- counterexamples ---------------------------------------------------------------------------------------------------


def test_counterexamples_of_hypothesis_are_in_the_message() -> None:
    case = load("pytest", "counterexample")
    plain, stateful = PYTEST.judge(case.request(PYTEST), case.outputs).findings
    assert "discount=1" in plain.message
    assert "state.add(price=7)" in stateful.message
    assert stateful.snippet == "tests/test_property.py::TestCart::runTest"


FAST_CHECK = (
    'Error: Property failed after 1 tests\n{ seed: -1945, path: "0:1", endOnFailure: true }\nCounterexample: [0,""]\n'
    "Shrunk 2 time(s)\nGot error: expected false\n    at Object.<anonymous> (src/a.test.ts:3:1)\n"
)


def test_counterexamples_of_fast_check() -> None:
    found = counterexample(FAST_CHECK)
    assert found.splitlines()[:3] == [
        "Property failed after 1 tests",
        '{ seed: -1945, path: "0:1", endOnFailure: true }',
        'Counterexample: [0,""]',
    ]
    assert "at Object" not in found


def test_an_older_hypothesis_is_understood() -> None:
    text = (
        "    def test_a(x):\n>       assert x < 5\nE       assert 5 < 5\n"
        "E       Falsifying example: test_a(\nE           x=5,\nE       )\n\nt.py:3: X"
    )
    assert counterexample(text) == "Falsifying example: test_a(\n    x=5,\n)"
    assert with_example("assert 5 < 5", counterexample(text)).splitlines()[:2] == [
        "assert 5 < 5",
        "Falsifying example: test_a(",
    ]


@given(st.text(max_size=500))
def test_counterexamples_are_bounded(text: str) -> None:
    assert len(counterexample(f"Falsifying example: {text * 20}")) <= 1_000


# --- unittest's own report ---------------------------------------------------------------------------------------------

states = st.sampled_from(["passed", "failed", "error", "skipped"])


@given(
    st.lists(st.fixed_dictionaries({"id": st.sampled_from("abc"), "state": states}), max_size=5),
    st.booleans(),
    st.integers(0, 6),
)
def test_unittest_passes_only_what_is_consistent(tests: list[dict[str, str]], claimed: bool, code: int) -> None:
    report = json.dumps({"schema": "forge.unittest/1", "successful": claimed, "tests": tests}).encode()
    result = ProcessResult(ended="exited", exit_code=code)
    judged = UNITTEST.judge(asked("unittest"), [ToolOutput(result=result, reports={"unittest.json": report})])
    bad = any(test["state"] in ("failed", "error") for test in tests)
    if judged.outcome is Outcome.PASSED:
        assert (code, claimed, bad) == (0, True, False)
        assert judged.examined > 0
    if judged.outcome is Outcome.FAILED:
        assert (code == 1 and bad) or [finding.rule for finding in judged.findings] == ["no-tests"]
