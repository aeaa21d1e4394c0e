"""What the scanners of gate `sast` look at, and what an excuse in the code is worth."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster import registry
from forge_dagster.domain.changes import Change, ChangedFile
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome, Severity
from forge_dagster.domain.policy import Policy, parse_policy
from forge_dagster.domain.project import Hook, NodeProject, Project, PythonProject
from forge_dagster.errors import ConfigurationError
from forge_dagster.gates.sast import unread, without_links
from forge_dagster.gates.selection import choose
from forge_dagster.ports import ProcessResult, Selection, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.analysis.bandit import ADAPTER as BANDIT
from forge_dagster.tools.analysis.bandit import _is_excused
from forge_dagster.tools.analysis.scanned import added, targets, weighed
from forge_dagster.tools.analysis.semgrep import ADAPTER as SEMGREP
from forge_dagster.tools.analysis.semgrep import RULES
from tests.support.golden import load

FILES = (
    "README.md", "node_modules/a/index.js", "src/a.py", "src/b.py", "src/page.ts", "src/types.d.ts", "static/jquery.min.js",
    "tests/test_a.py",
)  # fmt: skip
ENDINGS = (".py", ".js", ".ts")


def request(
    *,
    files: tuple[str, ...] = FILES,
    changed: tuple[str, ...] | None = None,
    only: tuple[str, ...] = (),
    policy: str = "",
    python: PythonProject | None = None,
    hooks: tuple[Hook, ...] = (),
) -> ToolRequest:
    change = Change(repository="acme/shop")
    if changed is not None:
        change = Change(repository="acme/shop", base_sha="b" * 40, files=tuple(ChangedFile(path=path) for path in changed))
    return ToolRequest(
        root=Path("/w/repo"),
        project=Project(
            files=files,
            python=python or PythonProject(manager="pip"),
            node=NodeProject(manager="npm"),
            hooks=hooks,
            pre_commit_hooks=frozenset(hook.id for hook in hooks),
        ),
        change=change,
        policy=parse_policy(policy) if policy else Policy(),
        environment=None,
        executable=Path("/w/bin/semgrep"),
        version="",
        report=Path("/w/output"),
        cache=Path("/w/cache"),
        selection=Selection(only=only),
    )


def configured(asked: ToolRequest) -> list[str]:
    (command,) = SEMGREP.commands(asked)
    return [value for option, value in zip(command.argv, command.argv[1:], strict=False) if option == "--config"]


# --- which files -------------------------------------------------------------------------------------------------------


def test_without_a_base_everything_that_was_written_here_is_scanned() -> None:
    assert targets(request(), ENDINGS) == ("src/a.py", "src/b.py", "src/page.ts", "tests/test_a.py")


def test_with_a_base_only_what_changed_and_is_there_is_scanned() -> None:
    assert targets(request(changed=("src/b.py", "src/gone.py", "README.md")), ENDINGS) == ("src/b.py",)


def test_of_another_tree_the_selected_files_are_scanned() -> None:
    assert targets(request(only=("src/a.py", "src/gone.py")), ENDINGS) == ("src/a.py",)


def test_a_change_of_no_source_file_asks_nothing_of_the_scanners() -> None:
    assert not SEMGREP.commands(request(changed=("README.md",)))
    assert not BANDIT.commands(request(changed=("README.md", "tests/test_a.py")))


def test_no_name_of_a_file_is_taken_for_an_option() -> None:
    (command,) = SEMGREP.commands(request(files=("--config=evil.py", "-x.py")))
    assert command.argv[-3:] == ("--", "./--config=evil.py", "./-x.py")


def test_many_files_are_scanned_in_several_commands() -> None:
    names = tuple(f"src/m{number:05}.py" for number in range(2_500))
    commands = SEMGREP.commands(request(files=names))
    given_files = [argument for command in commands for argument in command.argv if argument.startswith("./")]
    assert len(commands) == 3
    assert given_files == [f"./{name}" for name in names]
    assert len({argument for command in commands for argument in command.argv if argument.startswith("--output")}) == 3


def test_of_single_file_components_the_scripts_are_scanned() -> None:
    taking_out, scan = SEMGREP.commands(request(files=("src/App.vue", "src/a.ts")))
    assert taking_out.argv[-1:] == ("src/App.vue",)
    folder = taking_out.argv[-2]
    assert scan.argv[-2:] == (f"{folder}/src/App.vue.ts", "./src/a.ts")
    assert len(SEMGREP.commands(request(files=("src/a.ts",)))) == 1


def test_many_components_are_taken_apart_in_several_commands() -> None:
    names = tuple(f"src/m{number:05}.vue" for number in range(1_500))
    commands = SEMGREP.commands(request(files=names))
    assert len(commands) == 4
    assert [argument for command in commands[:2] for argument in command.argv if argument.endswith(".vue")] == [*names]


def _judged(first: ProcessResult) -> ToolReport:
    """What is said of a clean component, whose scripts were taken out with that end."""
    case = load("semgrep", "components-clean")
    _, scan = case.outputs
    return SEMGREP.judge(case.request(SEMGREP), (ToolOutput(result=first), scan))


def test_a_script_that_nobody_reads_is_told() -> None:
    report = _judged(ProcessResult(ended="exited", exit_code=0, stdout=b'"src/App.vue"\n'))
    assert report.outcome is Outcome.PASSED
    assert [(finding.rule, finding.file, finding.severity) for finding in report.findings] == [
        ("not-examined", "src/App.vue", Severity.WARNING)
    ]


@pytest.mark.parametrize(
    "first",
    [
        ProcessResult(ended="exited", exit_code=1, stderr=b"No such file"),
        ProcessResult(ended="exited", exit_code=0, stdout=b"Traceback"),
    ],
    ids=["crashed", "garbage"],
)
def test_scripts_that_were_not_taken_out_are_no_pass(first: ProcessResult) -> None:
    assert _judged(first).outcome is Outcome.ERRORED


def test_single_file_components_that_no_scanner_reads_are_counted_and_said() -> None:
    assert unread(FILES) == ""
    assert unread(("src/a.py", "src/App.vue")).endswith("1 single-file component (src/App.vue)")
    many = tuple(f"src/{number}.svelte" for number in range(7))
    assert unread(many).endswith(
        "7 single-file components (src/0.svelte, src/1.svelte, src/2.svelte, src/3.svelte, src/4.svelte, 2 more)"
    )


# --- which rules -------------------------------------------------------------------------------------------------------


def test_forges_rules_are_those_of_the_languages_that_are_scanned() -> None:
    assert configured(request(changed=("src/a.py",))) == [str(RULES / "python")]
    assert configured(request(changed=("src/page.ts",))) == [str(RULES / "javascript")]
    assert configured(request()) == [str(RULES / "python"), str(RULES / "javascript")]


def test_the_repositorys_rules_and_those_of_its_policy_come_besides() -> None:
    files = ("a.py", ".semgrep/one.yml", ".semgrep/one.test.yml", ".semgrep/one.py", "rules/two.yaml")
    asked = request(files=files, changed=("a.py",), policy='[gates.sast]\nrules = ["rules", "p/python"]\n')
    assert configured(asked) == [str(RULES / "python"), "./.semgrep/one.yml", "./rules", "p/python"]


def test_only_a_registry_pack_needs_the_network() -> None:
    (command,) = SEMGREP.commands(request())
    assert not command.network
    (command,) = SEMGREP.commands(request(policy='[gates.sast]\nrules = ["p/python"]\n'))
    assert command.network


@pytest.mark.parametrize("rule", ["auto", "https://example.org/rules.yml", "../rules.yml", "/etc/rules.yml", "gone.yml", "--x"])
def test_rules_from_elsewhere_are_refused(rule: str) -> None:
    with pytest.raises(ConfigurationError, match=r"gates\.sast"):
        SEMGREP.commands(request(policy=f'[gates.sast]\nrules = ["{rule}"]\n'))


# --- which tools -------------------------------------------------------------------------------------------------------


def test_semgrep_always_looks_and_bandit_where_the_repository_uses_it() -> None:
    tools = registry.tools().values()

    def names(project: Project) -> list[str]:
        return [choice.tool.name for choice in choose("sast", project=project, policy=Policy(), tools=tools)]

    assert names(Project(files=("a.py",), python=PythonProject(manager="pip"))) == ["semgrep"]
    assert names(Project(files=("a.js",), node=NodeProject(manager="npm"))) == ["semgrep"]
    assert names(Project(files=("a.py", ".bandit"), python=PythonProject(manager="pip"))) == ["bandit", "semgrep"]
    configured_bandit = PythonProject(manager="pip", pyproject={"tool": {"bandit": {}}})
    assert names(Project(files=("a.py",), python=configured_bandit)) == ["bandit", "semgrep"]


def test_codeql_looks_besides_where_it_is_installed() -> None:
    project = Project(files=("a.py",), python=PythonProject(manager="pip"))
    found = choose(
        "sast", project=project, policy=Policy(), tools=registry.tools().values(), on_path=lambda name: name == "codeql"
    )
    assert [choice.tool.name for choice in found] == ["codeql", "semgrep"]


def test_bandit_is_asked_as_the_repositorys_hook_asks_it() -> None:
    hook = Hook(id="bandit", args=("-ll", "--skip=B101", "-r", "--exit-zero", "-f", "txt"))
    python = PythonProject(manager="pip", pyproject={"tool": {"bandit": {"skips": ["B404"]}}})
    (command,) = BANDIT.commands(request(python=python, hooks=(hook,)))
    options = command.argv[1 : command.argv.index("--ignore-nosec")]
    assert options == ("-ll", "--skip=B101", "--configfile", "pyproject.toml")
    assert command.argv[command.argv.index("--") + 1 :] == ("./src/a.py", "./src/b.py")


# --- excuses -----------------------------------------------------------------------------------------------------------

WEAKNESS = Finding(tool="semgrep", rule="py-eval", message="eval.", category=Category.SECURITY, file="src/a.py", line=3)


def test_an_excuse_counts_only_where_the_change_did_not_write_it() -> None:
    assert weighed(WEAKNESS, excused_by="nosemgrep", by_change=False).severity is Severity.NOTE
    refused = weighed(WEAKNESS, excused_by="nosemgrep", by_change=True)
    assert refused.severity is Severity.ERROR
    assert "only a person" in refused.message
    assert weighed(WEAKNESS, excused_by="", by_change=True) == WEAKNESS


def test_a_weakness_in_a_test_is_a_warning_whatever_excuses_it() -> None:
    in_test = WEAKNESS.model_copy(update={"file": "tests/test_a.py"})
    for excuse in ("", "nosemgrep"):
        assert weighed(in_test, excused_by=excuse, by_change=True).severity is Severity.WARNING


@given(lines=st.frozensets(st.integers(1, 50)), first=st.integers(1, 50), length=st.integers(0, 10))
def test_added_lines_are_those_of_the_same_file(lines: frozenset[int], first: int, length: int) -> None:
    change = Change(repository="a/b", files=(ChangedFile(path="src/a.py", added_lines=lines),))
    assert added(change, "src/a.py", first, first + length) == bool(lines & set(range(first, first + length + 1)))
    assert not added(change, "src/b.py", first, first + length)


@pytest.mark.parametrize(
    ("code", "excused"),
    [
        ("3 eval(x)  # nosec\n", True),
        ("3 eval(x)  #nosec B307\n", True),
        ("2 # nosec\n3 eval(x)\n", False),
        ("3 eval(x)  # nosecond\n", False),
        ("", False),
    ],
)
def test_an_excuse_of_bandit_is_a_comment_on_the_line_itself(code: str, excused: bool) -> None:
    assert _is_excused(code, [3]) is excused


# --- what was not examined ---------------------------------------------------------------------------------------------

UNSEEN = "src/shop/unseen.py"


def with_unseen(case: str) -> ToolReport:
    """What is made of a recorded case, had there been one more changed file, of which the report says nothing."""
    recorded = load("semgrep", case)
    asked = recorded.request(SEMGREP)
    project = asked.project.model_copy(update={"files": (*asked.project.files, UNSEEN)})
    change = asked.change.model_copy(update={"files": (*asked.change.files, ChangedFile(path=UNSEEN))})
    return SEMGREP.judge(replace(asked, project=project, change=change), recorded.outputs)


def test_what_changed_and_was_not_scanned_never_passes() -> None:
    report = with_unseen("excused-before")
    assert report.outcome is Outcome.ERRORED
    assert UNSEEN in report.reason


@pytest.mark.parametrize("case", ["only-what-changed", "fault"])
def test_a_file_that_semgrep_left_out_is_shown_beside_what_fails(case: str) -> None:
    report = with_unseen(case)
    assert report.outcome is Outcome.FAILED
    assert [finding.severity for finding in report.findings if finding.file == UNSEEN] == [Severity.WARNING]


def test_links_are_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "b.py").symlink_to("a.py")
    part = Project(files=("b.py",))
    found = without_links(tmp_path, Project(files=("a.py", "b.py"), parts=(part,)))
    assert found.files == ("a.py",)
    assert found.parts[0].files == ()
