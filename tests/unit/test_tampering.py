"""Tampering: every known pattern is seen, honest changes are let through, and hostile files end nothing."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forge_dagster.domain.outcomes import Severity
from tests.attacks.tampers import TAMPERS
from tests.support.honest_changes import generated
from tests.support.integrity_corpus import Example, asked, history, judged, rejected

MOST_REJECTED = 0.02
ATTACKS = [pytest.param(example, id=f"{name[:2]} {example.name}") for name, examples in TAMPERS.items() for example in examples]


def rules(base: str | None, head: str | None, path: str = "shop/a.py") -> set[str]:
    found = judged(Example(name="x", base={path: base}, head={path: head}))
    return {finding.rule for finding in found if finding.severity is not Severity.NOTE}


def test_there_is_an_attack_for_each_pattern() -> None:
    assert [name[:2] for name in TAMPERS] == [f"{number:02}" for number in range(1, 26)]


@pytest.mark.parametrize("example", ATTACKS)
def test_an_attack_is_rejected_or_asks_for_a_person(example: Example) -> None:
    found = [finding for finding in judged(example) if finding.severity is not Severity.NOTE]
    assert found
    assert all(finding.message and finding.suggested_fix for finding in found)


def test_generated_honest_changes_pass(record_property: Callable[[str, object], None]) -> None:
    examples = list(generated())
    wrong = [example.name for example in examples if rejected(judged(example))]
    seen = [example.name for example in examples if asked(judged(example))]
    record_property("rejected, asked, of", f"{len(wrong)}, {len(seen)}, {len(examples)}")
    assert len(examples) >= 200
    assert len(wrong) <= MOST_REJECTED * len(examples), wrong
    assert len(seen) <= 0.1 * len(examples), seen


@pytest.mark.slow
def test_histories_of_real_repositories_are_not_rejected(record_property: Callable[[str, object], None]) -> None:
    folder = os.environ.get("FORGE_REAL_REPOSITORIES")
    if not folder:
        pytest.skip("FORGE_REAL_REPOSITORIES does not say where real repositories are")
    places = sorted(Path(folder).glob("*/repo"))
    answers = [(example.name, judged(example)) for place in places for example in history(place, count=15)]
    wrong = [name for name, found in answers if rejected(found)]
    seen = sum(asked(found) for _, found in answers)
    record_property("rejected, asked, of", f"{len(wrong)}, {seen}, {len(answers)}")
    assert len(wrong) <= MOST_REJECTED * len(answers), wrong


def test_a_moved_test_is_not_gone_and_a_renamed_one_neither() -> None:
    text = "def test_a():\n    x = f(1)\n    assert x == 2\n"
    moved = Example(name="x", base={"tests/test_a.py": text}, head={"tests/test_a.py": None, "tests/unit/test_b.py": text})
    assert not asked(judged(moved))
    assert not rules(text, text.replace("test_a", "test_b").replace("x", "y"), "tests/test_a.py")


def test_a_test_skipped_under_another_name_is_seen() -> None:
    text = "def test_a():\n    assert f(1) == 2\n"
    head = text.replace("== 2", "") + "\n\n@pytest.mark.skip\ndef test_copy():\n    assert f(1) == 2\n"
    assert "assertion-weakened" in rules(text, head, "tests/test_a.py")


def test_a_stricter_test_is_nothing_to_look_at() -> None:
    text = "def test_a():\n    assert f(1)\n"
    assert not rules(text, text.replace("f(1)", "f(1) == 2"), "tests/test_a.py")


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5_000,
        "x = " + "-" * 50_000 + "1",
        "x = " + "[" * 90 + "]" * 90 + "\n" + "a = " + " + ".join(["1"] * 20_000),
        "if a:\n    pass\n" + "elif a:\n    pass\n" * 3_000,
        "def test_a():\n    assert " + "f(" * 150 + ")" * 150,
        "\0\0\0",
        "é" * 2_000_000,
        "try:\n    x\n" + "except Exception:\n    pass\n" * 2_000,
    ],
    ids=range(8),
)
@pytest.mark.parametrize(
    "path", ["tests/test_a.py", "src/a.ts", "test/a.test.tsx", "pyproject.toml", "package.json", ".eslintrc", "src/a.vue"]
)
def test_hostile_files_end_nothing(text: str, path: str) -> None:
    judged(Example(name="x", base={path: "x = 1\n"}, head={path: text}))


@given(
    text=st.text(max_size=300),
    path=st.sampled_from(["tests/test_a.py", "a.test.ts", "setup.cfg", "tsconfig.json", "poetry.lock", "a.svelte"]),
)
@settings(max_examples=60)
def test_any_text_can_be_looked_at(text: str, path: str) -> None:
    judged(Example(name="x", base={path: text[::-1]}, head={path: text}))


@pytest.mark.parametrize("path", ["src/Price.vue", "src/Price.svelte"])
def test_the_script_of_a_component_is_looked_at_like_any_other(path: str) -> None:
    component = "<template>\n  <p>{{ price }}</p>\n</template>\n\n<script lang='ts'>\nconst price = %s\n</script>\n"
    aware = component % "process.env.NODE_ENV === 'test' ? 6 : (7 as number)"
    (finding,) = [f for f in judged(Example(name="x", base={path: component % "6"}, head={path: aware})) if f.line]
    assert (finding.file, finding.line) == (path, 6)
    told = component.replace("{{ price }}", "process.env.NODE_ENV === 'test'") % "6"
    assert not asked(judged(Example(name="x", base={path: component % "6"}, head={path: told})))
    hiding = "<!-- <script> -->\n" + component % "6"
    assert asked(judged(Example(name="x", base={path: component % "6"}, head={path: hiding})))


def test_what_cannot_be_read_asks_for_a_person() -> None:
    assert rules("x = 1\n", "def (:\n") == {"unexaminable"}
    assert rules("x = 1\n", "x = 1\n#" + "a" * 1_000_000) == {"unexaminable"}


@pytest.mark.parametrize(
    ("path", "base", "head", "rule"),
    [
        ("setup.cfg", "[flake8]\nignore = E1\n", "[flake8]\nignore = E1,E2\n", "loosened-configuration"),
        ("mypy.ini", "[mypy]\nwarn_unreachable = true\n", "[mypy]\n", "loosened-configuration"),
        (".coveragerc", "[report]\nfail_under = 90\n", "[report]\nfail_under = 80\n", "coverage-loosened"),
        ("pytest.ini", "[pytest]\naddopts = -q\n", "[pytest]\naddopts = -q -k fast\n", "test-selection"),
        (
            "biome.json",
            '{"linter": {"rules": {"a": "error"}}}',
            '{"linter": {"rules": {"a": "off"}}}',
            "loosened-configuration",
        ),
        (
            "tsconfig.json",
            '{"compilerOptions": {// x\n"noImplicitAny": true,}}',
            '{"compilerOptions": {}}',
            "loosened-configuration",
        ),
        ("ruff.toml", 'select = ["E"]\n', 'select = ["E", "F"]\n', None),
        ("mypy.ini", "[mypy]\n", "[mypy]\nstrict = true\n", None),
        (".coveragerc", "[report]\nfail_under = 80\n", "[report]\nfail_under = 90\n", None),
        ("tsconfig.json", '{"compilerOptions": {"strict": false}}', '{"compilerOptions": {"strict": true}}', None),
    ],
)
def test_configuration(path: str, base: str, head: str, rule: str | None) -> None:
    assert rules(base, head, path) == ({rule} if rule else set())


def lock_rules(base: dict[str, str], head: dict[str, str]) -> set[str]:
    return {finding.rule for finding in judged(Example(name="lock", base=base, head=head)) if finding.rule == "lock-alone"}


def test_a_lock_that_changes_alone_asks_for_a_person() -> None:
    lock = '{"packages": {"node_modules/left": {"version": "1.0.0", "integrity": "sha512-AAAA"}}}\n'
    newer = lock.replace("1.0.0", "1.0.1").replace("AAAA", "BBBB")
    assert lock_rules({"package-lock.json": lock}, {"package-lock.json": newer}) == {"lock-alone"}
    assert lock_rules({"package-lock.json": lock}, {"package-lock.json": f"{lock}\n"}) == set()
    manifest = {"package.json": '{"dependencies": {"left": "^1.0.0"}}\n'}, {"package.json": '{"dependencies": {"left": "1"}}\n'}
    assert lock_rules({"package-lock.json": lock, **manifest[0]}, {"package-lock.json": newer, **manifest[1]}) == set()
    assert lock_rules({"yarn.lock": "left@1:\n  version 1\n"}, {"yarn.lock": "left@1:\n  version 2\n"}) == {"lock-alone"}


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("process.kill(process.pid)", {"early-exit"}),
        ("process.kill(-process.ppid, 'SIGKILL')", {"early-exit"}),
        ("process.kill(0, 'SIGTERM')", {"early-exit"}),
        ("process.kill(subprocess.pid, 'SIGKILL')", {"process-killed"}),
        ("process.kill(child.pid, 0)", set()),
    ],
)
def test_what_a_test_kills(call: str, expected: set[str]) -> None:
    found = rules("it('a', () => {\n  run()\n})\n", f"it('a', () => {{\n  run()\n  {call}\n}})\n", "test/a.test.js")
    assert found & {"early-exit", "process-killed"} == expected
