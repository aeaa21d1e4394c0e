"""`forge check` as people and programs call it: real tools, real processes, exit codes, and nothing left behind."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from tests.support.advisories import mirror
from tests.support.forge_command import ForgeCommand
from tests.support.holding import is_free
from tests.support.repositories import TestRepository
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
PYPROJECT = '[project]\nname = "sample"\nversion = "1"\n[tool.ruff]\nline-length = 100\n'
CLEAN = '"""A sample."""\n\nANSWER = 42\n'
UNUSED = '"""A sample."""\n\nimport os\n\nANSWER = 42\n'

pytestmark = pytest.mark.xdist_group("check-command")


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> ForgeCommand:
    """One home for all, so that the tools are installed once."""
    home = tmp_path_factory.mktemp("home")
    mirror(home)
    return ForgeCommand(home)


@pytest.fixture
def sample(tmp_path: Path) -> TestRepository:
    repository = TestRepository(tmp_path / "sample")
    repository.commit(**{"pyproject.toml": PYPROJECT, "sample.py": CLEAN})
    return repository


def test_a_clean_repository_passes(forge: ForgeCommand, sample: TestRepository) -> None:
    done = forge.run("check", sample.path, "--stage", "fast")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^  lint +passed ", done.stdout, re.MULTILINE)
    assert done.stdout.splitlines()[-1].startswith("passed")
    assert "\x1b" not in done.stdout + done.stderr


def test_a_fault_is_shown_with_file_line_and_fix(forge: ForgeCommand, sample: TestRepository) -> None:
    sample.write("sample.py", UNUSED)
    done = forge.run("check", "--gate", "lint", cwd=sample.path)
    assert done.returncode == 1
    assert "sample.py:3:8 error" in done.stdout
    assert "F401" in done.stdout
    assert "fix: Remove unused import" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("rejected  1 finding in lint")


def test_json_is_one_valid_object_and_nothing_else(forge: ForgeCommand, sample: TestRepository) -> None:
    base = sample.git("rev-parse", "HEAD")
    head = sample.commit(**{"sample.py": UNUSED})
    done = forge.run("check", sample.path, "--base", base, "--head", head, "--gate", "lint", "--format", "json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    jsonschema.validate(report, json.loads((ROOT / "docs" / "forge.check-1.schema.json").read_text()))
    assert (report["base"], report["head"], report["outcome"], report["risk"]["level"]) == (base, head, "failed", "medium")
    (gate,) = report["gates"]
    assert [(f["file"], f["line"], f["rule"]) for f in gate["findings"]] == [("sample.py", 3, "F401")]
    assert [(tool["tool"], tool["outcome"]) for tool in gate["tools"]] == [("ruff", "failed")]


def test_sarif_goes_to_a_file_whole(forge: ForgeCommand, sample: TestRepository, tmp_path: Path) -> None:
    sample.write("sample.py", UNUSED)
    done = forge.run("check", sample.path, "--gate", "lint", "--format", "sarif", "--output", tmp_path / "out.sarif")
    assert (done.returncode, done.stdout) == (1, "")
    log = json.loads((tmp_path / "out.sarif").read_text())
    schema = json.loads((ROOT / "tests" / "golden" / "sarif-schema-2.1.0.json").read_text())
    jsonschema.Draft4Validator(schema).validate(log)
    assert [(run["tool"]["driver"]["name"], len(run["results"])) for run in log["runs"]] == [("ruff", 1)]


def test_no_recognised_language_is_errored_and_says_so(forge: ForgeCommand, tmp_path: Path) -> None:
    repository = TestRepository(tmp_path / "poems")
    repository.commit(**{"poem.txt": "Roses are red\n"})
    done = forge.run("check", repository.path)
    assert done.returncode == 3
    assert "no recognised language" in done.stdout.splitlines()[-1]


def test_a_kind_may_be_declared_for_what_has_no_code(forge: ForgeCommand, tmp_path: Path) -> None:
    repository = TestRepository(tmp_path / "poems")
    repository.commit(**{"poem.txt": "Roses are red\n", "forge.toml": '[project]\nkind = "static"\n'})
    assert forge.run("check", repository.path).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--gate", "lints"], 'did you mean "lint"'),
        (["--stage", "delivery"], "needs a server"),
        (["--base", "nonsense"], "there is no such commit"),
        (["--nope"], "No such option"),
        (["--output", "/nowhere/at/all.json", "--gate", "secrets"], "cannot write"),
        (["/nowhere/at/all"], "is not a folder"),
    ],
)
def test_wrong_usage_is_2(forge: ForgeCommand, sample: TestRepository, arguments: list[str], said: str) -> None:
    done = forge.run("check", *arguments, cwd=sample.path)
    assert done.returncode == 2, done.stderr
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("committed", [True, False])
def test_a_broken_forge_toml_is_2_and_names_the_key(forge: ForgeCommand, sample: TestRepository, committed: bool) -> None:
    sample.write("forge.toml", "[gates.lint]\nenabeld = false\n")
    if committed:
        sample.commit()
    done = forge.run("check", sample.path)
    assert done.returncode == 2
    assert "enabeld" in done.stderr
    assert 'did you mean "enabled"' in done.stderr


def test_hostile_names_do_not_reach_the_terminal(forge: ForgeCommand, sample: TestRepository) -> None:
    sample.write("evil\x1b[2J\x1b]0;owned\x07.py", UNUSED)
    done = forge.run("check", sample.path, "--gate", "lint")
    assert done.returncode == 1
    assert "evil" in done.stdout
    assert "\x1b" not in done.stdout
    assert "\x07" not in done.stdout


def test_colour_and_progress_only_on_a_terminal(forge: ForgeCommand, sample: TestRepository) -> None:
    def seen(**environment: str) -> str:
        main, end = pty.openpty()
        with subprocess.Popen(
            forge.argv("check", sample.path, "--gate", "lint"), env=forge.environment(**environment), stdout=end, stderr=end
        ) as process:
            os.close(end)
            text = b""
            while True:
                try:
                    piece = os.read(main, 65536)
                except OSError:  # the other side is closed
                    break
                text += piece
            assert process.wait() == 0
        os.close(main)
        return text.decode()

    assert "\x1b[32mpassed" in seen()
    plain = seen(NO_COLOR="1")
    assert "\x1b[32m" not in plain
    assert "running lint" in plain


def test_it_never_imports_what_it_does_not_need(forge: ForgeCommand, sample: TestRepository) -> None:
    program = (
        "import sys\nsys.argv = ['forge', 'check', '--stage', 'fast', '--stage', 'analysis', '--format', 'json']\n"
        "from forge_dagster.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    code = end.code\n"
        "heavy = {'dagster', 'sqlalchemy', 'httpx', 'starlette', 'rich', 'uvicorn', 'supervisor'}\n"
        "print(code, sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=sample.path, env=forge.environment(), capture_output=True, text=True, check=False
    )
    assert done.stderr.splitlines()[-1] == "0 []", done.stderr
    assert json.loads(done.stdout)["outcome"] == "passed"


def test_ctrl_c_stops_the_tools_and_is_130(forge: ForgeCommand, sample: TestRepository) -> None:
    """The tool is a suite whose test starts a process and waits for ever."""
    held = Path(sample.path) / "held"
    sample.write("requirements.txt", "pytest\n")
    sample.write(
        "tests/test_forever.py",
        "import subprocess, time\n\n\ndef test_forever():\n"
        "    child = subprocess.Popen(['flock', 'held', 'sleep', '1000'])\n    time.sleep(1000)\n",
    )
    with subprocess.Popen(
        forge.argv("check", sample.path, "--gate", "unit"),
        env=forge.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        wait_until(lambda: held.exists() and not is_free(held), 120)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert b"Traceback" not in stderr
    wait_until(lambda: is_free(held), 10)
    assert not list(Path(forge.home, "processes").glob("*/*.json"))


def test_a_reader_that_leaves_does_not_change_the_answer(forge: ForgeCommand, sample: TestRepository) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        forge.argv("check", sample.path, "--gate", "lint"),
        env=forge.environment(),
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert done.returncode == 0, done.stderr


def example(name: str, tmp_path: Path) -> TestRepository:
    shutil.copytree(
        ROOT / "examples" / name, tmp_path / name, ignore=shutil.ignore_patterns("node_modules", "dist", "coverage", ".*_cache")
    )
    repository = TestRepository(tmp_path / name)
    repository.commit()
    return repository


@pytest.mark.parametrize("name", ["shop", pytest.param("web", marks=pytest.mark.slow)])
def test_the_examples_pass_every_gate(forge: ForgeCommand, tmp_path: Path, name: str) -> None:
    done = forge.run("check", example(name, tmp_path).path, "--format", "json")
    assert done.returncode == 0, done.stdout
    outcomes = {gate["gate"]: gate["outcome"] for gate in json.loads(done.stdout)["gates"]}
    always = ("format", "lint", "types", "secrets", "unit", "integrity", "architecture", "sast", "sca")
    assert {gate: outcomes.pop(gate) for gate in always} == dict.fromkeys(always, "passed")
    # what the examples have not: property-based, integration and snapshot tests, and a change to judge
    assert set(outcomes.values()) <= {"passed", "skipped"}
