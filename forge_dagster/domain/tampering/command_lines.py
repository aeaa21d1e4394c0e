"""Command lines that run the tests, and what keeps their failure from being noticed: scripts, makefiles, pipelines."""

import json
import re
from collections.abc import Iterator

from forge_dagster.domain.globs import matches
from forge_dagster.domain.tampering.files import FilePair, name
from forge_dagster.domain.tampering.signs import Sign, asks, rejects

_LONGEST = 2_000
_RUNNERS = re.compile(
    r"\b(pytest|py\.test|unittest|tox|nox|vitest|jest|mocha|ava|tap|node\s+--test|playwright|cypress|ruff|flake8"
    r"|pylint|mypy|pyright|tsc"
    r"|eslint|biome|oxlint|(npm|pnpm|yarn|bun)\s+(run\s+)?(test|lint|check)|make\s+(test|check|lint)|coverage"
    r"|bandit|semgrep|hatch\s+test)\b"
)
_TEST_RUNNERS = re.compile(
    r"\b(pytest|unittest|vitest|jest|mocha|ava|tap|tape|node\s+.*--test|playwright|cypress|karma|uvu|c8|nyc|tsd)\b"
)
_FORGIVEN = re.compile(r"\|\|\s*(true|:|exit\s+0|echo\b[^&|;]*|/bin/true)(\s|$|[\"';&)])|;\s*(true|:|exit 0)\s*[\"']?\s*$")
_SET_PLUS_E = re.compile(r"(^|[;&\s])set\s+\+e\b|set\s+\+o\s+(errexit|pipefail)|SHELLOPTS=")
_TOLERATED = re.compile(
    r"continue-on-error:\s*(true|\$)|allow_failure:\s*true|ignore_outcome\s*=\s*true|ignore_errors\s*=\s*true"
    r"|\bif:\s*(false|\$\{\{\s*false)"
    r"|fail_ci_if_error:\s*false"
)
_MUTED = re.compile(
    r"--exit-zero|--passWithNoTests|--pass-with-no-tests|--suppress-no-test-exit-code|--collect-only|(?<![\w-])--co\b"
    r"|--no-fail|--allow-empty-suite|--quiet-exit"
)
_HOOKS_OFF = re.compile(
    r"--no-verify\b|core\.hooksPath|HUSKY=0|HUSKY_SKIP_HOOKS|(?<![\w-])SKIP=\w|--no-gpg-sign"
    r"|git\s+config\b.*\b(filter|diff|merge)\."
)
_PATH = re.compile(r"\bPATH\s*[:?]?=\s*[\"']?[\w./${}()-]*:")
_NOTHING = re.compile(r"^\s*(echo\b[^&|;]*|printf\b[^&|;]*|true|:|exit\s+0|node\s+-e\s+[\"']{2}|)\s*$")
_CHECKS = re.compile(r"^(test|tests|lint|check|typecheck|type-check|types|ci|verify|coverage|validate)([:.-].*)?$")
_SCRIPTS = (
    "Makefile", "makefile", "GNUmakefile", "*.mk", "justfile", "Justfile", "Taskfile.y*ml", "tox.ini", "tox.toml",
    "noxfile.py", "*.sh", "*.bash", ".github/**", ".gitlab-ci.yml", ".circleci/**", "azure-pipelines*.yml", ".travis.yml",
    "bitbucket-pipelines.yml", ".pre-commit-config.yaml", ".husky/**", ".githooks/**", "lefthook.y*ml", "Jenkinsfile",
    "appveyor.yml", ".buildkite/**", "scripts/**", "bin/**", "runtests*", "Dockerfile*", "tasks.py", ".cirrus.yml",
    ".drone.yml",
)  # fmt: skip


def is_script(path: str) -> bool:
    """Whether a file holds command lines by which a repository is tested."""
    return any(matches(path, pattern) for pattern in _SCRIPTS)


def command_signs(text: str, path: str) -> Iterator[Sign]:
    """Signs in the lines of a script, makefile or pipeline."""
    if not is_script(path):
        return
    makefile = name(path).lower().endswith("makefile") or path.endswith(".mk")
    for number, whole in enumerate(text.split("\n"), 1):
        line = whole[:_LONGEST].strip()
        if not line or (line.startswith("#") and not line.startswith("#!")):
            continue
        if makefile and whole.startswith("\t") and line.lstrip("@").startswith("-"):
            line = f"{line} || true"
        yield from _in_line(line, number)


def _in_line(line: str, number: int | None, where: str = "") -> Iterator[Sign]:
    fix = "let the failure be seen"
    if _FORGIVEN.search(line):
        message = f"{where}a failure of this command is forgiven: {line}"
        before = _FORGIVEN.split(line)[0]
        if _RUNNERS.search(before):
            yield rejects("failure-hidden", message, key=line, line=number, fix=fix)
        else:
            yield asks("failure-hidden", message, key=line, line=number, fix=fix)
    for pattern in (_SET_PLUS_E, _TOLERATED, _MUTED):
        if pattern.search(line):
            yield asks("failure-hidden", f"{where}failures are tolerated from here on: {line}", key=line, line=number, fix=fix)
    if _HOOKS_OFF.search(line):
        yield asks("hooks-bypassed", f"{where}git's hooks are moved or left out: {line}", key=line, line=number)
    if _PATH.search(line) and "PATH" in line:
        yield asks("shadow-program", f"{where}programs are looked for in other places: {line}", key=line, line=number)


def package_signs(pair: FilePair) -> Iterator[Sign]:
    """What the scripts of package.json run no longer, or no longer notice."""
    old, new = _scripts(pair.base), _scripts(pair.head)
    if pair.head is None:
        return
    for script, line in new.items():
        if old.get(script) == line:
            continue
        number = _line_of(pair.head, f'"{script}"')
        checks = _CHECKS.match(script) is not None
        if checks and _NOTHING.match(line):
            message = f"the script {script} runs nothing and always succeeds: {line}"
            yield rejects("test-script-emptied", message, key=line, line=number, fix="have the script run the tests")
        elif checks and _TEST_RUNNERS.search(old.get(script, "")) and not _TEST_RUNNERS.search(line):
            message = f"the script {script} no longer runs a test runner: {old[script]} -> {line}"
            yield asks("test-script-changed", message, key=line, line=number)
        before = {sign.rule for sign in _in_line(old.get(script, ""), None)}
        yield from (sign for sign in _in_line(line, number, f"script {script}: ") if sign.rule not in before)
    for script, line in old.items():
        if script not in new and _CHECKS.match(script) and _RUNNERS.search(line):
            yield asks("test-script-changed", f"the script {script} is gone, which ran: {line}", key=script)


def _scripts(text: str | None) -> dict[str, str]:
    try:
        data = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    scripts = data.get("scripts") if isinstance(data, dict) else None
    return {str(k): str(v)[:_LONGEST] for k, v in scripts.items()} if isinstance(scripts, dict) else {}


def _line_of(text: str, word: str) -> int | None:
    at = text.find(word)
    return None if at < 0 else text.count("\n", 0, at) + 1
