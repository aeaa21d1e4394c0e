"""Gate `sast` with real semgrep and real bandit, and every rule that ships with Forge on the code of its cases."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Attribution, Outcome, Severity
from forge_dagster.domain.results import GateResult
from forge_dagster.ports import Command
from forge_dagster.tools.analysis.semgrep import RULES
from forge_dagster.workspace.environments import LocalEnvironments
from forge_dagster.workspace.processes import ProcessRun
from tests.fakes.machine import NoEnvironments
from tests.support.gate_bench import Files, GateBench
from tests.support.rule_cases import files, sayings

pytestmark = pytest.mark.slow

OLD = "def find(cursor, name):\n    cursor.execute(f\"SELECT * FROM carts WHERE name = '{name}'\")\n"
BASE: Files = {
    "pyproject.toml": '[project]\nname = "shop"\nversion = "1"\n',
    "src/shop/__init__.py": "",
    "src/shop/old.py": OLD,
    "src/shop/price.py": "def total(prices):\n    return sum(prices)\n",
}
PACK = 'import subprocess\n\n\ndef pack(name):\n    subprocess.run(f"tar cf {name}", shell=True, check=True)\n'
SAFE = 'import subprocess\n\n\ndef pack(name):\n    subprocess.run(["tar", "cf", name], check=True)\n'
BANDIT = {"pyproject.toml": '[project]\nname = "shop"\nversion = "1"\n\n[tool.bandit]\nskips = ["B404", "B603", "B607"]\n'}


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forge's home with its toolbox, kept from one test run to the next as pip's cache is."""
    folder = tmp_path_factory.getbasetemp().parent / "forge-toolbox"
    folder.mkdir(exist_ok=True)
    return folder.resolve()


@pytest.fixture
def run() -> Iterator[ProcessRun]:
    run = ProcessRun(home=None, run_id="sast-gate")
    yield run
    run.stop()


@pytest.fixture
def bench(tmp_path: Path, home: Path, run: ProcessRun) -> GateBench:
    return GateBench(tmp_path.resolve(), run, LocalEnvironments(home, run))


def errors(result: GateResult) -> list[Finding]:
    return [finding for finding in result.findings if finding.severity is Severity.ERROR]


def test_every_rule_finds_what_its_cases_say_and_nothing_else(tmp_path: Path, home: Path, run: ProcessRun) -> None:
    folder = tmp_path / "cases"
    folder.mkdir()
    for name, text in files().items():
        (folder / name).write_text(text)
    environment = LocalEnvironments(home, run).toolbox(None, "semgrep", log=lambda _line: None)
    argv = (
        str(environment.executable("semgrep")), "scan", "--config", str(RULES), "--no-rewrite-rule-ids", "--metrics=off",
        "--disable-version-check", "--no-git-ignore", "--quiet", "--timeout=60", "--json",
        f"--output={tmp_path / 'found.json'}", *files(),
    )  # fmt: skip
    done = run.run(Command(argv=argv, cwd=folder, environment=environment.variables, timeout_s=280, trusted=True))
    assert done.exit_code == 0, done.stderr
    report = json.loads((tmp_path / "found.json").read_bytes())
    assert report["errors"] == []
    found = {(match["path"], match["start"]["line"], match["check_id"]) for match in report["results"]}
    assert found == {(saying.file, saying.line, saying.rule) for saying in sayings() if saying.found}


def test_a_weakness_of_the_change_fails_and_its_safe_twin_passes(bench: GateBench) -> None:
    bench.plant(BASE, {"src/shop/pack.py": PACK})
    result = bench.examine("sast")
    assert result.outcome is Outcome.FAILED, result.reason
    (finding,) = errors(result)
    assert (finding.place, finding.rule, finding.attribution) == ("src/shop/pack.py:5", "py-shell-formatted", Attribution.NEW)

    bench.plant(BASE, {"src/shop/pack.py": SAFE})
    result = bench.examine("sast")
    assert (result.outcome, [run.examined for run in result.tools]) == (Outcome.PASSED, [1]), result.reason
    assert not errors(result)


def test_a_weakness_that_was_there_before_does_not_blame_the_change(bench: GateBench) -> None:
    bench.plant(BASE, {"src/shop/old.py": f"LIMIT = 3\n\n\n{OLD}"})
    result = bench.examine("sast")
    assert result.outcome is Outcome.PASSED, result.reason
    assert [finding.attribution for finding in result.findings if finding.rule == "py-sql-formatted"] == [
        Attribution.PREEXISTING
    ]


def test_a_renamed_file_keeps_what_was_wrong_with_it(bench: GateBench) -> None:
    bench.plant(BASE, {"src/shop/old.py": None, "src/shop/carts.py": OLD})
    result = bench.examine("sast")
    assert result.outcome is Outcome.PASSED, result.reason
    assert [finding.attribution for finding in result.findings] == [Attribution.PREEXISTING]


def test_neither_a_comment_nor_an_ignore_file_excuses_the_change(bench: GateBench) -> None:
    excused = PACK.replace("check=True)", "check=True)  # nosemgrep")
    bench.plant(BASE, {"src/shop/pack.py": excused, ".semgrepignore": "*.py\n"})
    result = bench.examine("sast")
    assert result.outcome is Outcome.FAILED, result.reason
    assert "only a person can do" in errors(result)[0].message


def test_a_change_without_source_is_skipped_and_says_so(bench: GateBench) -> None:
    bench.plant(BASE, {"data/prices.csv": "1,2\n"})
    result = bench.examine("sast")
    assert result.outcome is Outcome.SKIPPED
    assert "no source file" in result.reason


def test_a_link_among_the_changed_files_stops_nothing(bench: GateBench) -> None:
    bench.plant(BASE, {"src/shop/pack.py": SAFE})
    (bench.root / "src/shop/again.py").symlink_to("pack.py")
    (bench.root / "src/shop/pack.py").write_text(PACK)
    bench.commit_more()
    result = bench.examine("sast")
    assert [finding.place for finding in errors(result)] == ["src/shop/pack.py:5"], result.reason


def test_a_pack_that_the_registry_does_not_give_is_errored(bench: GateBench) -> None:
    bench.plant(BASE, {"src/shop/pack.py": SAFE}, policy='[gates.sast]\nrules = ["p/forge-has-no-such-pack"]\n')
    result = bench.examine("sast")
    assert result.outcome is Outcome.ERRORED
    assert "semgrep ended with" in result.reason


def test_without_semgrep_the_gate_is_errored(bench: GateBench) -> None:
    bench.plant(BASE, {"src/shop/pack.py": PACK})
    result = bench.examine("sast", environments=NoEnvironments())
    assert result.outcome is Outcome.ERRORED
    assert "nothing is installed here" in result.reason


def test_bandit_looks_besides_where_the_repository_uses_it(bench: GateBench) -> None:
    bench.plant({**BASE, **BANDIT}, {"src/shop/pack.py": PACK})
    result = bench.examine("sast")
    assert {(finding.tool, finding.rule) for finding in errors(result)} == {
        ("bandit", "B602"),
        ("semgrep", "py-shell-formatted"),
    }
    assert all(finding.attribution is Attribution.NEW for finding in errors(result))

    bench.plant({**BASE, **BANDIT}, {"src/shop/pack.py": SAFE})
    result = bench.examine("sast")
    assert (result.outcome, {run.tool for run in result.tools}) == (Outcome.PASSED, {"bandit", "semgrep"}), result.reason


def test_javascript_is_scanned_too(bench: GateBench) -> None:
    package = {"package.json": '{"name": "shop", "version": "1.0.0"}\n', "src/page.js": "export const limit = 3;\n"}
    page = 'export function show(element, name) {\n  element.innerHTML = "<b>" + name + "</b>";\n}\n'
    bench.plant(package, {"src/page.js": page})
    result = bench.examine("sast")
    assert [(finding.place, finding.rule) for finding in errors(result)] == [("src/page.js:2", "js-html-sink")], result.reason


_EVAL = (
    '<template>\n  <p v-text="shown" />\n</template>\n\n'
    '<script setup lang="ts">\nconst props = defineProps<{ text: string }>()\n%s\n</script>\n'
)


def test_the_scripts_of_single_file_components_are_scanned(bench: GateBench) -> None:
    package = '{"name": "shop", "private": true}\n'
    old = _EVAL % "const shown = eval(props.text)"
    base: Files = {"package.json": package, "src/Old.vue": old, "src/New.vue": _EVAL % "const shown = props.text"}
    change: Files = {
        "src/New.vue": old,
        "src/Old.vue": old.replace("</template>", "</template>\n"),
        "src/page.ts": "export {}\n",
    }
    bench.plant(base, change)
    result = bench.examine("sast")
    assert result.outcome is Outcome.FAILED, result.reason
    assert [(finding.file, finding.line, finding.attribution) for finding in result.findings] == [
        ("src/New.vue", 7, Attribution.NEW),
        ("src/Old.vue", 8, Attribution.PREEXISTING),
    ]
    assert not (bench.root / "src/New.vue.ts").exists()
    bench.plant(base, {"src/New.vue": _EVAL % "const shown = props.text.trim()"})
    result = bench.examine("sast")
    assert (result.outcome, errors(result)) == (Outcome.PASSED, []), result.reason
    assert [run.examined for run in result.tools if run.examined] == [1]
